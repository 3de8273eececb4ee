"""The task's measures: names, versions, directions and ranges."""

from evalsuite.measures import MeasureCard

SBERT = "1 - mean cosine of the embeddings of all pairs (Sentence-BERT diversity)"
DISTINCT = "unique n-grams / all n-grams, mean over n = 1..5"
EAD = "expectation-adjusted distinct n-grams, mean over n = 1..5; can exceed 1"

MEASURES = (
    MeasureCard(
        name="per_input_sbert",
        summary=f"answers to one prompt: {SBERT}",
        higher_is_better=True,
        low=0.0,
        high=2.0,
        judge="embedder",
    ),
    MeasureCard(
        name="per_input_ead",
        summary=f"answers to one prompt: {EAD}",
        higher_is_better=True,
        low=0.0,
    ),
    MeasureCard(
        name="per_input_distinct",
        summary=f"answers to one prompt: {DISTINCT}",
        higher_is_better=True,
        low=0.0,
        high=1.0,
    ),
    *(
        MeasureCard(
            name=f"per_input_distinct_{n}",
            summary=f"answers to one prompt: unique / all {n}-grams",
            higher_is_better=True,
            low=0.0,
            high=1.0,
        )
        for n in (1, 2, 3)
    ),
    MeasureCard(
        name="per_input_mean_length",
        summary="answers to one prompt: mean number of words, blank answers counting 0",
        low=0.0,
        unit="words",
    ),
    MeasureCard(
        name="across_input_sbert",
        summary=f"first answers to all prompts: {SBERT}",
        higher_is_better=True,
        low=0.0,
        high=2.0,
        judge="embedder",
    ),
    MeasureCard(
        name="across_input_ead",
        summary=f"first answers to all prompts: {EAD}",
        higher_is_better=True,
        low=0.0,
    ),
    MeasureCard(
        name="across_input_distinct",
        summary=f"first answers to all prompts: {DISTINCT}",
        higher_is_better=True,
        low=0.0,
        high=1.0,
    ),
    MeasureCard(
        name="truncation_rate",
        summary="share of answers cut at max_new_tokens",
        higher_is_better=False,
        low=0.0,
        high=1.0,
    ),
    MeasureCard(
        name="refusal_rate",
        summary="share of answers refused by the backend or opening as an English refusal",
        higher_is_better=False,
        low=0.0,
        high=1.0,
    ),
    MeasureCard(
        name="empty_rate",
        summary="share of answers that are blank",
        higher_is_better=False,
        low=0.0,
        high=1.0,
    ),
    MeasureCard(
        name="embedding_cut_rate",
        summary="share of answers that the embedder read only in part",
        higher_is_better=False,
        low=0.0,
        high=1.0,
        judge="embedder",
    ),
)
