"""Parse JSON of outside files, and refuse texts that no file can hold."""

from __future__ import annotations

import json
import re
from typing import Any

from howfar.memory import check_file

_PAIR = re.compile(r"\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}", re.IGNORECASE)
_HALF = re.compile(r"\\ud[89a-f][0-9a-f]{2}", re.IGNORECASE)


_OBJECT, _LIST, _ITEM, _QUOTE = 250, 70, 40, 30
"""Bytes that an object, a list, an item of either and half a text take at the most."""


def parsed(text: str, name: object = "a JSON text") -> Any:
    r"""Parse a JSON text; one that escapes half a character, which no text file can hold, is a `ValueError` too.

    What it will take in memory is counted first, and is an `InputError` where that is more than may be taken; `name` names it.

    Examples
    --------
    >>> parsed(r'["\ud83d\ude00"]') == ["\U0001f600"]
    True
    >>> parsed(r'["\ud800"]')
    Traceback (most recent call last):
    ValueError: a text of it holds half a character (\ud800)
    """
    counts = {"{": _OBJECT, "[": _LIST, ",": _ITEM, '"': _QUOTE}
    check_file(len(text) + sum(held * text.count(mark) for mark, held in counts.items()), name, len(text))
    # An escaped backslash is none that escapes.
    bare = text.replace(r"\\", "") if r"\u" in text else ""
    half = _HALF.search(_PAIR.sub("", bare))
    if half is not None:
        raise ValueError(f"a text of it holds half a character ({half.group()})")
    return json.loads(text)
