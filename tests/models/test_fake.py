import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evalsuite.errors import BadInput, OutOfMemory, UnknownName
from evalsuite.models.capabilities import CAPABILITIES, TokenList
from evalsuite.models.fake import backend
from evalsuite.models.spec import ModelSpec
from evalsuite.requests import (
    Decoding,
    ImagePart,
    LabelsPart,
    Prompt,
    Request,
    Sampling,
    TextPart,
    uniforms,
)

LABELS = LabelsPart(labels=("yes", "no", "maybe"))
PICTURE = ImagePart(sha256="0" * 64)


def open_fake(name):
    return backend.open(ModelSpec.parse(name), offline=True, home=Path("unused"))


def texts(name, prompt="tell me", *, n=16, max_new_tokens=48, **decoding):
    """Ask a fake text model n times for one prompt."""
    handle = open_fake(name)
    sampling = Sampling(max_new_tokens=max_new_tokens, **handle.chosen_decoding | decoding)
    requests = [
        Request("generates_text", handle.entrant, Prompt.of_text(prompt), sampling, index=i)
        for i in range(n)
    ]
    return handle.load("cpu").generate_text(requests)


def vectors(name, *prompts):
    handle = open_fake(name)
    requests = [Request("embeds_text", handle.entrant, Prompt.of_text(p)) for p in prompts]
    return handle.load("cpu").embed_text(requests)


def judged(name, *parts, capability="classifies_text"):
    handle = open_fake(name)
    return handle.load("cpu"), Request(capability, handle.entrant, Prompt(parts=parts))


def statuses(responses):
    return [response.status for response in responses]


def n_distinct_words(responses):
    return len({word for response in responses for word in response.text.split()})


def picture(*_):
    """A real picture, made by the fake image model."""
    handle = open_fake("fake:images")
    request = Request("generates_images", handle.entrant, Prompt.of_text("a cat"))
    return handle.load("cpu").generate_images([request])[0].image


@pytest.mark.parametrize(
    ("name", "capabilities"),
    [
        ("fake:text", {"generates_text", "tokenizes_text"}),
        ("fake:images", {"generates_images"}),
        ("fake:text-embedder", {"embeds_text"}),
        ("fake:image-embedder", {"embeds_images"}),
        ("fake:text-classifier", {"classifies_text", "rates_text"}),
        ("fake:rater", {"rates_text"}),
        ("fake:image-classifier", {"classifies_images"}),
        ("fake:detector", {"detects_objects"}),
        ("fake:vqa", {"answers_visual_questions"}),
        ("fake:captioner", {"captions_images"}),
        ("fake:all", {c.name for c in CAPABILITIES.values()}),
    ],
)
def test_a_handle_declares_its_capabilities_and_the_loaded_model_has_them(name, capabilities):
    handle = open_fake(name)
    assert {CAPABILITIES[protocol].name for protocol in handle.capabilities} == capabilities
    model = handle.load("cpu")
    assert all(isinstance(model, protocol) for protocol in handle.capabilities)


def test_every_listed_model_can_be_opened():
    listings = backend.describe()
    assert len(listings) == 11
    for listing in listings:
        declared = {CAPABILITIES[p].name for p in open_fake(listing.name).capabilities}
        assert declared == set(listing.capabilities)
        assert listing.installed


def test_an_unknown_fake_is_named_with_the_nearest():
    with pytest.raises(UnknownName, match="Did you mean 'text-embedder'"):
        open_fake("fake:text-embeder")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fake:text@v1", "no revisions"),
        ("fake:text?fail=2", "fail"),
        ("fake:text?fail=0.6&refuse=0.6", "more than 1"),
        ("fake:text?wrods=3", "Did you mean 'words'"),
        ("fake:text?temperature=-1", "temperature"),
        ("fake:text?die=0", "die"),
    ],
)
def test_options_that_do_not_fit_are_the_users_error(name, message):
    with pytest.raises(BadInput, match=message):
        open_fake(name)


