"""Keep what trivial backbones say of a pair of datasets, since projecting their long features takes longer than all else."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from howfar.pipeline.pairs import FOLDER
from howfar.protocols import Store
from howfar.results import Features
from howfar.store import local_root

LARGE: Final = 1 << 28
"""Products of a projection, from which on a pair is kept: some hundredths of a second."""
MOST: Final = 1000
"""Pairs that are left when another comparison begins."""
_NAME: Final = "baselines"


def baselines_folder(features: Sequence[Features], store: Store | str | Path | None) -> Path | None:
    """Return the folder beside the stored features of this machine where pairs are kept; None for pairs that are quick.

    `features` are the primary dataset's, then those of the secondaries, by one backbone, and `store` is where these are. Of
    more than `MOST` pairs there the oldest are removed.
    """
    primary, *secondaries = features
    q, largest = primary.rows.shape[1], max(map(len, secondaries), default=0)
    root = local_root(store)
    if (len(primary) + largest) ** 2 * q < LARGE or not root.is_dir():
        return None
    folder = root / _NAME
    with suppress(OSError):
        folder.mkdir(exist_ok=True)
        kept = sorted((folder / FOLDER).glob("*.npz"), key=lambda file: file.stat().st_mtime_ns, reverse=True)
        for file in kept[MOST:]:
            file.unlink(missing_ok=True)
    return folder
