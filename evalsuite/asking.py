"""What a task asks through: each call is planned, looked up, answered and returned as a table."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Protocol

import numpy as np

from evalsuite import planned_rows
from evalsuite.engine.local import Sink
from evalsuite.errors import BadInput, EvalsuiteError, UnknownName
from evalsuite.models.capabilities import (
    CAPABILITIES,
    AnswersVisualQuestions,
    Capability,
    CaptionsImages,
    ClassifiesImages,
    ClassifiesText,
    EmbedsImages,
    EmbedsText,
    GeneratesImages,
    GeneratesText,
    ModelHandle,
    RatesText,
    ReadImage,
    TokenizesText,
)
from evalsuite.models.spec import unknown
from evalsuite.planned_rows import Draws
from evalsuite.progress import Silent
from evalsuite.prompts import Unit
from evalsuite.questions import ImageQuestion, Question
from evalsuite.redaction import redact
from evalsuite.requests import (
    Decoding,
    Entrant,
    LabelsPart,
    Part,
    Request,
    Response,
    Sampling,
    unique_by_key,
)
from evalsuite.response_folder import Folder
from evalsuite.store import Store
from evalsuite.stored_images import StoredImages, shown_images
from evalsuite.tables import ResponseTable, Row


class Engine(Protocol):
    """Where packs run; `evalsuite.engine.local.LocalEngine` is one."""

    name: str

    def answer(
        self,
        handle: ModelHandle,
        capability: Capability,
        requests: Sequence[Request],
        missing: set[bytes],
        sink: Sink,
        progress: Silent,
        read: ReadImage,
    ) -> None:
        """Answer the missing requests and hand each finished pack to the sink.

        ``read`` gives a loaded model the images that its requests name.
        """
        ...


@dataclass
class Call:
    """What one call on a model asked, had and still needs.

    ``n_low`` and ``n_high`` bound the requests still to be answered; they differ in a dry run whose
    later requests hang on answers that are not there yet.
    """

    role: str
    model: str
    capability: str
    n_requests: int
    n_cached: int
    n_low: int
    n_high: int
    statuses: Counter[str] = field(default_factory=Counter)


@dataclass
class Room:
    """What every asker of a run shares."""

    store: Store
    engine: Engine
    progress: Silent
    seed: int
    replicates: int
    dry_run: bool
    calls: list[Call] = field(default_factory=list)


class Asker:
    """A model in a role, ready to be asked.

    Parameters
    ----------
    role : str
        ``model``, or the judge's role.
    handle : ModelHandle
    capability : type
        What the role is asked for.
    decoding : Decoding
        The task's defaults; what the user set in the model's name goes before them.
    """

    def __init__(
        self, role: str, handle: ModelHandle, capability: type, decoding: Decoding, room: Room
    ) -> None:
        self.role = role
        self.handle = handle
        self.entrant = entrant_in_role(handle, capability, decoding)
        self.decoding = effective_decoding(handle, decoding)
        self._room = room
        self._draws = Draws(room.seed, room.replicates)

    def generate(
        self, units: Sequence[Unit], *, samples: int, max_new_tokens: int
    ) -> ResponseTable:
        """Draw ``samples`` texts for each unit's prompt.

        A prompt that stands twice, in one call or in two, gets fresh samples each time.

        Returns
        -------
        ResponseTable
            Rows by unit, then replicate, then sample.

        Raises
        ------
        BadInput
            If the entrant uses beam search and more samples or replicates are asked for than it
            has.
        """
        capability = self._capability(GeneratesText)
        check_beams(self.handle.entrant.model, self.decoding, samples, self._room.replicates)
        sampling = Sampling(**self.decoding.model_dump(), max_new_tokens=max_new_tokens)
        rows = self._draws.rows(capability, self.handle.entrant, units, samples, sampling)
        return self._answer(capability, list(rows))

    def generate_images(self, units: Sequence[Unit], *, samples: int) -> ResponseTable:
        """Draw ``samples`` images for each unit's prompt.

        Returns
        -------
        ResponseTable
            As of `generate`: rows hold the sha256 of their image, and the table reads its bytes.
        """
        capability = self._capability(GeneratesImages)
        rows = self._draws.rows(capability, self.handle.entrant, units, samples)
        return self._answer(capability, list(rows))

    def embed(self, table: ResponseTable) -> ResponseTable:
        """Embed the texts of a table; equal texts are asked once, blank ones not at all."""
        return self._ask_about(EmbedsText, table, lambda row: row.text)

    def embed_prompts(self, table: ResponseTable) -> ResponseTable:
        """Embed the prompt behind each row of a table, whether an answer came or not."""
        return self._ask_about(EmbedsText, table, lambda row: row.unit.prompt.text)

    def tokenize(self, table: ResponseTable) -> ResponseTable:
        """Cut the texts of a table into the model's tokens; see `TokenList.from_text`."""
        return self._ask_about(TokenizesText, table, lambda row: row.text)

    def classify(self, questions: Sequence[Question], *, labels: Sequence[str]) -> ResponseTable:
        """Score each label for each question; a row's ``scores`` are in the order of the labels."""
        return self._ask(ClassifiesText, questions, (LabelsPart(labels=tuple(labels)),))

    def rate(self, questions: Sequence[Question]) -> ResponseTable:
        """Give each question one number, such as the reward of an answer to its prompt."""
        return self._ask(RatesText, questions)

    def embed_images(self, table: ResponseTable) -> ResponseTable:
        """Embed the images of a table; equal images are asked about once."""
        return self._ask_about_images(EmbedsImages, table)

    def classify_images(self, table: ResponseTable, *, labels: Sequence[str]) -> ResponseTable:
        """Score each label for each image; ``scores`` are probabilities in the labels' order."""
        return self._ask_about_images(ClassifiesImages, table, (LabelsPart(labels=tuple(labels)),))

    def caption(self, table: ResponseTable) -> ResponseTable:
        """Describe the images of a table in words."""
        return self._ask_about_images(CaptionsImages, table)

    def answer(self, questions: Sequence[ImageQuestion]) -> ResponseTable:
        """Answer questions about images.

        Equal questions about equal images are asked once. The questions about an image must stand
        together, as `questions.about_images` puts them.

        Returns
        -------
        ResponseTable
            A row a question, its ``topic`` the question's name: with ``scores`` in the order of the
            closed set, or with the ``text`` of a free answer.
        """
        capability = self._capability(AnswersVisualQuestions)
        rows = planned_rows.of_image_questions(capability, self.handle.entrant, questions)
        images = (q.image for q in questions if q.image is not None)
        return self._answer(capability, list(rows), _sources(images))

    def _ask(
        self, wanted: type, questions: Sequence[Question], more: tuple[Part, ...] = ()
    ) -> ResponseTable:
        capability = self._capability(wanted)
        rows = planned_rows.of_questions(capability, self.handle.entrant, questions, more)
        return self._answer(capability, list(rows))

    def _ask_about(
        self, wanted: type, table: ResponseTable, text_of: Callable[[Row], str | None]
    ) -> ResponseTable:
        capability = self._capability(wanted)
        rows = planned_rows.about_texts(capability, self.handle.entrant, table, text_of)
        return self._answer(capability, list(rows))

    def _ask_about_images(
        self, wanted: type, table: ResponseTable, more: tuple[Part, ...] = ()
    ) -> ResponseTable:
        capability = self._capability(wanted)
        rows = planned_rows.about_images(capability, self.handle.entrant, table, more)
        return self._answer(capability, list(rows), _sources(table.rows))

    def _capability(self, wanted: type) -> Capability:
        if wanted not in self.handle.capabilities:
            raise BadInput(
                f"{self.handle.entrant.model}, as {self.role}, must be able to: "
                f"{CAPABILITIES[wanted].name}. `evalsuite models` shows which can."
            )
        return CAPABILITIES[wanted]

    def _answer(
        self,
        capability: Capability,
        rows: Sequence[Row],
        sources: Mapping[str, Request] | None = None,
    ) -> ResponseTable:
        room = self._room
        folder = room.store.folder(capability.name, self.handle.entrant)
        requests = unique_by_key(row.request for row in rows if row.request)
        known = folder.known([request.key for request in requests])
        missing = {r.key for r, is_known in zip(requests, known, strict=True) if not is_known}
        n_open = sum(row.request is None and row.status == "planned" for row in rows)
        call = Call(
            role=self.role,
            model=self.handle.entrant.model,
            capability=capability.name,
            n_requests=len(requests),
            n_cached=len(requests) - len(missing),
            n_low=len(missing),
            n_high=len(missing) + n_open,
        )
        room.calls.append(call)
        errors: dict[bytes, Response] = {}
        if missing and not room.dry_run:
            errors = self._fetch(capability, requests, missing, folder, sources or {})
        answered = [r for r in requests if r.key not in missing or not room.dry_run]
        found = _small_values(folder, [r.key for r in answered if r.key not in errors]) | errors
        done = [_fill(row, found) for row in rows]
        call.statuses = Counter(row.status for row in done)

        def read(keys: Sequence[bytes]) -> Iterator[Response]:
            return chain.from_iterable(folder.iter_read(keys))

        return ResponseTable(self.role, done, read)

    def _fetch(
        self,
        capability: Capability,
        requests: Sequence[Request],
        missing: set[bytes],
        folder: Folder,
        sources: Mapping[str, Request],
    ) -> dict[bytes, Response]:
        """Answer what is missing; return the errors, which are not stored but tried again."""
        errors: dict[bytes, Response] = {}
        by_key = {request.key: request for request in requests}

        def sink(responses: Sequence[Response]) -> None:
            for response in responses:
                self._refuse_non_finite(by_key[response.key], response)
                self._refuse_imageless(capability, response)
            errors.update({r.key: _shown(r) for r in responses if r.status == "error"})
            final = [r for r in responses if r.status != "error"]
            if final:
                folder.append(final)

        self._room.progress.call(f"{self.role} {self.handle.entrant.model}")
        images = StoredImages(self._room.store, sources, shown_images(requests, missing))
        self._room.engine.answer(
            self.handle, capability, requests, missing, sink, self._room.progress, images
        )
        folder.compact()
        return errors

    def _refuse_non_finite(self, request: Request, response: Response) -> None:
        values = [v for v in (response.vector, response.scores) if v is not None]
        if all(np.isfinite(v).all() for v in values):
            return
        raise BadInput(
            f"{self.role} {self.handle.entrant.model} gave a value that is not finite for the text "
            f"{request.prompt.text[:60]!r}; nothing of that pack was kept. Try another model, or "
            "another dtype (?dtype=float32)."
        )

    def _refuse_imageless(self, capability: Capability, response: Response) -> None:
        is_image = capability.protocol is GeneratesImages
        if is_image and response.status == "ok" and response.image is None:
            raise EvalsuiteError(
                f"{self.handle.entrant.model}: gave an answer without an image; this is a fault of "
                "the backend"
            )