def test_the_entrant_holds_what_can_change_an_answer_sorted():
    entrant = open_fake("fake:text?words=20&fail=0.1&dim=32&post_training_of=base").entrant
    assert entrant.settings == (("fail", 0.1), ("words", 20))
    assert (entrant.model, entrant.revision) == ("fake:text", "fake-1")
    assert entrant.post_training_of == "base"
    assert entrant.decoding is None


@pytest.mark.parametrize(
    "options",
    ["hang=9", "die=9", "oom=5", "delay=0.1", "log=x.txt", "batch_tokens=7", "fail_first=2"],
)
def test_options_that_cannot_change_an_answer_leave_the_entrant_alone(options):
    assert open_fake(f"fake:text?{options}").entrant == open_fake("fake:text").entrant


def test_the_decoding_holds_only_what_the_user_chose():
    handle = open_fake("fake:text?temperature=0.5&stop=a&stop=b")
    assert handle.chosen_decoding == {"temperature": 0.5, "stop": ("a", "b")}
    assert handle.entrant.decoding == Decoding(temperature=0.5, stop=("a", "b"))


def test_answers_follow_from_the_request_and_not_from_its_company():
    handle = open_fake("fake:text")
    prompt, sampling = Prompt.of_text("hello"), Sampling()
    requests = [
        Request("generates_text", handle.entrant, prompt, sampling, index=i) for i in range(6)
    ]
    together = handle.load("cpu").generate_text(requests)
    alone = [handle.load("cpu").generate_text([r])[0] for r in reversed(requests)][::-1]
    assert together == alone
    assert [r.key for r in together] == [r.key for r in requests]
    assert len({r.text for r in together}) == 6


def test_a_fixed_request_has_a_fixed_text():
    # Whatever changes these words changes every stored answer of the fake models: raise fake-1.
    assert [response.text for response in texts("fake:text", n=4, max_new_tokens=12)] == [
        "pifi suba miba mafi maba lufi lude rofi mafi fide sufi leba",
        "mafi nefi baba mafi fide nefi lufi maba rofi suba lufi wiba",
        "sufi lufi mafi mafi goba suba fifi mafi suba lude fifi pide",
        "nefi lufi wiba rofi lufi deba taba leba wide mafi bade",
    ]


def test_colder_sampling_uses_fewer_words():
    counts = [n_distinct_words(texts(f"fake:text?temperature={t}")) for t in (0, 0.3, 0.6, 1, 3)]
    assert counts == sorted(set(counts))
    assert counts[0] == 1


def test_greedy_samples_are_equal():
    responses = texts("fake:text?temperature=0")
    assert len({r.text for r in responses}) == 1
    assert responses[0].finish == "length"


@pytest.mark.parametrize(
    ("decoding", "n_words"), [({"top_k": 3}, 3), ({"min_p": 0.9}, 1), ({"top_p": 0.3}, 2)]
)
def test_cutting_the_distribution_leaves_its_likeliest_words(decoding, n_words):
    assert n_distinct_words(texts("fake:text", n=40, **decoding)) == n_words


@pytest.mark.parametrize("words", [2, 5, 6, 50, 500])
def test_the_vocabulary_has_the_asked_size(words):
    responses = texts(f"fake:text?words={words}&temperature=50", n=400, max_new_tokens=200)
    assert n_distinct_words(responses) == words


def test_other_prompts_have_other_likeliest_words():
    first, second = (texts("fake:text?temperature=0", prompt=p)[0].text for p in ("one", "two"))
    assert first != second


def test_the_limit_on_new_tokens_is_kept_and_told():
    responses = texts("fake:text", n=200, max_new_tokens=20)
    for r in responses:
        n_words = len(r.text.split())
        assert 1 <= n_words <= 20
        assert (n_words == 20) if r.finish == "length" else (n_words < 20)
        assert r.n_new_tokens == n_words + (r.finish == "stop")
        assert r.n_prompt_tokens == 2
    assert {r.finish for r in responses} == {"stop", "length"}


