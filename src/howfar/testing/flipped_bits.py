"""Flip single bits in the files of a store, and count how many are found, do no harm, or give a wrong number."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from howfar.store import FeatureStore, Store
from howfar.store.manifest import NAME
from howfar.store.shards import ARRAY, INDEX
from howfar.testing.store_writers import IDENTITY, LENGTH, add, content, expected, read

PARTS = ("data", "header", "index", "manifest")
IMAGES = 12
_HEADER = 128


@dataclass
class Flips:
    """Count what became of flipped bits, by the part of the store that they lie in.

    Attributes
    ----------
    found
        What was altered counts as absent, or was written anew, and the log says so.
    harmless
        Nothing was found, and every number is as it was.
    wrong
        Flips after which a number was another, or an image counted as absent of which nothing was said.
    broken
        Flips after which the store could not be opened or read.
    """

    found: Counter[str] = field(default_factory=Counter)
    harmless: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """Return how many bits were flipped."""
        return self.found.total() + self.harmless.total() + len(self.wrong) + len(self.broken)


def flip_bits(root: Path, count: int, seed: int = 0) -> Flips:
    """Make a store in an empty folder, and flip bits in it one at a time, as many in each of its `PARTS`.

    After each flip the store is opened by a new object, all of its rows are read, and the file is put back.

    Examples
    --------
    >>> import tempfile
    >>> flips = flip_bits(Path(tempfile.mkdtemp()), 8)
    >>> flips.total, flips.wrong, flips.broken
    (8, [], [])
    """
    features = Store(root).open(IDENTITY, LENGTH)
    for start in range(0, IMAGES, 4):
        add(features, range(start, start + 4))
    folder, rng, flips = Path(features.folder), np.random.default_rng(seed), Flips()
    files = {
        "data": sorted(folder.glob(f"*/*{ARRAY}")),
        "header": sorted(folder.glob(f"*/*{ARRAY}")),
        "index": sorted(folder.glob(f"*/*{INDEX}")),
        "manifest": [folder / NAME],
    }
    for k in range(count):
        part = PARTS[k % len(PARTS)]
        path = files[part][int(rng.integers(len(files[part])))]
        whole = path.read_bytes()
        first, last = {"data": (_HEADER, len(whole)), "header": (0, _HEADER)}.get(part, (0, len(whole)))
        position, bit = int(rng.integers(first, last)), int(rng.integers(8))
        spoilt = bytearray(whole)
        spoilt[position] ^= 1 << bit
        path.write_bytes(spoilt)
        try:
            _judge(root, flips, part, f"bit {bit} of byte {position} of {path.name}")
        finally:
            path.write_bytes(whole)
    return flips


def _judge(root: Path, flips: Flips, part: str, flip: str) -> None:
    with _heard() as lines:
        try:
            features = Store(root).open(IDENTITY, LENGTH)
            present = _present(features)
            same = np.array_equal(read(features, present), expected(present))
        # Whatever is raised would have ended the command.
        except Exception as error:
            flips.broken.append(f"{part}: {flip}: {type(error).__name__}: {error}")
            return
    if not same or (len(present) < IMAGES and not lines):
        flips.wrong.append(f"{part}: {flip}")
    elif lines:
        flips.found[part] += 1
    else:
        flips.harmless[part] += 1


def _present(features: FeatureStore) -> list[int]:
    features.verify([content(k) for k in range(IMAGES)])
    return [k for k in range(IMAGES) if features.contains(content(k))]


@contextmanager
def _heard() -> Iterator[list[str]]:
    """Collect what the store says in its log, which is not shown meanwhile."""
    lines: list[str] = []
    log = logging.getLogger("howfar.store")
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]  # the one thing it does
    log.addHandler(handler)
    before, log.propagate = log.propagate, False
    try:
        yield lines
    finally:
        log.propagate = before
        log.removeHandler(handler)


def shares(flips: Flips) -> Mapping[str, Mapping[str, int]]:
    """Return how many flips of each part were found and did no harm.

    Examples
    --------
    >>> shares(Flips(Counter(data=3), Counter(header=1)))["data"]
    {'found': 3, 'harmless': 0}
    """
    return {part: {"found": flips.found[part], "harmless": flips.harmless[part]} for part in PARTS}
