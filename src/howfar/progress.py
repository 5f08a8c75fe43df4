"""Show progress bars on stderr, with rate and time left; in a file or pipe, a line every half minute."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, Final

from howfar.printable import printable

SELDOM: Final = 30.0
"""Seconds between two lines in a file or a pipe."""


def bar(
    iterable: Iterable[Any] | None = None, *, progress: bool = True, always: bool = False, patient: bool = False, **options: Any
) -> Any:
    """Make a tqdm progress bar; in a file or a pipe, where it cannot be seen moving, it prints only every half minute.

    In a file or a pipe shorter loops print nothing, unless `always` asks for their beginning and end. `iterable` is None where
    `update` is called. No bar is shown where `progress` is False, or where `patient` is set and the loop takes less than a
    second. `options` are tqdm's: total, desc, unit, leave …

    Examples
    --------
    >>> list(bar([1, 2], progress=False))
    [1, 2]
    """
    from tqdm.auto import tqdm

    # A notebook's stderr is no terminal, but it shows bars.
    watched = sys.stderr.isatty() or "ipykernel" in sys.modules
    delay, often = (1.0 if patient else 0.0, 0.1) if watched else (0.0 if always else SELDOM, SELDOM)
    # By default tqdm would refresh by itself every 10 seconds.
    pace: dict[str, Any] = {"delay": delay, "mininterval": often, "maxinterval": max(10.0, often)}
    if "desc" in options:
        options["desc"] = printable(options["desc"])
    return tqdm(iterable, disable=not progress, dynamic_ncols=True, **pace, **options)