def test_a_stop_string_ends_the_text_and_is_no_part_of_it():
    free = texts("fake:text?temperature=0")[0].text
    second_word = free.split()[1]
    stopped = texts(f"fake:text?temperature=0&stop={second_word[1:]} &stop=qqq")[0]
    assert stopped.text == second_word[0]
    assert stopped.finish == "stop"
    assert stopped.n_new_tokens == 1


def test_equal_texts_have_equal_unit_vectors_in_any_fake_embedder():
    first, second = (
        vectors(name, "a red cat")[0].vector
        for name in ("fake:text-embedder", "fake:all?fail=0.001")
    )
    assert first.dtype == np.float32 and first.shape == (32,)
    assert np.array_equal(first, second)
    assert np.linalg.norm(first) == pytest.approx(1.0, abs=1e-6)


def test_texts_that_share_words_are_closer():
    answers = vectors(
        "fake:text-embedder?dim=256", "a red cat sat", "a red cat ran", "the old big dog", "cat", ""
    )
    base, near, far, _, empty = (r.vector for r in answers)
    assert base @ near > 0.5 > abs(base @ far) + 0.1
    assert base.shape == (256,)
    assert not empty.any()


def test_pictures_are_png_files_that_follow_from_the_request():
    data = picture()
    image = Image.open(io.BytesIO(data))
    image.verify()
    image = Image.open(io.BytesIO(data))
    assert (image.size, image.mode, image.format) == ((32, 32), "RGB", "PNG")
    assert len(image.getcolors()) == 16
    handle = open_fake("fake:images")
    request = Request("generates_images", handle.entrant, Prompt.of_text("a cat"))
    corner = tuple((uniforms(request.key, 3) * 256).astype(int).tolist())
    assert image.getpixel((0, 0)) == corner
    assert data == picture()


def test_image_vectors_follow_from_the_bytes_of_the_image():
    model, request = judged("fake:image-embedder?dim=8", PICTURE, capability="embeds_images")
    same = [model.embed_images([request], picture)[0].vector for _ in range(2)]
    other = model.embed_images([request], lambda part: b"other bytes")[0].vector
    assert np.array_equal(*same)
    assert not np.array_equal(same[0], other)
    assert np.linalg.norm(other) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "method", "args"),
    [
        ("fake:text-classifier", "classify_text", ()),
        ("fake:image-classifier", "classify_images", (picture,)),
        ("fake:vqa", "answer_questions", (picture,)),
    ],
)
def test_scores_of_the_labels_sum_to_one(name, method, args):
    model, request = judged(name, TextPart(text="is it?"), PICTURE, LABELS)
    response = getattr(model, method)([request], *args)[0]
    assert len(response.scores) == 3
    assert sum(response.scores) == pytest.approx(1.0, abs=1e-12)
    assert min(response.scores) >= 0.0


def test_a_question_without_answers_gets_a_text():
    model, request = judged("fake:vqa", TextPart(text="what is it?"), PICTURE)
    response = model.answer_questions([request], picture)[0]
    assert response.text and response.scores is None


def test_a_classification_without_labels_is_an_error_and_not_a_score():
    model, request = judged("fake:text-classifier", TextPart(text="is it?"))
    response = model.classify_text([request])[0]
    assert response.status == "error" and "labels" in response.message


def test_found_objects_have_asked_labels_and_lie_inside_the_image():
    labels = LabelsPart(labels=tuple(f"thing {i}" for i in range(60)))
    model, request = judged("fake:detector", PICTURE, labels, capability="detects_objects")
    boxes = model.detect_objects([request], picture)[0].boxes
    assert 15 <= len(boxes) <= 45
    for box in boxes:
        assert box.label in labels.labels
        assert 0.0 <= box.score <= 1.0
        assert 0.0 <= box.x0 < box.x1 <= 32.0 and 0.0 <= box.y0 < box.y1 <= 32.0


