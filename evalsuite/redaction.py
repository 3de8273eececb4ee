"""Keeping secrets and private paths out of what the suite prints and writes."""

import os
import re
from pathlib import Path

_SECRET_NAME = re.compile(r"(TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|ACCESS_?KEY)", re.IGNORECASE)
_SECRET_VALUE = re.compile(
    r"((?<![A-Za-z0-9])(hf_[A-Za-z0-9]{8,}|sk-[A-Za-z0-9_-]{8,})|AKIA[0-9A-Z]{16}"
    r"|Bearer\s+[A-Za-z0-9._~+/=-]{8,}|(?<=://)[^/?#\s]+(?=@))"
)
HIDDEN = "[hidden]"


def redact(text: str) -> str:
    """Hide known secret values, what looks like one, and the home folder.

    For messages, errors and settings; a model's answers are data and are left as they are.

    >>> redact("GET https://ann:pw123@example.org with Bearer abcdefgh12345")
    'GET https://[hidden]@example.org with [hidden]'
    """
    # Longest first: a secret may begin with another one.
    for name, value in sorted(os.environ.items(), key=lambda item: -len(item[1])):
        if len(value) >= 8 and _SECRET_NAME.search(name):
            text = text.replace(value, HIDDEN)
    text = _SECRET_VALUE.sub(HIDDEN, text)
    try:
        home = str(Path.home())
    except RuntimeError:  # A user without a home, as in some containers.
        return text
    return text.replace(home, "~") if len(home) > 1 else text
