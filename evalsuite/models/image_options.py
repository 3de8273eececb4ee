"""The options that models which see images take behind the ``?`` of their names."""

from typing import Literal

from pydantic import Field, field_validator

from evalsuite.models.image_kinds import ImageKind
from evalsuite.models.loading_options import LoadingOptions
from evalsuite.models.visual_options import VisualChatOptions

PIXELS = {"cpu": 16 * 224 * 224, "cuda": 256 * 224 * 224}
"""Pixels of one pack where the user does not say: a CPU gains nothing from more."""

# Names of options that cannot change an answer, or stand in fields of their own.
_NOT_SETTINGS = {"dtype", "threads", "batch_tokens", "batch_pixels", "post_training_of"}


class ImageOptions(LoadingOptions):
    """Options of any model that sees images.

    Parameters
    ----------
    batch_pixels : int or None
        Pixels, as the model sees them, of one pack; they do not change an answer beyond rounding.
    """

    batch_pixels: int | None = Field(None, ge=1)

    def settings(self) -> dict[str, str | int | float | bool | None]:
        """The options that can change an answer, for the entrant's settings."""
        return self.model_dump(exclude=_NOT_SETTINGS, exclude_none=True)


class DualEncoderOptions(ImageOptions):
    """Options of a model that embeds images and texts in one space.

    Parameters
    ----------
    normalize : bool
        Whether vectors are scaled to length one. Labels are always compared by their cosine.
    label_template : str
        What is made of a label before it is compared with images; ``{}`` stands for the label.
    """

    normalize: bool = True
    label_template: str = "{}"

    @field_validator("label_template")
    @classmethod
    def _has_one_place(cls, template: str) -> str:
        if template.count("{}") != 1:
            raise ValueError("needs one {} where the label stands")
        return template

    def label_text(self, label: str) -> str:
        """The text of a label.

        >>> DualEncoderOptions(label_template="a photo of a {}").label_text("nurse")
        'a photo of a nurse'
        """
        return self.label_template.replace("{}", label)


class ImageEncoderOptions(ImageOptions):
    """Options of a model that embeds images and no texts.

    Parameters
    ----------
    pooling : cls or mean
        The class token, or the mean over the patches, both behind the last layer norm.
    normalize : bool
        Whether vectors are scaled to length one.
    """

    pooling: Literal["cls", "mean"] = "cls"
    normalize: bool = True


class ImageClassifierOptions(ImageOptions):
    """Options of a model with a head that labels images.

    Parameters
    ----------
    labels : str or None
        Names of the labels, in the order of their ids, with commas between them; for models whose
        config.json does not name them.
    """

    labels: str | None = None


_OPTIONS: dict[ImageKind, type[ImageOptions | VisualChatOptions]] = {
    "dual_encoder": DualEncoderOptions,
    "image_encoder": ImageEncoderOptions,
    "image_classifier": ImageClassifierOptions,
    "visual_chat": VisualChatOptions,
}


def image_options(kind: ImageKind) -> type[ImageOptions | VisualChatOptions]:
    """Type of the options of a kind."""
    return _OPTIONS.get(kind, ImageOptions)
