"""A tokenizer's chat template, made independent of the day on which it is used."""

from collections.abc import Sequence
from typing import Any

import jinja2

from evalsuite.errors import GenerationError

# Some chat templates print today's date, which would make the answer depend on the day of the run.
TEMPLATE_DATE = "26 Jul 2024"
_FIXED_CLOCK = f"{{% macro strftime_now(format) %}}{TEMPLATE_DATE}{{% endmacro %}}"


def dateless(tokenizer: Any) -> str:
    """Return the tokenizer's chat template with a clock that stands still."""
    template: str = tokenizer.get_chat_template()
    return _FIXED_CLOCK + template if "strftime_now" in template else template


def answered_chat(tokenizer: Any, template: str, texts: Sequence[str]) -> str:
    """Write a prompt and the answer to it as the template has them.

    Raises
    ------
    GenerationError
        If the template does not take them.
    """
    roles = ("user", "assistant")
    messages = [{"role": role, "content": text} for role, text in zip(roles, texts, strict=True)]
    try:
        chat: str = tokenizer.apply_chat_template(
            messages, tokenize=False, chat_template=template, date_string=TEMPLATE_DATE
        )
    # A template is foreign text: it may also fail on the types of what it is given.
    except (jinja2.TemplateError, TypeError, ValueError) as error:
        raise GenerationError(
            f"the model's chat template does not take this prompt: {error}"
        ) from error
    return chat
