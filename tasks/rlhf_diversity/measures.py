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
        name="per_input_ead_matched",
        summary="answers to one prompt, each cut to its first matched_length words: EAD; see "
        "short_answer_rate",
        higher_is_better=True,
        low=0.0,
    ),
    MeasureCard(
        name="per_input_vendi",
        summary="answers to one prompt: Vendi score of order 1 of the Sentence-BERT cosines",
        higher_is_better=True,
        low=1.0,
        unit="effective answers",
        judge="embedder",
    ),
    MeasureCard(
        name="per_input_nli",
        summary="answers to one prompt: +p contradiction, -p entailment of the likelier label, "
        "both ways, mean over pairs (published values)",
        higher_is_better=True,
        low=-2.0,
        high=2.0,
        judge="nli",
    ),
    MeasureCard(
        name="per_input_nli_released",
        summary="answers to one prompt: 1 - per_input_nli, as the released code has it; its sign "
        "is inverted, higher is less diverse",
        higher_is_better=False,
        low=-1.0,
        high=3.0,
        judge="nli",
    ),
    MeasureCard(
        name="per_input_nli_olmo",
        summary="answers to one prompt: 1 - mean of P(entailment) - P(contradiction), both ways",
        higher_is_better=True,
        low=0.0,
        high=2.0,
        judge="nli",
    ),
    MeasureCard(
        name="per_input_nli_sentences",
        summary="answers to one prompt: per_input_nli of sampled pairs of sentences "
        "(nli_sentences)",
        higher_is_better=True,
        low=-2.0,
        high=2.0,
        judge="nli",
    ),
    MeasureCard(
        name="quality_mean",
        summary="mean rating of the answers",
        higher_is_better=True,
        judge="quality",
    ),
    MeasureCard(
        name="quality_pass_rate",
        summary="share of answers rated quality_threshold or more",
        higher_is_better=True,
        low=0.0,
        high=1.0,
        judge="quality",
    ),
    MeasureCard(
        name="effective_sbert",
        summary="answers to one prompt: mean distance over pairs, 0 where one of the two rates "
        "below quality_threshold (effective semantic diversity)",
        higher_is_better=True,
        low=0.0,
        high=2.0,
        judge="quality",
    ),
    MeasureCard(
        name="best_of_n_sbert",
        summary="two answers, each the best rated of best_of answers of its own: 1 - cosine",
        higher_is_better=True,
        low=0.0,
        high=2.0,
        judge="quality",
    ),
    MeasureCard(
        name="best_of_n_ead",
        summary=f"best rated of best_of answers, drawn again and again: {EAD}",
        higher_is_better=True,
        low=0.0,
        judge="quality",
    ),
    MeasureCard(
        name="best_of_n_distinct",
        summary=f"best rated of best_of answers, drawn again and again: {DISTINCT}",
        higher_is_better=True,
        low=0.0,
        high=1.0,
        judge="quality",
    ),
    MeasureCard(
        name="empty_order_rate",
        summary="share of n-gram orders for which the answers to a prompt are too short; each "
        "counts 0 in distinct and EAD",
        higher_is_better=False,
        low=0.0,
        high=1.0,
    ),
    MeasureCard(
        name="short_answer_rate",
        summary="share of answers with fewer words than matched_length, on which matching fails",
        higher_is_better=False,
        low=0.0,
        high=1.0,
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
        version=2,
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
