"""Bars on stderr that show how far long work is, its rate and the time left: moving where they are watched, else seldom."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, Final

SELDOM: Final = 30.0
"""Seconds."""


def bar(
    iterable: Iterable[Any] | None = None, *, progress: bool = True, said: bool = False, patient: bool = False, **options: Any
) -> Any:
    """A tqdm bar; where nobody sees it move, in a file or a pipe, it says something every half minute alone.

    There work that is shorter than that is not spoken of, unless `said` asks for its beginning and its end.

    Parameters
    ----------
    iterable
        What it goes over; None where `update` is called.
    progress
        False for no bar.
    said
        Whether even short work is spoken of in a file or a pipe.
    patient
        Whether work of less than a second has no bar anywhere.
    **options
        As tqdm takes them: total, desc, unit, leave …

    Examples
    --------
    >>> list(bar([1, 2], progress=False))
    [1, 2]
    """
    from tqdm.auto import tqdm

    # A notebook's stderr is no terminal, but it shows bars.
    watched = sys.stderr.isatty() or "ipykernel" in sys.modules
    delay, often = (1.0 if patient else 0.0, 0.1) if watched else (0.0 if said else SELDOM, SELDOM)
    # Nor does tqdm then speak up by itself, of what it has not been told.
    pace: dict[str, Any] = {"delay": delay, "mininterval": often, "maxinterval": max(10.0, often)}
    return tqdm(iterable, disable=not progress, dynamic_ncols=True, **pace, **options)