@dataclass(frozen=True)
class AbsentJudge:
    """Stands in a role that no model fills: what is asked of it stays unasked."""

    role: str

    def embed(self, table: ResponseTable) -> ResponseTable:
        """Return a table without a vector; measures that need one are missing."""
        rows = [replace(row, status="unasked", request=None, response=None) for row in table.rows]
        return ResponseTable(self.role, rows, lambda keys: iter(()))

    embed_prompts = embed
    tokenize = embed
    embed_images = embed
    caption = embed

    def classify_images(self, table: ResponseTable, *, labels: Sequence[str]) -> ResponseTable:
        """Return a table without a score."""
        return self.embed(table)

    def answer(self, questions: Sequence[ImageQuestion]) -> ResponseTable:
        """Return a table without an answer."""
        rows = [Row(q.unit, q.replicate, q.index, "unasked", topic=q.name) for q in questions]
        return ResponseTable(self.role, rows, lambda keys: iter(()))

    def classify(self, questions: Sequence[Question], *, labels: Sequence[str]) -> ResponseTable:
        """Return a table without a row."""
        return ResponseTable(self.role, (), lambda keys: iter(()))

    def rate(self, questions: Sequence[Question]) -> ResponseTable:
        """Return a table without a row."""
        return ResponseTable(self.role, (), lambda keys: iter(()))


