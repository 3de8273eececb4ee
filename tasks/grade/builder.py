"""Building a GRADE set with any text model, in the four stages of Rassin et al. 2024 (section 3).

Captions, questions, the answers to each question under each caption, and one pass over all answers
to a question. What follows a stage is asked only about concepts that came through it. An answer
that cannot be read ends its concept, which is then named with the stage: it is not asked again (at
temperature 0 the answer would be the same), and no concept stands in the set that lacks a part
because of it. A question that is left with fewer than two answers is dropped and noted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Generic, TypeVar, get_args

from evalsuite.asking import Asker, Run
from evalsuite.built_sets import BuiltSet, Problem
from evalsuite.errors import BadInput
from evalsuite.prompts import Unit
from evalsuite.requests import Prompt, canonical_json
from evalsuite.tables import Row
from evalsuite_tasks.grade.attributes import first_twice, normalised, shown
from evalsuite_tasks.grade.builder_parsing import (
    Unreadable,
    merged,
    read_captions,
    read_kept,
    read_list,
    read_questions,
)
from evalsuite_tasks.grade.builder_prompts import (
    ask_for_captions,
    ask_for_kept,
    ask_for_questions,
    ask_for_values,
)
from evalsuite_tasks.grade.concept_ids import concept_ids
from evalsuite_tasks.grade.concepts import Scene, read_concepts

MAX_NEW_TOKENS = 512
"""Of an answer at any stage; one that needs more is cut, and cannot be read."""

T = TypeVar("T")


@dataclass(frozen=True)
class _Draft:
    """A concept on its way through the stages."""

    id: str
    name: str
    captions: dict[Scene, tuple[str, ...]] = field(default_factory=dict)
    values: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def prompts(self) -> list[str]:
        return [caption for own in self.captions.values() for caption in own]


@dataclass(frozen=True)
class _Ask(Generic[T]):
    """One thing to ask for a concept, and how its answer is read."""

    concept: str
    id: str
    text: str
    read: Callable[[str], T]


@dataclass
class _Stages:
    """Asks stage by stage, and keeps why a concept did not come through."""

    model: Asker
    failures: dict[str, Problem] = field(default_factory=dict)
    notes: list[Problem] = field(default_factory=list)

    def ask(self, stage: str, asks: Sequence[_Ask[T]]) -> dict[str, T]:
        """Answers by the id of what was asked; concepts with one that is lacking have failed."""
        units = [Unit(id=a.id, prompt=Prompt.of_text(a.text), cluster=a.id) for a in asks]
        table = self.model.generate(units, samples=1, max_new_tokens=MAX_NEW_TOKENS)
        found: dict[str, T] = {}
        faults: dict[str, list[str]] = {}
        for own, row in zip(asks, table.rows, strict=True):
            try:
                found[own.id] = own.read(_answer(row))
            except Unreadable as error:
                faults.setdefault(own.concept, []).append(str(error))
        for concept, own_faults in faults.items():
            self.fail(concept, stage, _counted(own_faults))
        return found

    def fail(self, concept: str, stage: str, why: str) -> None:
        """Leave a concept out."""
        self.failures[concept] = Problem(concept, stage, why)

    def left(self, drafts: Sequence[_Draft]) -> list[_Draft]:
        """The concepts that have not failed."""
        return [draft for draft in drafts if draft.name not in self.failures]


def _counted(faults: Sequence[str]) -> str:
    more = len(faults) - 1
    return faults[0] + (f"; and {more} more answer{'s' if more > 1 else ''}" if more else "")


def _answer(row: Row) -> str:
    response = row.response
    if response is None or response.status != "ok" or response.text is None:
        message = f": {response.message}" if response is not None and response.message else ""
        raise Unreadable(f"no answer came ({row.status}{message})")
    if response.finish == "length":
        raise Unreadable(f"the answer was cut after {MAX_NEW_TOKENS} tokens")
    return response.text


def build_concepts(run: Run, names: Sequence[str]) -> BuiltSet:
    """Build the lines of a GRADE set for concepts.

    Parameters
    ----------
    run : Run
        Its model is the text model that is asked.
    names : sequence of str
        Concepts as prompts name them: ``a cookie``, ``an umbrella``, ``popcorn``.

    Raises
    ------
    BadInput
        If a name is not fit for a prompt, or two are the same.
    """
    drafts = [_Draft(own, name) for own, name in zip(concept_ids(names), names, strict=True)]
    stages = _Stages(run.model)
    drafts = _with_captions(stages, drafts)
    drafts = _with_questions(stages, drafts)
    drafts = _with_values(stages, drafts)
    drafts = _with_kept_values(stages, drafts)
    lines = {}
    for draft in stages.left(drafts):
        line = _line(draft)
        try:
            read_concepts(line, source="the built concept")
        except BadInput as error:
            stages.fail(draft.name, "set", str(error))
            continue
        lines[draft.name] = line
    return BuiltSet(
        lines=tuple(lines.values()),
        built=tuple(lines),
        failures=tuple(stages.failures[name] for name in names if name in stages.failures),
        notes=tuple(note for note in stages.notes if note.item in lines),
    )


def _with_captions(stages: _Stages, drafts: Sequence[_Draft]) -> list[_Draft]:
    scenes: tuple[Scene, ...] = get_args(Scene)
    asks = [
        _Ask(
            draft.name,
            f"{draft.id}-{scene}",
            ask_for_captions(draft.name, scene),
            partial(read_captions, concept=draft.name),
        )
        for draft in drafts
        for scene in scenes
    ]
    found = stages.ask("prompts", asks)
    done = [
        replace(draft, captions={scene: found[f"{draft.id}-{scene}"] for scene in scenes})
        for draft in stages.left(drafts)
    ]
    for draft in done:
        twice = first_twice([normalised(caption) for caption in draft.prompts])
        if twice is not None:
            stages.fail(draft.name, "prompts", f"{shown(twice)} is both common and uncommon")
    return stages.left(done)


def _with_questions(stages: _Stages, drafts: Sequence[_Draft]) -> list[_Draft]:
    asks = [_Ask(d.name, d.id, ask_for_questions(d.name), read_questions) for d in drafts]
    found = stages.ask("attributes", asks)
    return [
        _Draft(d.id, d.name, d.captions, dict.fromkeys(found[d.id], ()))
        for d in stages.left(drafts)
    ]


def _with_values(stages: _Stages, drafts: Sequence[_Draft]) -> list[_Draft]:
    asks = [
        _Ask(draft.name, f"{draft.id}-{i}-{j}", ask_for_values(caption, question), read_list)
        for draft in drafts
        for i, question in enumerate(draft.values, 1)
        for j, caption in enumerate(draft.prompts, 1)
    ]
    found = stages.ask("values", asks)
    done = []
    for draft in stages.left(drafts):
        places = range(1, len(draft.prompts) + 1)
        values = {
            question: merged(found[f"{draft.id}-{i}-{j}"] for j in places)
            for i, question in enumerate(draft.values, 1)
        }
        done.append(replace(draft, values=values))
    return done


def _with_kept_values(stages: _Stages, drafts: Sequence[_Draft]) -> list[_Draft]:
    asks = [
        _Ask(
            draft.name,
            f"{draft.id}-{i}",
            ask_for_kept(draft.name, question, values),
            partial(read_kept, offered=values),
        )
        for draft in drafts
        for i, (question, values) in enumerate(draft.values.items(), 1)
        if values
    ]
    found = stages.ask("filter", asks)
    done = []
    for draft in stages.left(drafts):
        kept = {
            question: found.get(f"{draft.id}-{i}", ()) for i, question in enumerate(draft.values, 1)
        }
        done.append(
            _Draft(draft.id, draft.name, draft.captions, _worth_asking(stages, draft, kept))
        )
    return stages.left(done)


def _worth_asking(
    stages: _Stages, draft: _Draft, kept: dict[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """The questions that are left with at least two answers; without any the concept fails."""
    good = {question: values for question, values in kept.items() if len(values) > 1}
    for question, values in kept.items():
        if question not in good:
            count = "one answer" if values else "no answer"
            why = f"dropped, with {count} left: {shown(question)}"
            stages.notes.append(Problem(draft.name, "filter", why))
    if not good:
        stages.fail(draft.name, "filter", "no question is left with two answers or more")
    return good


def _line(draft: _Draft) -> str:
    attributes = [
        {"id": f"a{number}", "question": question, "values": values}
        for number, (question, values) in enumerate(draft.values.items(), 1)
    ]
    line = {
        "id": draft.id,
        "concept": draft.name,
        "prompts": draft.captions,
        "attributes": attributes,
    }
    return canonical_json(line)
