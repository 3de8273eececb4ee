"""How varied are a model's answers, to one prompt and over prompts? After Kirk et al. 2024."""

from typing import Literal

from pydantic import Field

from evalsuite.asking import AbsentJudge, Run
from evalsuite.errors import BadInput
from evalsuite.measures import Measure
from evalsuite.models.capabilities import (
    ClassifiesText,
    EmbedsText,
    GeneratesText,
    RatesText,
    TokenizesText,
)
from evalsuite.questions import about_answers
from evalsuite.requests import Decoding
from evalsuite.tables import Tables
from evalsuite.tasks import DataFile, JudgeRole, Mode, Task, TaskCard, TaskOptions
from evalsuite_tasks.rlhf_diversity.across_inputs import across_input_measures
from evalsuite_tasks.rlhf_diversity.answers import answers
from evalsuite_tasks.rlhf_diversity.best_of_n import best_of_n_measures
from evalsuite_tasks.rlhf_diversity.entailment import (
    LABELS,
    entailment_measures,
    sentences,
    whole_answers,
)
from evalsuite_tasks.rlhf_diversity.frontier import quality_frontier
from evalsuite_tasks.rlhf_diversity.measures import MEASURES
from evalsuite_tasks.rlhf_diversity.per_input import per_input_measures
from evalsuite_tasks.rlhf_diversity.published import PUBLISHED
from evalsuite_tasks.rlhf_diversity.quality import quality_measures
from evalsuite_tasks.rlhf_diversity.rates import rate_measures


class RlhfDiversityOptions(TaskOptions):
    """Options of the task; all of them stand in the fingerprint."""

    samples: int = Field(
        16, ge=2, le=1024, description="answers a prompt; pairwise measures need two"
    )
    max_new_tokens: int = Field(48, ge=1, le=8192, description="longest answer, in tokens")
    tokenizer: Literal["kirk", "model"] = Field(
        "kirk", description="n-grams of words as in the paper, or of the tokenizer judge's tokens"
    )
    vocab_size: int | None = Field(
        None, ge=2, description="V of EAD; by default 50257 for kirk, else the tokenizer's"
    )
    max_order: int = Field(5, ge=1, le=10, description="longest n-gram")
    clip: bool = Field(False, description="cut EAD of each order at 1")
    skip_empty_orders: bool = Field(
        False, description="average EAD over the orders that have n-grams"
    )
    matched_length: int = Field(
        24, ge=1, le=8192, description="words of each answer that length-matched EAD looks at"
    )
    nli_sentences: int = Field(
        0, ge=0, le=64, description="sentence pairs per pair of answers; 0 does not ask"
    )
    nli_seed: int = Field(0, ge=0, description="seed of the sampled sentences")
    best_of: int = Field(4, ge=1, le=1024, description="N of best-of-N; needs 2 N rated answers")
    quality_threshold: float = Field(
        0.5, allow_inf_nan=False, description="rating from which an answer is good enough"
    )


card = TaskCard(
    name="rlhf_diversity",
    version=2,
    title="RLHF output diversity",
    summary="Diversity of sampled answers to a prompt (per input) and over prompts (across inputs)",
    paper="Kirk et al. 2024, Understanding the Effects of RLHF on LLM Generalisation and "
    "Diversity, ICLR, arXiv 2310.06452",
    licence="prompts: Apache-2.0, written for this project; see README.md",
    headline="per_input_sbert",
    measures=MEASURES,
    judges={
        "embedder": JudgeRole(
            capability=EmbedsText,
            default="embedded:minilm-l6",
            summary="sentence embedder of the Sentence-BERT diversity",
        ),
        "nli": JudgeRole(
            capability=ClassifiesText,
            default=None,
            summary="classifier with the labels entailment, neutral and contradiction, such as "
            "transformers:FacebookAI/roberta-large-mnli@COMMIT",
        ),
        "quality": JudgeRole(
            capability=RatesText,
            default=None,
            summary="rates an answer to its prompt: a reward model, a classifier with "
            "?score_label=LABEL, or outputs:FILE with rewards",
        ),
        "tokenizer": JudgeRole(
            capability=TokenizesText,
            default=None,
            summary="model whose tokens n-grams are made of with --option tokenizer=model",
        ),
    },
    sets={
        "open": DataFile(
            file="prompts.jsonl",
            sha256="2b301613bb9486dd4862dae9febf516c0fb39020f0e46329284c913eb7872785",
            licence="Apache-2.0",
            summary="120 open-ended prompts in 10 categories, written for this project",
        ),
        **PUBLISHED,
    },
    decoding=Decoding(temperature=1.0),
    beside_headline=("per_input_ead", "quality_mean", "per_input_mean_length"),
)


def collect(run: Run, options: RlhfDiversityOptions) -> Tables:
    """Draw K answers to every prompt; embed, rate and compare them."""
    if options.tokenizer == "model" and isinstance(run.judge("tokenizer"), AbsentJudge):
        raise BadInput(
            "rlhf_diversity: tokenizer=model needs the tokens of a model: name one with "
            "--judge tokenizer=MODEL, the model under test for instance"
        )
    outputs = run.model.generate(
        run.units, samples=options.samples, max_new_tokens=options.max_new_tokens
    )
    nli = run.judge("nli")
    tables = {
        "outputs": outputs,
        "embeddings": run.judge("embedder").embed(outputs),
        "nli": nli.classify(whole_answers(outputs), labels=LABELS),
        "ratings": run.judge("quality").rate(about_answers(outputs)),
    }
    if options.nli_sentences:
        tables["nli_sentences"] = nli.classify(sentences(outputs, options), labels=LABELS)
    if options.tokenizer == "model":
        tables["tokens"] = run.judge("tokenizer").tokenize(outputs)
    return Tables(**tables)


def score(tables: Tables, options: RlhfDiversityOptions) -> list[Measure]:
    """PID = mean over prompts of D(answers to it); AID = D(first answer to every prompt)."""
    prompts = answers(tables, options)
    return [
        *per_input_measures(prompts, options),
        *across_input_measures(prompts, options),
        *entailment_measures(prompts, tables),
        *quality_measures(prompts, tables, options),
        *best_of_n_measures(prompts, options),
        *rate_measures(tables.outputs, tables.embeddings, options),
    ]


task = Task(
    card=card,
    modes={
        "text": Mode(
            asks=GeneratesText,
            collect=collect,
            score=score,
            options=RlhfDiversityOptions,
            default_model="embedded:smollm2-135m",
            views={"frontier": quality_frontier},
        )
    },
    package="evalsuite_tasks.rlhf_diversity",
)
