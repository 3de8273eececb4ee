"""What a text classifier or reward model can be asked, from its files and the user's options."""

from typing import Literal

from pydantic import Field

from evalsuite.errors import BadInput
from evalsuite.models.capabilities import ClassifiesText, RatesText
from evalsuite.models.loading_options import LoadingOptions
from evalsuite.models.model_facts import ModelFacts

MIN_LENGTH = 8
"""Least window of a pair: its special tokens and some of each text."""


class ClassifierOptions(LoadingOptions):
    """Options of a model that classifies or rates texts.

    Parameters
    ----------
    max_length : int or None
        Window in tokens; of a pair, the longer text is cut first. By default what the folder says.
    labels : str or None
        Names of the labels, in the order of their ids, with commas between them; for models whose
        config.json does not name them.
    score_label : str or None
        Rate by the probability of this label. A model with one output rates by that output.
    template : chat or pair
        How an answer and its prompt are rated: as the model's chat template has it (the default
        where there is one), or as a pair of texts.
    """

    max_length: int | None = Field(None, ge=MIN_LENGTH)
    labels: str | None = None
    score_label: str | None = None
    template: Literal["chat", "pair"] | None = None


def complete_classifier(
    options: ClassifierOptions, facts: ModelFacts, model: str
) -> ClassifierOptions:
    """Fill what the user left open from the model's own files.

    Raises
    ------
    BadInput
        If an option does not fit the model, or its outputs are neither one number nor labels to
        choose from.
    """
    if options.max_length is not None and options.max_length > (facts.positions or 10**9):
        raise BadInput(
            f"model {model}: max_length={options.max_length} is more than the {facts.positions} "
            "positions that it has"
        )
    names = label_names(options, facts, model)
    rates = RatesText in capabilities_of(options, facts, model)
    if options.score_label is not None:
        place_of(options.score_label, names, model)
    if options.template is not None and not rates:
        raise BadInput(
            f"model {model}: template={options.template} is for rating; name the label whose "
            "probability is the rating with ?score_label=NAME, or leave the template out"
        )
    if options.template == "chat" and not facts.has_chat_template:
        raise BadInput(f"model {model}: has no chat template; use ?template=pair")
    own = "chat" if facts.has_chat_template else "pair"
    return options.model_copy(
        update={
            "max_length": options.max_length or max(facts.max_length, MIN_LENGTH),
            "template": (options.template or own) if rates else None,
        }
    )


def capabilities_of(options: ClassifierOptions, facts: ModelFacts, model: str) -> frozenset[type]:
    """What the outputs of a model are good for.

    Raises
    ------
    BadInput
        If they are good for nothing that can be asked, or ``score_label`` does not fit them.
    """
    n_outputs, kind = len(facts.labels), facts.problem_type
    if n_outputs == 1:
        if options.score_label is not None:
            raise BadInput(
                f"model {model}: has one output, which is its rating; leave out score_label"
            )
        return frozenset({RatesText})
    if kind == "regression":
        raise BadInput(
            f"model {model}: gives {n_outputs} numbers (problem_type regression in its "
            "config.json), which are neither labels to choose from nor one rating. Choose a model "
            "with one output."
        )
    if kind == "multi_label_classification":
        if options.score_label is None:
            raise BadInput(
                f"model {model}: scores each label by itself (problem_type {kind} in its "
                "config.json), so it cannot choose between them. Rate by one of them: "
                f"?score_label=NAME, one of {', '.join(label_names(options, facts, model))}"
            )
        return frozenset({RatesText})
    return frozenset(
        {ClassifiesText} if options.score_label is None else {ClassifiesText, RatesText}
    )


def label_names(options: ClassifierOptions, facts: ModelFacts, model: str) -> tuple[str, ...]:
    """Return the model's labels in the order of their ids, under the names that the user gave.

    Raises
    ------
    BadInput
        If there are more or fewer names than labels, or two are equal.
    """
    if options.labels is None:
        return facts.labels
    names = tuple(name.strip() for name in options.labels.split(","))
    if len(names) != len(facts.labels):
        raise BadInput(
            f"model {model}: labels={options.labels} names {len(names)} labels, but it has "
            f"{len(facts.labels)}: {', '.join(facts.labels)}"
        )
    if not all(names) or len({name.casefold() for name in names}) < len(names):
        raise BadInput(
            f"model {model}: labels={options.labels} has an empty name or one that stands twice"
        )
    return names


def place_of(label: str, names: tuple[str, ...], model: str) -> int:
    """Return the id of a label; upper and lower case are the same where no name fits exactly.

    Raises
    ------
    BadInput
        If the model has no such label, or several that differ in case only.

    Examples
    --------
    >>> place_of("entailment", ("CONTRADICTION", "NEUTRAL", "ENTAILMENT"), "m")
    2
    """
    if label in names:
        return names.index(label)
    places = [i for i, name in enumerate(names) if name.casefold() == label.casefold()]
    if len(places) == 1:
        return places[0]
    hint = ""
    if all(name.upper().startswith("LABEL_") for name in names):
        hint = (
            ". Its config.json does not say what they mean; its model card does: name all of them, "
            "in the order of their ids, with ?labels=a,b,c"
        )
    raise BadInput(f"model {model}: has no label {label!r}; it has {', '.join(names)}{hint}")
