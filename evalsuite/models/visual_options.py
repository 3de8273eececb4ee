"""Options and wording of chat models that see images; they stand in the entrant."""

from typing import Literal

from evalsuite.models.loading_options import LoadingOptions

VISUAL_WORDING = 1
"""Version of the wording below; a setting of the entrant, whose answers hang on it."""

# What all questions share stands before them, so that it is read once with the image.
CLOSED_WORDING = (
    "Answer the question about this image with one of the answers that are listed below it, "
    "exactly as it is written, and nothing else.\n\nQuestion: {question}\nAnswers:\n{answers}"
)
FREE_WORDING = (
    "Answer the question about this image in a few words, and with nothing else.\n\n"
    "Question: {question}"
)
CAPTION_WORDING = "Describe this image in one sentence."


class VisualChatOptions(LoadingOptions):
    """Options of a chat model that answers questions about images.

    Parameters
    ----------
    answer_score : sum or mean
        What the answers of a closed set are weighed by: their log-likelihood, or its mean over an
        answer's tokens, which does not put long answers at a disadvantage.
    """

    answer_score: Literal["sum", "mean"] = "sum"

    def settings(self) -> dict[str, str | int | float | bool | None]:
        """What of this belongs to the entrant's settings."""
        return {"answer_score": self.answer_score, "visual_wording": VISUAL_WORDING}


def worded(question: str | None, answers: tuple[str, ...] | None) -> str:
    r"""Write a question, or with None the request for a caption, as the model is to read it.

    >>> worded("Which colour?", ("red", "blue")).splitlines()[2:]
    ['Question: Which colour?', 'Answers:', '- red', '- blue']
    """
    if question is None:
        return CAPTION_WORDING
    if answers is None:
        return FREE_WORDING.format(question=question)
    listed = "\n".join(f"- {answer}" for answer in answers)
    return CLOSED_WORDING.format(question=question, answers=listed)
