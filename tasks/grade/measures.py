"""The task's measures: names, versions, directions and ranges."""

from evalsuite.measures import MeasureCard

PLUG_IN = "plug-in entropy of the answers over log of the number of listed values, mean over"
BY_CONCEPT = f"{PLUG_IN} concept and attribute"


def _card(
    name: str,
    summary: str,
    *,
    better: bool | None = None,
    low: float | None = 0.0,
    high: float | None = 1.0,
    judge: str = "vqa",
) -> MeasureCard:
    return MeasureCard(
        name=name, summary=summary, higher_is_better=better, low=low, high=high, judge=judge
    )


MEASURES = (
    _card("normalized_entropy_multi", f"{BY_CONCEPT} (published score)", better=True),
    _card("normalized_entropy_single", f"{PLUG_IN} prompt and attribute", better=True),
    _card("normalized_entropy_binary", f"{BY_CONCEPT}: attributes of two values", better=True),
    _card("normalized_entropy_more", f"{BY_CONCEPT}: attributes of more values", better=True),
    _card(
        "normalized_entropy_corrected",
        "as normalized_entropy_multi, corrected for the number of images; interval for these very "
        "concepts",
        better=True,
    ),
    _card(
        "normalized_entropy_judge_corrected",
        "as normalized_entropy_corrected, of shares corrected for the errors that the judge makes "
        "on the reference images",
        better=True,
        judge="reference",
    ),
    _card(
        "default_rate_multi",
        "share of concepts' attributes of which one answer has default_threshold or more",
        better=False,
    ),
    _card(
        "default_rate_single",
        "share of prompts' attributes of which one answer has default_threshold or more",
        better=False,
    ),
    _card("concepts_with_default", "share of concepts with a default behaviour", better=False),
    _card("prompts_with_default", "share of prompts with a default behaviour", better=False),
    _card("none_rate", "share of answers that none of the values fits"),
    _card("outside_rate", "share of answers that are none of the values", better=False),
    _card("tie_rate", "share of answers that the judge scores alike; they are missing elsewhere"),
    _card(
        "first_offered_excess",
        "how much oftener the value offered first is chosen than the others (shuffled order)",
        low=-1.0,
    ),
    _card(
        "asked_success",
        "share of images that show the value that their prompt names",
        better=True,
    ),
    _card(
        "underused_share",
        "share of values that have less than half of an even share, and that the model draws in "
        "80 % or more where they are named",
        better=False,
    ),
    _card(
        "unable_share",
        "share of values that have less than half of an even share, and that the model draws in "
        "less than 80 % where they are named",
        better=False,
    ),
    _card(
        "judge_agreement",
        "share of reference images in which the judge sees the value that was drawn",
        better=True,
        judge="reference",
    ),
    _card(
        "tvd_to_reference",
        "total variation distance from the reference's shares, mean over concept and attribute",
    ),
    _card(
        "tvd_beyond_chance",
        "as tvd_to_reference, less what as many answers with the reference's shares show",
        low=-1.0,
    ),
)