def test_a_detector_without_an_image_says_so():
    model, request = judged("fake:detector", LABELS)
    response = model.detect_objects([request], picture)[0]
    assert response.status == "error" and "no image" in response.message


@pytest.mark.parametrize(
    ("option", "status"), [("fail", "error"), ("refuse", "refused"), ("filter", "filtered")]
)
def test_a_share_of_requests_goes_wrong_always_the_same_ones(option, status):
    name = f"fake:text?{option}=0.25"
    first, second = statuses(texts(name, n=400)), statuses(texts(name, n=400))
    assert first == second
    assert set(first) == {"ok", status}
    assert 70 <= first.count(status) <= 130


def test_shares_do_not_overlap():
    found = statuses(texts("fake:text?fail=0.25&refuse=0.25&filter=0.25&empty=0.25", n=400))
    assert all(70 <= found.count(s) <= 130 for s in ("ok", "error", "refused", "filtered"))


def test_empty_texts_are_answers_without_words():
    responses = texts("fake:text?empty=0.5", n=100)
    empty = [r for r in responses if not r.text]
    assert 30 <= len(empty) <= 70
    assert {(r.status, r.text, r.finish, r.n_new_tokens) for r in empty} == {("ok", "", "stop", 0)}


def test_a_share_of_vectors_is_not_a_number():
    answers = vectors("fake:text-embedder?nan=0.5", *(f"text {i}" for i in range(100)))
    broken = [np.isnan(r.vector).all() for r in answers]
    assert set(statuses(answers)) == {"ok"}
    assert 30 <= sum(broken) <= 70
    assert all(np.isfinite(r.vector).all() for r, b in zip(answers, broken, strict=True) if not b)


def test_only_the_first_answers_of_a_loaded_model_fail_on_request():
    model, request = judged("fake:text-classifier?fail_first=3", TextPart(text="a"), LABELS)
    found = [model.classify_text([request])[0] for _ in range(5)]
    assert statuses(found) == ["error"] * 3 + ["ok"] * 2


def test_too_many_rows_run_out_of_memory():
    model, request = judged("fake:text-classifier?oom=2", TextPart(text="a"), LABELS)
    with pytest.raises(OutOfMemory, match="3 rows"):
        model.classify_text([request] * 3)
    assert statuses(model.classify_text([request] * 2)) == ["ok", "ok"]


def test_the_log_names_each_answered_request_once(tmp_path):
    log = tmp_path / "keys.txt"
    first = texts(f"fake:text?refuse=0.5&log={log}", n=5)
    second = texts(f"fake:text?refuse=0.5&log={log}", prompt="other", n=3)
    assert log.read_text().splitlines() == [r.key.hex() for r in first + second]


def test_sizes_are_words_and_the_budget_is_an_option():
    model, request = judged("fake:all?batch_tokens=99", TextPart(text="one two  three"), LABELS)
    _, blank = judged("fake:all", PICTURE)
    assert model.sizes([request, blank]) == [3, 1]
    assert model.pack_budget == 99
    assert open_fake("fake:text").load("cpu").pack_budget == 4096


PROGRAM = """
import sys
from pathlib import Path
from evalsuite.models.fake import backend
from evalsuite.models.spec import ModelSpec
from evalsuite.requests import Prompt, Request, Sampling

handle = backend.open(ModelSpec.parse(sys.argv[1]), offline=True, home=Path("unused"))
model = handle.load("cpu")
assert "torch" not in sys.modules and "scipy" not in sys.modules
for i in range(5):
    request = Request("generates_text", handle.entrant, Prompt.of_text("a"), Sampling(), index=i)
    model.generate_text([request])
"""


