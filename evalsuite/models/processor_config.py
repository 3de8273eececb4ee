"""What a folder says of how its images are prepared, checked before any library reads it."""

from evalsuite.errors import BadInput, Refused
from evalsuite.models.safe_loading import ModelFolder, read_json

_FILES = ("preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json")


def check_processor_config(folder: ModelFolder, model: str) -> None:
    """Check that a folder says how images are prepared, and that no code of its own is asked for.

    Raises
    ------
    BadInput
        If it says nothing of images.
    Refused
        If it brings code, trusted or not: what prepares images is the library's own.
    """
    if folder.remote_code:
        raise Refused(
            f"model {model}: asks for code of its own, and models that see images are only loaded "
            "without; choose one of an architecture that transformers has itself"
        )
    found = {name: read_json(folder.path / name, model) for name in _FILES}
    for name, values in found.items():
        parts = [part for part in (values or {}).values() if isinstance(part, dict)]
        if any("auto_map" in part for part in [values or {}, *parts]):
            raise Refused(
                f"model {model}: 'auto_map' in {name} asks to run foreign code; remove that entry "
                "if the library's own image processor does the same"
            )
    combined = found["processor_config.json"] or {}
    if found["preprocessor_config.json"] is None and "image_processor" not in combined:
        raise BadInput(
            f"model {model}: has no preprocessor_config.json, which says how large its images are "
            "and how they are scaled; copy it from where the weights come from"
        )
