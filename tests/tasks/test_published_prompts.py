"""Against the published prompts of NoveltyBench, where EVALSUITE_SHARED_DATA names them."""

import json
import re
from pathlib import Path

import pytest

import evalsuite
from evalsuite_tasks.rlhf_diversity.task import task


def published(folder: Path) -> list[dict[str, str]]:
    lines = (folder / "noveltybench" / "curated.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def sentences(text: str) -> set[str]:
    parts = re.split(r"(?<=[.!?])\s+", text.lower())
    return {part.strip() for part in parts if len(part.split()) > 3}


@pytest.mark.published
def test_our_prompts_share_no_sentence_with_the_published_ones(published_data: Path) -> None:
    theirs = published(published_data)
    assert len(theirs) == 100
    taken = set().union(*(sentences(p["prompt"]) for p in theirs))
    taken |= set().union(*(sentences(q) for p in theirs for q in p["prompt_paraphrases"]))
    for unit in task.prompt_set("open"):
        assert not sentences(unit.prompt.text) & taken, unit.id


@pytest.mark.published
def test_the_published_prompts_run_as_a_set_of_the_users(
    published_data: Path, tmp_path: Path
) -> None:
    theirs = published(published_data)
    rows = [{"id": p["id"], "prompt": p["prompt"], "category": p["category"]} for p in theirs]
    (tmp_path / "curated.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    record = evalsuite.run(
        "rlhf_diversity",
        "fake:text",
        set=str(tmp_path / "curated.jsonl"),
        judges={"embedder": "fake:text-embedder"},
        samples=3,
        out=tmp_path,
    )
    assert record.apparatus.n_units == 100 and record.counts.ok == 300