def test_the_process_dies_at_the_answer_it_is_told_to(tmp_path):
    log = tmp_path / "keys.txt"
    command = [sys.executable, "-c", PROGRAM, f"fake:text?die=3&log={log}"]
    assert subprocess.run(command, check=False, timeout=60).returncode == 137
    assert len(log.read_text().splitlines()) == 2


def test_the_process_hangs_at_the_answer_it_is_told_to(tmp_path):
    log = tmp_path / "keys.txt"
    command = [sys.executable, "-c", PROGRAM, f"fake:text?hang=4&log={log}"]
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run(command, check=False, timeout=5)
    assert len(log.read_text().splitlines()) == 3


def test_without_misbehaviour_the_process_ends_well():
    command = [sys.executable, "-c", PROGRAM, "fake:text"]
    assert subprocess.run(command, check=False, timeout=60).returncode == 0


def test_a_delay_is_waited_for_once_a_batch(monkeypatch):
    waits = []
    monkeypatch.setattr("evalsuite.models.fake.time.sleep", waits.append)
    model, request = judged("fake:text-classifier?delay=0.25", TextPart(text="a"), LABELS)
    model.classify_text([request] * 4)
    assert waits == [0.25]


def test_with_beams_the_texts_of_falling_likelihood_follow_the_index():
    found = texts("fake:text?beams=12", n=12)
    words = [r.text.split() for r in found]
    best = words[0][0]
    assert words[0] == [best] * 8  # Zipf: rank 1 at every place
    # Rank 2 at one of the eight places is half as likely, rank 3 a third.
    assert [sum(w != best for w in own) for own in words] == [0] + [1] * 11
    second = {w for own in words[1:9] for w in own} - {best}
    assert len(second) == 1 and not {w for own in words[9:] for w in own} & second
    assert len({r.text for r in found}) == 12
    assert found == texts("fake:text?beams=12", n=12)


def test_groups_that_are_kept_apart_find_other_words():
    plain, grouped, apart = (
        texts(f"fake:text?beams=4{more}", n=4)
        for more in ("", "&beam_groups=4", "&beam_groups=4&diversity_strength=1")
    )
    assert grouped != apart
    assert [r.text for r in grouped] == [r.text for r in plain]
    assert len({r.text.split()[0] for r in apart}) == 4
    assert apart[0].text == plain[0].text


def test_beams_that_are_not_there_are_errors():
    found = texts("fake:text?beams=2", n=3)
    assert statuses(found) == ["ok", "ok", "error"]
    few = texts("fake:text?beams=4&words=2", n=4, max_new_tokens=1)
    assert statuses(few) == ["ok", "ok", "error", "error"]
    assert few[0].finish == "length"


def test_a_rating_is_the_mean_over_the_words_of_the_answer():
    def rated(*parts):
        model, request = judged(
            "fake:rater", *(TextPart(text=t) for t in parts), capability="rates_text"
        )
        return model.rate_text([request])[0].scores[0]

    assert rated("red cat") == pytest.approx((rated("red") + rated("cat")) / 2, abs=1e-12)
    assert rated("a prompt", "red cat") == rated("other", "Red  cat")
    assert -1.0 <= rated("red") < 1.0 and rated("red") != rated("cat")
    assert rated(" ") == 0.0


def test_its_own_words_are_cut_into_the_tokens_that_they_are():
    handle = open_fake("fake:text?words=30")
    text = texts("fake:text?words=30", n=1)[0].text
    request = Request("tokenizes_text", handle.entrant, Prompt.of_text(f"{text} stranger"))
    (found,) = handle.load("cpu").tokenize_text([request])
    tokens = TokenList.from_text(found.text)
    assert tokens.vocab_size == 30
    assert len(tokens.ids) == len(text.split()) + 1 and max(tokens.ids) < 30
    assert len(set(tokens.ids[:-1])) == len(set(text.split()))
