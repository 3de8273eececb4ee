import gc
import weakref

import pytest

from evalsuite.engine.local import LocalEngine
from evalsuite.errors import EvalsuiteError, GenerationError, OutOfMemory
from evalsuite.models.capabilities import CAPABILITIES, CaptionsImages, GeneratesText
from evalsuite.progress import Silent
from evalsuite.requests import Entrant, ImagePart, Prompt, Request, Response

ABILITY = CAPABILITIES[GeneratesText]
ENTRANT = Entrant(model="toy:echo", backend="toy", revision="1")


class Echo:
    """Answers each request with its own prompt; packs hold as many rows as the budget."""

    def __init__(self, budget=8):
        self.pack_budget = budget
        self.batches = []

    def sizes(self, requests):
        return [1] * len(requests)

    def check(self, requests):
        """Fail here, where a kind of model fails."""

    def generate_text(self, requests):
        self.batches.append(len(requests))
        self.check(requests)
        return [Response(r.key, "ok", text=r.prompt.text) for r in requests]


class Small(Echo):
    """Holds only so many rows."""

    def __init__(self, rows, budget=8):
        super().__init__(budget)
        self.rows = rows

    def check(self, requests):
        if len(requests) > self.rows:
            raise OutOfMemory(f"{len(requests)} rows")


class Poisoned(Echo):
    """Cannot answer a prompt that holds the word poison, nor any beside it."""

    error = GenerationError

    def check(self, requests):
        if any("poison" in r.prompt.text for r in requests):
            raise self.error("cannot do that")


class TooLong(Poisoned):
    error = OutOfMemory


class Handle:
    capabilities = frozenset({GeneratesText})
    chosen_decoding = {}  # noqa: RUF012  a stand-in for a property

    def __init__(self, make):
        self.entrant = ENTRANT
        self.make = make
        self.devices = []

    def load(self, device):
        self.devices.append(device)
        self.model = self.make()
        return self.model


class Log(Silent):
    """Keeps what the engine reports."""

    def __init__(self):
        super().__init__()
        self.events = []

    def load(self, model):
        self.events.append(("load", model))

    def start(self, **counts):
        super().start(**counts)
        self.events.append(("start", counts["n_done"], counts["n_todo"]))

    def finish(self):
        self.events.append(("finish",))


def ask(*texts):
    return [Request("generates_text", ENTRANT, Prompt.of_text(text)) for text in texts]


def numbered(n):
    return ask(*(f"prompt {i}" for i in range(n)))


def answer(model, requests, *, missing=None, progress=None):
    """Run the engine; return the responses by text and the sizes of what reached the sink."""
    handle = Handle(lambda: model)
    sunk = []
    missing = {r.key for r in requests} if missing is None else missing
    LocalEngine("cpu").answer(handle, ABILITY, requests, missing, sunk.append, progress or Silent())
    return [response for chunk in sunk for response in chunk], [len(chunk) for chunk in sunk]


def assert_answered_once(responses, requests):
    assert sorted(r.key for r in responses) == sorted(r.key for r in requests)
    texts = {r.key: r.prompt.text for r in requests}
    assert all(r.text == texts[r.key] for r in responses if r.status == "ok")


def test_every_request_is_answered_once_and_each_pack_is_stored_when_it_is_done():
    model, requests = Echo(), numbered(20)
    responses, sunk = answer(model, requests)
    assert_answered_once(responses, requests)
    assert model.batches == sunk == [8, 8, 4]


def test_a_pack_that_does_not_fit_is_halved_until_it_does():
    model, requests = Small(rows=2), numbered(8)
    responses, _ = answer(model, requests)
    assert_answered_once(responses, requests)
    assert {r.status for r in responses} == {"ok"}
    assert model.batches == [8, 4, 2, 2, 4, 2, 2]


def test_a_size_that_did_not_fit_is_not_tried_with_the_next_pack():
    model, requests = Small(rows=4), numbered(32)
    responses, sunk = answer(model, requests)
    assert_answered_once(responses, requests)
    assert model.batches == [8, 4, 4, 4, 4, 4, 4, 4, 4]
    assert sunk == [8, 4, 4, 4, 4, 4, 4]


def test_an_odd_number_is_halved_without_losing_one():
    model, requests = Small(rows=1, budget=7), numbered(7)
    responses, _ = answer(model, requests)
    assert_answered_once(responses, requests)


def test_a_request_too_large_by_itself_is_one_error_and_not_the_end():
    requests = ask("a", "b", "poison", "c", "d")
    responses, _ = answer(TooLong(), requests)
    assert_answered_once(responses, requests)
    (error,) = [r for r in responses if r.status == "error"]
    assert error.key == requests[2].key
    assert error.message == "out of memory for a single request: cannot do that"
    assert error.text is None


