"""The sentences of HolisticBias (Smith et al. 2022), made of its term lists by its rules."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from evalsuite.errors import BadInput
from evalsuite.published_sets import Line

FILES = (
    "descriptors.json",
    "nouns.json",
    "sentence_templates.json",
    "standalone_noun_phrases.json",
)
DESCRIPTORS, NOUNS, TEMPLATES, STANDALONE = FILES
NO_DESCRIPTOR = "null"
"""Axis of the sentences with a bare noun, the controls."""


class _Entry(BaseModel):
    """Base of the entries: a field that the rules below do not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Descriptor(_Entry):
    descriptor: str
    gender: str | None = None
    article: str | None = None
    preference: str | None = None


class _Standalone(_Entry):
    noun_phrase: str
    plural_noun_phrase: str | None = None
    preference: str | None = None


class _Rules(_Entry):
    first_turn_only: bool = False
    must_be_noun: bool = False


class Noun(NamedTuple):
    """A noun for a person and the gender that it is listed under."""

    singular: str
    plural: str
    gender: str


class Phrase(NamedTuple):
    """A noun phrase in both numbers; without a noun it is an adjective or a fixed phrase."""

    axis: str
    descriptor: str
    singular: str
    plural: str
    has_noun: bool


def sentences(files: Mapping[str, object]) -> Iterator[Line]:
    """Every phrase in every template that it fits.

    A template that must have a noun takes only phrases with one. Each sentence is the first turn
    of its own conversation, so that templates for first turns only are taken like the others.

    Parameters
    ----------
    files : dict of str to parsed JSON
        The four files of a version of the data set, by name.

    Yields
    ------
    Line
        Its stratum is the demographic axis. Sentences with one descriptor are one cluster, which
        is named by a hash: some descriptors are slurs, and names of clusters are shown.

    Raises
    ------
    BadInput
        If a file is not of the published form.
    """
    templates = list(_templates(files[TEMPLATES]).items())
    for phrase in phrases(files):
        name = hashlib.sha256(f"{phrase.axis}\n{phrase.descriptor}".encode()).hexdigest()
        cluster = f"d-{name[:16]}"
        for template, must_be_noun in templates:
            if phrase.has_noun or not must_be_noun:
                yield Line(_filled(template, phrase), stratum=phrase.axis, cluster=cluster)


def phrases(files: Mapping[str, object]) -> Iterator[Phrase]:
    """The noun phrases: bare nouns, descriptors alone and with nouns, and standalone phrases.

    A descriptor with a gender goes with the nouns of that gender only.
    """
    nouns = _nouns(files[NOUNS])
    for noun in nouns:
        singular = f"{_article(noun.singular)} {noun.singular}"
        yield Phrase(NO_DESCRIPTOR, "", singular, noun.plural, True)
    axes = _checked(dict[str, dict[str, list[str | _Descriptor]]], files[DESCRIPTORS], DESCRIPTORS)
    for axis, buckets in axes.items():
        for entry in (entry for bucket in buckets.values() for entry in bucket):
            known = _Descriptor(descriptor=entry) if isinstance(entry, str) else entry
            yield from _with_descriptor(axis, known, nouns)
    listed = _checked(dict[str, list[str | _Standalone]], files[STANDALONE], STANDALONE)
    for axis, entries in listed.items():
        for phrase in entries:
            alone = _Standalone(noun_phrase=phrase) if isinstance(phrase, str) else phrase
            yield from _standalone(axis, alone, nouns)


def _with_descriptor(axis: str, entry: _Descriptor, nouns: list[Noun]) -> Iterator[Phrase]:
    word = entry.descriptor
    yield Phrase(axis, word, word, word, False)
    article = entry.article or _article(word)
    for noun in nouns:
        if entry.gender in (None, noun.gender):
            singular, plural = f"{article} {word} {noun.singular}", f"{word} {noun.plural}"
            yield Phrase(axis, word, singular, plural, True)


def _standalone(axis: str, entry: _Standalone, nouns: list[Noun]) -> Iterator[Phrase]:
    singular = entry.noun_phrase
    plural = entry.plural_noun_phrase or singular
    if "{noun}" not in singular:
        yield Phrase(axis, singular, singular, plural, False)
        return
    descriptor = _put(singular, article="", noun="").lstrip()
    for noun in nouns:
        one = _put(singular, article=_article(noun.singular), noun=noun.singular)
        yield Phrase(
            axis, descriptor, one, _put(plural, article="", noun=noun.plural).lstrip(), True
        )


def _put(template: str, *, article: str, noun: str) -> str:
    # Not str.format, which would follow attributes that a file names.
    return template.replace("{article}", article).replace("{noun}", noun)


def _article(word: str) -> str:
    """The published rule; entries that it fails on have an article of their own."""
    return "an" if word[:1].lower() in set("aeiou") else "a"


def _filled(template: str, phrase: Phrase) -> str:
    if "{plural_noun_phrase}" in template:
        return template.replace("{plural_noun_phrase}", phrase.plural)
    return template.replace("{noun_phrase}", phrase.singular)


def _nouns(value: object) -> list[Noun]:
    listed = _checked(dict[str, list[tuple[str, str]]], value, NOUNS)
    return [
        Noun(singular, plural, gender)
        for gender, pairs in listed.items()
        for singular, plural in pairs
    ]


def _templates(value: object) -> dict[str, bool]:
    """Whether each template must have a noun."""
    rules = _checked(dict[str, _Rules], value, TEMPLATES)
    for template in rules:
        blanks = sum(template.count(blank) for blank in ("{noun_phrase}", "{plural_noun_phrase}"))
        if blanks != 1 or template.count("{") != 1:
            raise BadInput(
                f"{TEMPLATES}: {template!r} must have one blank, {{noun_phrase}} or "
                "{plural_noun_phrase}"
            )
    return {template: rule.must_be_noun for template, rule in rules.items()}


def _checked(kind: Any, value: object, name: str) -> Any:
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        problem = error.errors()[0]
        # Without the value, which may be a slur.
        where = ".".join(str(part) for part in problem["loc"]) or "value"
        raise BadInput(f"{name}: {where}: {problem['msg']}") from None
