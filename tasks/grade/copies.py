"""Images that are copies of one another: fewer draws than there seem to be."""

from evalsuite.tables import ResponseTable
from evalsuite_tasks.grade.named_values import asked_value


def copy_notes(images: ResponseTable) -> tuple[str, ...]:
    """Say how many images of open prompts equal another one of their prompt, to the byte.

    The jackknife over images takes them for independent.
    """
    n_images = n_distinct = 0
    for group in images.groups():
        if asked_value(group.unit) is not None:
            continue
        seen = [row.image_sha256 for row in group.rows if row.image_sha256 is not None]
        n_images += len(seen)
        n_distinct += len(set(seen))
    if n_images == n_distinct:
        return ()
    return (
        f"copies: {n_images - n_distinct:,} of {n_images:,} images equal another one of their "
        "prompt; they are no draws of their own, and the interval is too narrow",
    )
