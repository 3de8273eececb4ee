"""One line of ``responses.parquet``: the cells of a unit or a row, written and read with care."""

import hashlib
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import chain
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from pydantic import ValidationError

from evalsuite.measures import ALL
from evalsuite.models.capabilities import CAPABILITIES, Capability
from evalsuite.models.spec import first_problem
from evalsuite.prompts import Unit
from evalsuite.requests import (
    Entrant,
    Frozen,
    LabelsPart,
    Prompt,
    Request,
    Response,
    Sampling,
    canonical_json,
)
from evalsuite.tables import Row

UNITS = "units"
"""Name of the table that lists the units themselves."""

SCHEMA = pa.schema(
    [
        ("table", pa.string()),
        ("role", pa.string()),
        ("unit", pa.string()),
        ("cluster", pa.string()),
        ("stratum", pa.string()),
        ("replicate", pa.int32()),
        ("index", pa.int32()),
        ("status", pa.string()),
        ("capability", pa.string()),
        ("prompt", pa.string()),
        ("sampling", pa.string()),
        ("seed", pa.int64()),
        ("sample", pa.int32()),
        ("occurrence", pa.int32()),
        ("key", pa.binary()),
        ("text", pa.string()),
        ("finish", pa.string()),
        ("n_prompt_tokens", pa.int32()),
        ("n_new_tokens", pa.int32()),
        ("message", pa.string()),
        ("vector", pa.list_(pa.float32())),
        ("sha256", pa.string()),
        ("other", pa.int32()),
        ("scores", pa.list_(pa.float64())),
        ("image_sha256", pa.string()),
        ("topic", pa.string()),
        ("details", pa.string()),
    ]
)

LATER = ("other", "scores", "image_sha256", "topic", "details")
"""Columns that came with schema 3 and, from ``image_sha256`` on, 4.

Older files lack them, and no checksum covers their nulls.
"""

ANSWER = ("text", "finish", "n_prompt_tokens", "n_new_tokens", "message", "image_sha256")
"""Cells of an answer, but for its status, its vector and its scores."""

_REQUEST = ("capability", "prompt", "sampling", "seed", "sample", "occurrence")
_BY_NAME = {capability.name: capability for capability in CAPABILITIES.values()}
_VALUE = {
    "generates_text": "text",
    "generates_images": "image_sha256",
    "embeds_text": "vector",
    "embeds_images": "vector",
    "classifies_text": "scores",
    "rates_text": "scores",
    "tokenizes_text": "text",
    "classifies_images": "scores",
    "captions_images": "text",
}
# A text may come with the probability that its model put into words.
_MAY_HAVE_SCORES = ("generates_text",)
_ONE_SCORE_A_LABEL = {"classifies_text", "classifies_images", "answers_visual_questions"}
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LONGEST = 200

Cells = Mapping[str, Any]
Value = TypeVar("Value", bound=Frozen)


class UnsoundRow(Exception):
    """Why the cells of a row cannot be what a run wrote; `ResponsesFile` makes it a problem."""


def unit_cells(unit: Unit) -> dict[str, Any]:
    """The cells of a unit, without their checksum."""
    return dict.fromkeys(SCHEMA.names) | {
        "table": UNITS,
        "unit": unit.id,
        "cluster": unit.cluster,
        "stratum": unit.stratum,
        "prompt": canonical_json(unit.prompt.model_dump(mode="json")),
        "details": unit.details or None,
    }


def row_cells(name: str, role: str, row: Row, vector: Any) -> dict[str, Any]:
    """The cells of a row of the table ``name``, without their checksum."""
    cells = dict.fromkeys(SCHEMA.names) | {
        "table": name,
        "role": role,
        "unit": row.unit.id,
        "cluster": row.unit.cluster,
        "stratum": row.unit.stratum,
        "replicate": row.replicate,
        "index": row.index,
        "other": row.other,
        "topic": row.topic,
        "status": row.status,
        "vector": vector,
    }
    if row.request is not None:
        sampling = row.request.sampling
        cells |= {
            "capability": row.request.capability,
            "prompt": canonical_json(row.request.prompt.model_dump(mode="json")),
            "sampling": sampling and canonical_json(sampling.model_dump(mode="json")),
            "seed": row.request.seed,
            "sample": row.request.index,
            "occurrence": row.request.occurrence,
            "key": row.request.key,
        }
    if row.response is not None:
        cells |= {name: getattr(row.response, name) for name in ANSWER}
        cells["scores"] = None if row.scores is None else list(row.scores)
    return cells