def test_a_request_that_cannot_be_answered_does_not_take_others_with_it():
    requests = ask(*(f"prompt {i}" for i in range(7)), "poison one", "poison two")
    responses, _ = answer(Poisoned(budget=16), requests)
    assert_answered_once(responses, requests)
    errors = {r.key: r.message for r in responses if r.status == "error"}
    assert errors == {r.key: "cannot do that" for r in requests[-2:]}


def test_a_failure_does_not_make_later_packs_smaller():
    requests = ask("poison", *(f"prompt {i}" for i in range(31)))
    model = Poisoned()
    responses, sunk = answer(model, requests)
    assert_answered_once(responses, requests)
    assert sunk == [8, 8, 8, 8]


class Reversed(Echo):
    def generate_text(self, requests):
        return super().generate_text(requests)[::-1]


class Short(Echo):
    def generate_text(self, requests):
        return super().generate_text(requests)[:-1]


class Foreign(Echo):
    def generate_text(self, requests):
        return [Response(b"?" * 32, "ok", text="x") for _ in requests]


@pytest.mark.parametrize("kind", [Reversed, Short, Foreign])
def test_answers_that_do_not_match_their_requests_are_our_fault_and_not_stored(kind):
    requests, sunk = numbered(3), []
    with pytest.raises(EvalsuiteError, match="toy:echo: generate_text gave") as caught:
        LocalEngine("cpu").answer(
            Handle(kind), ABILITY, requests, {r.key for r in requests}, sunk.append, Silent()
        )
    assert caught.value.exit_code == 1
    assert sunk == []


def test_an_unforeseen_error_is_not_swallowed():
    class Bug(Echo):
        def check(self, requests):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        answer(Bug(), numbered(3))


def test_what_is_stored_is_not_asked_and_the_packs_stay_as_they_were():
    requests = numbered(24)
    order, _ = answer(Echo(), requests)
    # The first pack is there, the second half, the third not at all.
    missing = {r.key for r in order[12:]}
    model = Echo()
    responses, sunk = answer(model, requests, missing=missing)
    assert [r.key for r in responses] == [r.key for r in order[12:]]
    assert model.batches == sunk == [4, 8]


def test_what_was_done_before_an_interruption_reached_the_sink():
    class Dies(Echo):
        def check(self, requests):
            if len(self.batches) == 3:
                raise KeyboardInterrupt

    requests, sunk = numbered(32), []
    with pytest.raises(KeyboardInterrupt):
        LocalEngine("cpu").answer(
            Handle(Dies), ABILITY, requests, {r.key for r in requests}, sunk.append, Silent()
        )
    assert [len(chunk) for chunk in sunk] == [8, 8]


def test_progress_hears_of_every_answer_and_of_all_the_work():
    requests, log = numbered(20), Log()
    missing = {r.key for r in requests[5:]}
    answer(Echo(), requests, missing=missing, progress=log)
    assert log.events == [("load", "toy:echo"), ("start", 5, 15), ("finish",)]
    assert (log.n_done, log.n_todo, log.n_new, log.n_cached) == (20, 0, 15, 5)
    assert log.work_done == log.work


def test_a_model_is_loaded_once_onto_the_device_and_kept_over_calls():
    engine, handle = LocalEngine("cuda"), Handle(Echo)
    for _ in range(3):
        requests = numbered(2)
        engine.answer(
            handle, ABILITY, requests, {r.key for r in requests}, lambda done: None, Silent()
        )
    assert handle.devices == ["cuda"]


def test_a_model_is_dropped_before_another_one_is_loaded():
    alive_at_load = []
    models = weakref.WeakSet()

    def make():
        gc.collect()
        alive_at_load.append(len(models))
        model = Echo()
        models.add(model)
        return model

    class Forgetful(Handle):
        def load(self, device):
            return self.make()

    engine = LocalEngine("cpu")
    first, second = Forgetful(make), Forgetful(make)
    for handle in (first, second, first):
        requests = numbered(2)
        engine.answer(
            handle, ABILITY, requests, {r.key for r in requests}, lambda done: None, Silent()
        )
    assert alive_at_load == [0, 0, 0]


class Looker(Echo):
    """Says what it read of an image."""

    def caption_images(self, requests, read):
        parts = [request.prompt.parts[0] for request in requests]
        texts = [read(part).decode() for part in parts]
        return [Response(r.key, "ok", text=t) for r, t in zip(requests, texts, strict=True)]


def test_a_model_that_sees_images_is_handed_their_reader():
    requests = [
        Request("captions_images", ENTRANT, Prompt(parts=(ImagePart(sha256=name),)))
        for name in "abc"
    ]
    answers = []
    call = (CAPABILITIES[CaptionsImages], requests, {r.key for r in requests})
    engine = LocalEngine("cpu")
    engine.answer(
        Handle(Looker),
        *call,
        answers.extend,
        Silent(),
        lambda part: b"seen " + part.sha256.encode(),
    )
    assert [answer.text for answer in answers] == ["seen a", "seen b", "seen c"]
    with pytest.raises(EvalsuiteError, match="was given no images"):
        engine.answer(Handle(Looker), *call, answers.extend, Silent())
