"""Define the table of images that are equal, or nearly so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pandas as pd

COPIES: Final = {
    "dataset": "str", "image": "str", "path": "str", "other_dataset": "str", "other": "str",
    "other_path": "str", "kind": "str", "found_by": "str", "agreement": "float64", "mirrored": "bool",
    "dropped": "bool",
}  # fmt: skip
"""Columns of the table of near duplicates, and their types."""


def no_copies() -> pd.DataFrame:
    """Make a table of near duplicates without a row.

    Examples
    --------
    >>> len(no_copies()), list(no_copies())[:2]
    (0, ['dataset', 'image'])
    """
    import pandas as pd

    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in COPIES.items()})