def checksum(cells: Cells) -> str:
    """sha256 over every cell of a row, vector and scores by their bytes."""
    small = {
        name: value.hex() if isinstance(value, bytes) else value
        for name, value in cells.items()
        if name not in {"vector", "scores", "sha256"} and not (name in LATER and value is None)
    }
    hasher = hashlib.sha256(canonical_json(small).encode())
    if cells["vector"] is not None:
        hasher.update(np.asarray(cells["vector"], dtype="<f4").tobytes())
    if cells["scores"] is not None:
        hasher.update(b"scores" + np.asarray(cells["scores"], dtype="<f8").tobytes())
    return hasher.hexdigest()


def read_unit(cells: Cells) -> Unit:
    """The unit that the cells describe.

    Raises
    ------
    UnsoundRow
        If an id, the prompt or the stratum is none that a prompt set could have.
    """
    if cells["stratum"] == ALL:
        raise UnsoundRow(f"stratum {ALL!r} is the name of the whole set")
    fields = {"id": "unit", "stratum": "stratum", "cluster": "cluster"}
    values = {field: cells[name] for field, name in fields.items()}
    values["details"] = cells["details"] or ""
    try:
        return Unit.model_validate(values | {"prompt": _prompt(cells["prompt"])})
    except ValidationError as error:
        raise UnsoundRow(first_problem(error)[:_LONGEST]) from None


def read_row(cells: Cells, unit: Unit, entrants: Mapping[str, Entrant], vector: Any) -> Row:
    """The row that the cells describe; its response goes without the vector.

    Parameters
    ----------
    unit : Unit
        The one that the cells name.
    entrants : dict of str to Entrant
        By role.
    vector : array of shape (d,) or None

    Raises
    ------
    UnsoundRow
        If no run could have written these cells.
    """
    for name in ("replicate", "index"):
        _require(cells[name] is not None and cells[name] >= 0, f"{name} is {cells[name]}")
    other = cells["other"]
    _require(other is None or other >= 0, f"other is {other}")
    topic = cells["topic"]
    _require(topic != "", "topic is empty")
    _require(cells["details"] is None, "details, which only units have")
    own = (cells["cluster"], cells["stratum"])
    _require(own == (unit.cluster, unit.stratum), "its cluster or stratum is not its unit's")
    place = (unit, cells["replicate"], cells["index"])
    status = cells["status"]
    if cells["key"] is None:
        _require(status == "unasked", f"status {status!r} without a request")
        filled = [n for n in (*_REQUEST, *ANSWER, "scores") if cells[n] is not None]
        _require(vector is None and not filled, "was not asked and has an answer or a request")
        return Row(*place, "unasked", other=other, topic=topic)
    request = _request(cells, entrants)
    _check_answer(request, cells, vector)
    scores = None if cells["scores"] is None else tuple(cells["scores"])
    answer = {name: cells[name] for name in ANSWER}
    response = Response(request.key, status, scores=scores, **answer)
    return Row(*place, status, request, response, other, topic)


def _request(cells: Cells, entrants: Mapping[str, Entrant]) -> Request:
    role, capability = cells["role"], _BY_NAME.get(cells["capability"])
    known = ", ".join(sorted(entrants))
    _require(role in entrants, f"role {role!r} is none of the record's ({known})")
    if capability is None:
        raise UnsoundRow(f"capability {cells['capability']!r} is none")
    for name in ("seed", "sample", "occurrence"):
        _require(cells[name] is not None and cells[name] >= 0, f"{name} is {cells[name]}")
    request = Request(
        capability=capability.name,
        entrant=entrants[role],
        prompt=_prompt(cells["prompt"]),
        sampling=_sampling(cells["sampling"]),
        seed=cells["seed"],
        index=cells["sample"],
        occurrence=cells["occurrence"],
    )
    _check_chance(request, capability)
    _check_number_of_scores(request, cells["scores"])
    _require(
        request.key == cells["key"],
        "its key does not follow from prompt, entrant and sampling",
    )
    return request


