"""The task's measures: names, versions, directions and ranges."""

from evalsuite.measures import MeasureCard

ORDERS: dict[str, float] = {"q01": 0.1, "q05": 0.5, "q1": 1.0, "q2": 2.0, "qinf": float("inf")}
"""Orders of the Vendi score by the ends of their measures' names."""

UNIT = "effective answers"

_SPELT = {"q01": "0.1", "q05": "0.5", "q1": "1", "q2": "2 (RKE mode count)", "qinf": "infinity"}

MEASURES = (
    MeasureCard(
        name="within_prompt_vendi_2u",
        summary="answers to one prompt: unbiased order-2 Vendi score of what they are drawn from; "
        "compares over sample sizes",
        higher_is_better=True,
        low=1.0,
        unit=UNIT,
        judge="embedder",
    ),
    MeasureCard(
        name="within_prompt_vendi_1_at_n",
        summary="answers to one prompt: order-1 Vendi score at a fixed number of answers (vendi_n)",
        higher_is_better=True,
        low=1.0,
        unit=UNIT,
        judge="embedder",
    ),
    *(
        MeasureCard(
            name=f"within_prompt_vendi_{end}",
            summary=f"answers to one prompt: Vendi score of order {order}, grows with their number",
            higher_is_better=True,
            low=1.0,
            unit=UNIT,
            judge="embedder",
        )
        for end, order in _SPELT.items()
    ),
    MeasureCard(
        name="within_prompt_vendi_share",
        summary="answers to one prompt: Vendi score of order 1 / number of answers",
        higher_is_better=True,
        low=0.0,
        high=1.0,
        judge="embedder",
    ),
    MeasureCard(
        name="pooled_vendi_2u",
        summary="answers to all prompts: unbiased order-2 Vendi score, pairs of one prompt left "
        "out",
        higher_is_better=True,
        low=1.0,
        unit=UNIT,
        judge="embedder",
    ),
    *(
        MeasureCard(
            name=f"pooled_vendi_{end}",
            summary=f"answers to all prompts: Vendi score of order {order}, grows with their "
            "number",
            higher_is_better=True,
            low=1.0,
            unit=UNIT,
            judge="embedder",
        )
        for end, order in _SPELT.items()
    ),
    MeasureCard(
        name="pooled_vendi_truncated",
        summary="answers to all prompts: order-1 Vendi score of the largest eigenvalues "
        "(truncate), the rest spread over them",
        higher_is_better=True,
        low=1.0,
        unit=UNIT,
        judge="embedder",
    ),
    MeasureCard(
        name="conditional_vendi",
        summary="answers to all prompts: exp H(answer | prompt), diversity not due to prompts",
        higher_is_better=True,
        low=0.0,
        unit=UNIT,
        judge="embedder",
    ),
    MeasureCard(
        name="information_vendi",
        summary="answers to all prompts: exp I(answer; prompt), diversity that prompts explain",
        low=0.0,
        judge="embedder",
    ),
    MeasureCard(
        name="scendi",
        summary="answers to all prompts: Schur-complement score, diversity that no linear map of "
        "the prompts explains; grows with the answers to a prompt",
        higher_is_better=True,
        low=0.0,
        unit=UNIT,
        judge="embedder",
    ),
    MeasureCard(
        name="duplicate_rate",
        summary="share of answers equal to an earlier answer to their prompt",
        higher_is_better=False,
        low=0.0,
        high=1.0,
    ),
    MeasureCard(
        name="quality_mean",
        summary="mean rating of the answers",
        higher_is_better=True,
        judge="quality",
    ),
    MeasureCard(
        name="quality_weighted_vendi",
        summary="answers to one prompt: mean rating x Vendi score of order 1; ratings of 0 and "
        "above",
        higher_is_better=True,
        low=0.0,
        judge="quality",
    ),
)
