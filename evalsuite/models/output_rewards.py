"""Rewards that stand in a file beside the texts: found again by prompt and text, exactly."""

from collections.abc import Iterable

from evalsuite.errors import BadInput
from evalsuite.models.output_rows import OutputRow


class OutputRewards:
    """The rewards of a file's answers.

    Parameters
    ----------
    rows : iterable of OutputRow
        Those without a reward or a text are passed over.

    Raises
    ------
    BadInput
        If a row with a reward does not say the prompt, or an answer to a prompt has two rewards.
    """

    def __init__(self, rows: Iterable[OutputRow]) -> None:
        self._rows: dict[tuple[str, str], OutputRow] = {}
        for row in rows:
            if row.reward is None or row.text is None:
                continue
            if row.prompt is None:
                raise BadInput(
                    f"{row.where}: has a reward and no prompt; add the column 'prompt', since a "
                    "judge is asked about texts and not about ids"
                )
            first = self._rows.setdefault((row.prompt, row.text), row)
            if first.reward != row.reward:
                raise BadInput(
                    f"{row.where}: reward {row.reward!r} for an answer that {first.where} gives "
                    f"{first.reward!r}; keep one of them"
                )

    def find(self, prompt: str, text: str) -> float | None:
        """The reward of an answer to a prompt; None where the file has none."""
        row = self._rows.get((prompt, text))
        return None if row is None else row.reward