def _check_chance(request: Request, capability: Capability) -> None:
    has_sampling = request.sampling is not None
    if capability.decoded:
        _require(has_sampling, "a sampled answer without a sampling")
        return
    _require(not has_sampling, f"{capability.name} with a sampling")
    if not capability.sampled:
        numbers = (request.seed, request.index, request.occurrence)
        _require(numbers == (0, 0, 0), f"{capability.name} with a seed, sample or occurrence")


def _check_number_of_scores(request: Request, scores: list[float] | None) -> None:
    """One score for each label that was asked about; a rating is one number."""
    if scores is None or request.capability not in _ONE_SCORE_A_LABEL | {"rates_text"}:
        return
    wanted = 1 if request.capability == "rates_text" else len(_labels(request))
    _require(len(scores) == wanted, f"{len(scores)} scores, {wanted} were asked for")


def _labels(request: Request) -> tuple[str, ...]:
    labels = [part.labels for part in request.prompt.parts if isinstance(part, LabelsPart)]
    return tuple(chain.from_iterable(labels))


def _value_of(request: Request) -> str | None:
    """The cell that holds the value of an answer; a visual question may be closed or free."""
    if request.capability == "answers_visual_questions":
        return "scores" if _labels(request) else "text"
    return _VALUE.get(request.capability)


def _check_answer(request: Request, cells: Cells, vector: Any) -> None:
    """Only an ok answer carries a value, and of the kind that was asked for."""
    status = cells["status"]
    _require(status in {"ok", "refused", "filtered", "error"}, f"status {status!r} is none")
    found = {"text": cells["text"] is not None, "vector": vector is not None}
    found |= {name: cells[name] is not None for name in ("scores", "image_sha256")}
    wanted = _value_of(request)
    _require(wanted is not None, f"answers of {request.capability} have no place in a record")
    for name, is_there in found.items():
        if status != "ok":
            _require(not is_there, f"status {status!r} with a {name}")
        elif name != "scores" or cells["capability"] not in _MAY_HAVE_SCORES:
            _require(is_there == (name == wanted), f"an answer of {cells['capability']} with "
                     f"{'a' if is_there else 'no'} {name}")  # fmt: skip
    sha256 = cells["image_sha256"]
    _require(sha256 is None or bool(_SHA256.fullmatch(sha256)), f"image_sha256 is {sha256!r}"[:99])
    if vector is not None:
        _require(vector.size > 0 and bool(np.isfinite(vector).all()), "vector is not finite")
    if cells["scores"] is not None:
        scores = np.array(cells["scores"], dtype=np.float64)
        _require(scores.size > 0 and bool(np.isfinite(scores).all()), "scores are not finite")
    _require(cells["finish"] in {None, "stop", "length"}, f"finish {cells['finish']!r} is none")
    for name in ("n_prompt_tokens", "n_new_tokens"):
        _require(cells[name] is None or cells[name] >= 0, f"{name} is {cells[name]}")


@lru_cache(maxsize=4096)
def _prompt(text: str | None) -> Prompt:
    prompt = _parsed(Prompt, "prompt", text)
    try:
        _ = prompt.digest
    except ValueError:  # A lone surrogate, which JSON can spell and UTF-8 cannot.
        raise UnsoundRow("prompt holds what is no character") from None
    return prompt


@lru_cache(maxsize=64)
def _sampling(text: str | None) -> Sampling | None:
    if text is None:
        return None
    sampling = _parsed(Sampling, "sampling", text)
    try:
        _ = sampling.digest
    except ValueError:
        raise UnsoundRow("sampling holds what is no character") from None
    return sampling


def _parsed(kind: type[Value], name: str, text: str | None) -> Value:
    if text is None:
        raise UnsoundRow(f"no {name}")
    try:
        return kind.model_validate(json.loads(text))
    except ValidationError as error:
        raise UnsoundRow(f"{name}: {first_problem(error)}"[:_LONGEST]) from None
    except (ValueError, RecursionError) as error:
        raise UnsoundRow(f"{name} is not JSON ({error})"[:_LONGEST]) from None


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise UnsoundRow(what)
