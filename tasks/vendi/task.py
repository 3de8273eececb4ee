"""How many different answers does a model give? The Vendi scores of Friedman & Dieng, and kin."""

from typing import Literal

from pydantic import Field

from evalsuite.asking import Run
from evalsuite.errors import BadInput
from evalsuite.measures import Measure
from evalsuite.metrics.vendi import MAX_SIDE
from evalsuite.models.capabilities import EmbedsText, GeneratesText, RatesText
from evalsuite.questions import about_answers
from evalsuite.requests import Decoding
from evalsuite.tables import Tables
from evalsuite.tasks import DataFile, JudgeRole, Mode, Task, TaskCard, TaskOptions
from evalsuite_tasks.vendi.answers import answers
from evalsuite_tasks.vendi.measures import MEASURES
from evalsuite_tasks.vendi.pooled import pooled_measures
from evalsuite_tasks.vendi.rates import rate_measures
from evalsuite_tasks.vendi.sweep import sample_size_sweep
from evalsuite_tasks.vendi.within_prompt import within_prompt_measures


class VendiOptions(TaskOptions):
    """Options of the task; all of them stand in the fingerprint."""

    samples: int = Field(16, ge=2, le=1024, description="answers a prompt; pairs need two")
    max_new_tokens: int = Field(48, ge=1, le=8192, description="longest answer, in tokens")
    kernel: Literal["cosine", "gaussian", "ngram"] = Field(
        "cosine", description="similarity: of embeddings (cosine, gaussian) or of n-grams"
    )
    sigma: float = Field(1.0, gt=0.0, allow_inf_nan=False, description="width of gaussian")
    vendi_n: int = Field(8, ge=2, le=1024, description="answers at which order 1 is taken")
    truncate: int = Field(100, ge=1, le=10_000, description="eigenvalues of the truncated score")


card = TaskCard(
    name="vendi",
    version=1,
    title="Vendi scores of texts",
    summary="Effective number of different answers, to a prompt and to all prompts",
    paper="Friedman & Dieng 2023, The Vendi Score: A Diversity Evaluation Metric for Machine "
    "Learning, TMLR, arXiv 2210.02410; orders: Pasarkar & Dieng 2024, arXiv 2310.12952",
    licence="prompts: Apache-2.0, written for this project; see README.md",
    headline="within_prompt_vendi_2u",
    measures=MEASURES,
    judges={
        "embedder": JudgeRole(
            capability=EmbedsText,
            default="embedded:minilm-l6",
            summary="embedder whose cosines are the similarities",
        ),
        "quality": JudgeRole(
            capability=RatesText,
            default=None,
            summary="rates an answer to its prompt with 0 or more, such as a classifier's "
            "probability",
        ),
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
    beside_headline=("pooled_vendi_2u", "quality_mean", "duplicate_rate"),
)


def collect(run: Run, options: VendiOptions) -> Tables:
    """Draw K answers to every prompt; embed them and their prompts; rate them."""
    n = len(run.units) * options.samples
    if options.kernel != "cosine" and n > MAX_SIDE:
        raise BadInput(
            f"vendi: {n:,} answers, and the {options.kernel} kernel is an explicit matrix of at "
            f"most {MAX_SIDE:,} rows. Use --option kernel=cosine, which works on features, or "
            "--limit"
        )
    outputs = run.model.generate(
        run.units, samples=options.samples, max_new_tokens=options.max_new_tokens
    )
    ratings = run.judge("quality").rate(about_answers(outputs))
    if options.kernel == "ngram":
        return Tables(outputs=outputs, ratings=ratings)
    embedder = run.judge("embedder")
    return Tables(
        outputs=outputs,
        embeddings=embedder.embed(outputs),
        prompts=embedder.embed_prompts(outputs),
        ratings=ratings,
    )


def score(tables: Tables, options: VendiOptions) -> list[Measure]:
    """Vendi scores within prompts, over all prompts, and what prompts and quality add."""
    prompts = answers(tables, options)
    return [
        *within_prompt_measures(prompts, options),
        *pooled_measures(prompts, options),
        *rate_measures(tables),
    ]


task = Task(
    card=card,
    modes={
        "text": Mode(
            asks=GeneratesText,
            collect=collect,
            score=score,
            options=VendiOptions,
            default_model="embedded:smollm2-135m",
            views={"n_sweep": sample_size_sweep},
        )
    },
    package="evalsuite_tasks.vendi",
)