def effective_decoding(handle: ModelHandle, default: Decoding) -> Decoding:
    """The task's decoding, overridden by what the user chose in the model's name.

    Beam search takes nothing but the stop texts from the task: it does not sample.
    """
    if handle.chosen_decoding.get("beams"):
        default = Decoding(stop=default.stop)
    return Decoding.model_validate(default.model_dump() | handle.chosen_decoding)


def check_beams(model: str, decoding: Decoding, samples: int, replicates: int) -> None:
    """Refuse more answers than beam search has.

    Raises
    ------
    BadInput
        If there are fewer beams than samples, or several replicates.
    """
    beams = decoding.beams
    if beams and beams < samples:
        raise BadInput(
            f"{model}: {beams} beams give {beams} answers to a prompt, and {samples} are asked "
            f"for; use ?beams={samples} or --samples {beams}"
        )
    if beams and replicates > 1:
        raise BadInput(
            f"{model}: beam search gives the same answers with every seed; leave out --replicates"
        )


def entrant_in_role(handle: ModelHandle, capability: type, default: Decoding) -> Entrant:
    """The entrant, with its decoding where what the role asks for is decoded token by token."""
    is_decoded = CAPABILITIES[capability].decoded
    decoding = effective_decoding(handle, default) if is_decoded else None
    return handle.entrant.model_copy(update={"decoding": decoding})


