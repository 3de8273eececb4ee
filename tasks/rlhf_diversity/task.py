"""How varied are a model's answers, to one prompt and over prompts? After Kirk et al. 2024."""

from typing import Literal

from pydantic import Field

from evalsuite.asking import Run
from evalsuite.measures import Measure
from evalsuite.models.capabilities import EmbedsText, GeneratesText
from evalsuite.requests import Decoding
from evalsuite.tables import Tables
from evalsuite.tasks import DataFile, JudgeRole, Mode, Task, TaskCard, TaskOptions
from evalsuite_tasks.rlhf_diversity.across_inputs import across_input_measures
from evalsuite_tasks.rlhf_diversity.answers import answers
from evalsuite_tasks.rlhf_diversity.measures import MEASURES
from evalsuite_tasks.rlhf_diversity.per_input import per_input_measures
from evalsuite_tasks.rlhf_diversity.rates import rate_measures


class RlhfDiversityOptions(TaskOptions):
    """Options of the task; all of them stand in the fingerprint."""

    samples: int = Field(
        16, ge=2, le=1024, description="answers a prompt; pairwise measures need two"
    )
    max_new_tokens: int = Field(48, ge=1, le=8192, description="longest answer, in tokens")
    tokenizer: Literal["kirk"] = Field("kirk", description="how texts are cut into words")
    vocab_size: int = Field(50257, ge=2, description="V of expectation-adjusted distinct")
    max_order: int = Field(5, ge=1, le=10, description="longest n-gram")


card = TaskCard(
    name="rlhf_diversity",
    version=1,
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
        )
    },
    sets={
        "open": DataFile(
            file="prompts.jsonl",
            sha256="2b301613bb9486dd4862dae9febf516c0fb39020f0e46329284c913eb7872785",
            licence="Apache-2.0",
            summary="120 open-ended prompts in 10 categories, written for this project",
        )
    },
    decoding=Decoding(temperature=1.0),
)


def collect(run: Run, options: RlhfDiversityOptions) -> Tables:
    """Draw K answers to every prompt and embed them."""
    outputs = run.model.generate(
        run.units, samples=options.samples, max_new_tokens=options.max_new_tokens
    )
    return Tables(outputs=outputs, embeddings=run.judge("embedder").embed(outputs))


def score(tables: Tables, options: RlhfDiversityOptions) -> list[Measure]:
    """PID = mean over prompts of D(answers to it); AID = D(first answer to every prompt)."""
    prompts = list(answers(tables.outputs, tables.embeddings))
    return [
        *per_input_measures(prompts, options),
        *across_input_measures(prompts, options),
        *rate_measures(tables.outputs, tables.embeddings),
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
        )
    },
    package="evalsuite_tasks.rlhf_diversity",
)
