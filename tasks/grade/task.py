"""How varied are the images of an underspecified prompt, attribute by attribute? After GRADE."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from evalsuite.asking import AbsentJudge, Run
from evalsuite.measures import Measure
from evalsuite.models.capabilities import AnswersVisualQuestions, EmbedsText, GeneratesImages
from evalsuite.questions import about_images
from evalsuite.tables import ResponseTable, Tables
from evalsuite.tasks import DataFile, JudgeRole, Mode, Task, TaskCard, TaskOptions
from evalsuite_tasks.grade.answers import read_answers
from evalsuite_tasks.grade.asking import category_table, questions
from evalsuite_tasks.grade.builder import build_concepts
from evalsuite_tasks.grade.copies import copy_notes
from evalsuite_tasks.grade.default_behaviours import default_measures
from evalsuite_tasks.grade.distributions import distributions
from evalsuite_tasks.grade.diversity import entropy_measures
from evalsuite_tasks.grade.judge_error import judge_measures
from evalsuite_tasks.grade.measures import MEASURES
from evalsuite_tasks.grade.named_success import naming_measures
from evalsuite_tasks.grade.named_values import asked_value, parse_grade_set
from evalsuite_tasks.grade.rates import rate_measures
from evalsuite_tasks.grade.reference_shares import distance_measures, read_reference
from evalsuite_tasks.grade.views import default_view, group_view, naming_view, share_view


class GradeOptions(TaskOptions):
    """Options of the task; all of them stand in the fingerprint."""

    samples: int = Field(16, ge=1, le=10_000, description="images a prompt; the paper has 100")
    answer_mode: Literal["closed", "free_then_match"] = Field(
        "closed", description="choose from the values, or answer freely and take the nearest"
    )
    answer_order: Literal["sorted", "shuffled"] = Field(
        "sorted", description="order of the values in a question; shuffled afresh for every image"
    )
    order_seed: int = Field(0, ge=0, description="seed of the shuffled order")
    match_threshold: float = Field(
        0.5, ge=-1.0, le=1.0, description="least cosine of a free answer and a value"
    )
    default_threshold: float = Field(
        0.8, gt=0.0, le=1.0, description="share from which an answer is a default behaviour"
    )
    calibration: int = Field(
        16, ge=0, le=10_000, description="reference images of each prompt that names a value"
    )
    calibration_by: Literal["attribute", "question"] = Field(
        "attribute", description="whether concepts with one attribute share the judge's errors"
    )
    reference: Annotated[str, AfterValidator(read_reference)] = Field(
        "", description="file of shares (--view shares --json) that this run is compared with"
    )


card = TaskCard(
    name="grade",
    version=1,
    title="GRADE: diversity of images by attribute",
    summary="Entropy of what is seen in many images of an underspecified prompt",
    paper="Rassin et al. 2024, GRADE: Quantifying Sample Diversity in Text-to-Image Models, arXiv "
    "2410.22592",
    licence="concepts: Apache-2.0, written for this project; see README.md",
    headline="normalized_entropy_multi",
    measures=MEASURES,
    judges={
        "vqa": JudgeRole(
            capability=AnswersVisualQuestions,
            default="embedded:tinyclip",
            summary="answers the questions about each image; the default knows tinyworld only",
        ),
        "matcher": JudgeRole(
            capability=EmbedsText,
            default="embedded:minilm-l6",
            summary="finds the value nearest to a free answer (answer_mode=free_then_match)",
        ),
        "reference": JudgeRole(
            capability=GeneratesImages,
            default="embedded:tinyworld",
            summary="images of known content for the prompts that name a value: a procedural "
            "world, or labelled pictures (outputs:FOLDER)",
        ),
    },
    sets={
        "tinyworld": DataFile(
            file="tinyworld.jsonl",
            sha256="e7538e6a9c7abd702354c2d1076069990ee7d32244014a406d954c5240dbc3bf",
            licence="Apache-2.0",
            summary="16 occupations and 6 shapes of the procedural image world, with prompts that "
            "name each value",
        ),
        "concepts": DataFile(
            file="concepts.jsonl",
            sha256="30252fa1ff5c040701a461c551a148494bfdc260d2bac3e5baa6ce6b14c3708a",
            licence="Apache-2.0",
            summary="everyday concepts in 3 common and 3 uncommon scenes, written for this project",
        ),
    },
    beside_headline=("asked_success", "none_rate", "normalized_entropy_corrected"),
)


def collect(run: Run, options: GradeOptions) -> Tables:
    """Draw images of every prompt, and ask about every attribute; the same of known images."""
    ask, vqa = questions(options), run.judge("vqa")
    images = run.model.generate_images(run.units, samples=options.samples)
    tables = {"images": images, "answers": vqa.answer(about_images(images, ask))}
    named = [unit for unit in run.units if asked_value(unit) is not None]
    reference = run.judge("reference")
    if named and options.calibration and not isinstance(reference, AbsentJudge):
        known = reference.generate_images(named, samples=options.calibration)
        tables["reference_images"] = known
        tables["reference_answers"] = vqa.answer(about_images(known, ask))
    if options.answer_mode == "free_then_match":
        tables |= _matches(run, tables)
    return Tables(**tables)


def _matches(run: Run, tables: dict[str, ResponseTable]) -> dict[str, ResponseTable]:
    """Vectors of the free answers and of the values."""
    matcher = run.judge("matcher")
    found = {
        "categories": matcher.embed(category_table(run.units)),
        "matches": matcher.embed(tables["answers"]),
    }
    if "reference_answers" in tables:
        found["reference_matches"] = matcher.embed(tables["reference_answers"])
    return found


def score(tables: Tables, options: GradeOptions) -> list[Measure]:
    """Entropies, default behaviours, what the model can draw, and what the judge gets wrong."""
    answers = read_answers(tables, options)
    known = read_answers(tables, options, images="reference_images", answers="reference_answers")
    multi, single = distributions(answers, "multi"), distributions(answers, "single")
    notes = copy_notes(tables.images)
    return [
        *entropy_measures(multi, single, answers, notes),
        *default_measures(multi, single, options.default_threshold),
        *rate_measures(answers, options),
        *naming_measures(answers, multi),
        *judge_measures(answers, known, options, notes),
        *distance_measures(multi, options.reference),
    ]


task = Task(
    card=card,
    modes={
        "image": Mode(
            asks=GeneratesImages,
            collect=collect,
            score=score,
            options=GradeOptions,
            default_model="embedded:tinyworld",
            views={
                "groups": group_view,
                "shares": share_view,
                "defaults": default_view,
                "named": naming_view,
            },
        )
    },
    package="evalsuite_tasks.grade",
    parse_set=parse_grade_set,
    build=build_concepts,
)