@dataclass(frozen=True)
class Run:
    """The handle that a task's ``collect`` holds.

    Attributes
    ----------
    units : tuple of Unit
        What is to be asked, after ``--limit``.
    model : Asker
        The model under test.
    judges : dict of str to Asker or AbsentJudge
        By role; see `judge`.
    data : dict of str to callable
        Readers of the card's data files; see `read`.
    calls : list of Call
        What has been asked so far.
    """

    units: tuple[Unit, ...]
    model: Asker
    judges: Mapping[str, Asker | AbsentJudge]
    data: Mapping[str, Callable[[], str]]
    calls: list[Call]

    def judge(self, role: str) -> Asker | AbsentJudge:
        """Return the judge of a role of the card, or its absence.

        Raises
        ------
        UnknownName
            If the card has no such role.
        """
        if role not in self.judges:
            raise UnknownName(unknown("judge", role, list(self.judges)))
        return self.judges[role]

    def read(self, file: str) -> str:
        """Read a data file of the task's card, checked against its sha256."""
        if file not in self.data:
            raise UnknownName(unknown("data file", file, list(self.data)))
        return self.data[file]()


def _sources(rows: Iterable[Row]) -> dict[str, Request]:
    """By sha256, the request that each image of these rows answered."""
    found: dict[str, Request] = {}
    for row in rows:
        if row.image_sha256 is not None and row.request is not None:
            found.setdefault(row.image_sha256, row.request)
    return found


def _small_values(folder: Folder, keys: list[bytes]) -> dict[bytes, Response]:
    return dict(zip(keys, folder.read(keys, payloads=False), strict=True))


def _fill(row: Row, found: dict[bytes, Response]) -> Row:
    response = found.get(row.request.key) if row.request else None
    if response is None:
        return row
    return replace(row, status=response.status, response=response)


def _shown(error: Response) -> Response:
    """An error as it may stand in a record: a backend's message can hold anything."""
    return replace(error, message=redact(error.message or ""))
