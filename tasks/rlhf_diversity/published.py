"""The published prompt sets of the task: where they are, and how a row becomes a prompt.

A commit stands here only where it is known from a public source; docs/prompt-sets.md names it.
"""

from collections.abc import Mapping

from evalsuite.published_sets import Line, PublishedFiles, PublishedRows, PublishedSet
from evalsuite_tasks.rlhf_diversity.holistic_bias import FILES, sentences

PROTOCOL_SIZE = 500
"""Inputs that Kirk et al. evaluate on."""


def tldr_line(row: Mapping[str, str]) -> Line:
    r"""A forum post to be summed up.

    >>> tldr_line({"id": "t3_1", "subreddit": "tifu", "title": "T", "post": "P"}).prompt
    'SUBREDDIT: r/tifu\nTITLE: T\nPOST: P\nTL;DR:'
    """
    subreddit = row["subreddit"]
    text = f"SUBREDDIT: r/{subreddit}\nTITLE: {row['title']}\nPOST: {row['post']}\nTL;DR:"
    return Line(text, row["id"] or None, subreddit)


def article_line(row: Mapping[str, str]) -> Line:
    r"""A news article to be summed up.

    >>> article_line({"id": "", "article": "A"}).prompt
    'ARTICLE: A\nTL;DR:'
    """
    return Line(f"ARTICLE: {row['article']}\nTL;DR:", row["id"] or None)


def instruction_line(row: Mapping[str, str]) -> Line:
    r"""An instruction, and its input behind a blank line where there is one.

    Deviation: the paper's models were trained on the Alpaca template around these two texts; chat
    models have a template of their own, which the backend applies.

    >>> instruction_line({"id": "", "instruction": "Translate.", "input": "chat"}).prompt
    'Translate.\n\nchat'
    """
    given = row["input"]
    text = f"{row['instruction']}\n\n{given}" if given.strip() else row["instruction"]
    return Line(text, row["id"] or None)


def novelty_line(row: Mapping[str, str]) -> Line:
    """A question with many good answers; without a category it is in no stratum.

    >>> novelty_line({"id": "curated-1", "prompt": "Name a fruit.", "category": "Creativity"})
    Line(prompt='Name a fruit.', id='curated-1', stratum='Creativity', cluster=None)
    """
    return Line(row["prompt"], row["id"] or None, row["category"])


def _instructions(repository: str, summary: str) -> PublishedRows:
    return PublishedRows(
        source=f"https://huggingface.co/datasets/{repository}",
        licence="MIT",
        summary=summary,
        size=PROTOCOL_SIZE,
        repository=repository,
        commit=None,
        split="train",
        columns=("instruction",),
        optional=("id", "input"),
        line=instruction_line,
    )


PUBLISHED: dict[str, PublishedSet] = {
    "tldr": PublishedRows(
        source="https://huggingface.co/datasets/UCL-DARK/openai-tldr-filtered",
        licence="unknown; posts are their authors'",
        summary="forum posts to sum up, Kirk et al.'s in-distribution set (hub or a copy)",
        size=PROTOCOL_SIZE,
        repository="UCL-DARK/openai-tldr-filtered",
        commit=None,
        columns=("subreddit", "title", "post"),
        optional=("id",),
        line=tldr_line,
    ),
    "cnn_dailymail": PublishedRows(
        source="https://huggingface.co/datasets/abisee/cnn_dailymail",
        licence="Apache-2.0 for the data set; articles are their publishers'",
        summary="news articles to sum up, Kirk et al.'s out-of-distribution set (hub or a copy)",
        size=PROTOCOL_SIZE,
        repository="abisee/cnn_dailymail",
        commit="96df5e686bee6baa90b8bee7c28b81fa3fa6223d",
        config="3.0.0",
        columns=("article",),
        optional=("id",),
        line=article_line,
    ),
    "alpaca_farm_id": _instructions(
        "UCL-DARK/alpaca-farm-id-test",
        "instructions as in AlpacaFarm's training, in distribution (hub or a copy)",
    ),
    "sequential_instructions": _instructions(
        "UCL-DARK/sequential-instructions",
        "instructions of several steps, out of distribution (hub or a copy)",
    ),
    "novelty_bench": PublishedRows(
        source="https://huggingface.co/datasets/yimingzhang/novelty-bench",
        licence="MIT",
        summary="NB-Curated, 100 open-ended prompts of NoveltyBench (hub or a copy)",
        repository="yimingzhang/novelty-bench",
        commit=None,
        split="curated",
        columns=("prompt",),
        optional=("id", "category"),
        line=novelty_line,
    ),
    "holistic_bias": PublishedFiles(
        source="https://github.com/facebookresearch/ResponsibleNLP, "
        "holistic_bias/dataset/v1.1 at commit 0ec714e",
        licence="CC BY-SA 4.0",
        summary="HolisticBias v1.1, sentences about people by demographic axis (a copy only); "
        "holds slurs",
        size=PROTOCOL_SIZE,
        files=FILES,
        lines=sentences,
    ),
}
