"""Check stored rows against their checksums, each once in a process, and remember which are lost."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from howfar.store.folder import Matrix
from howfar.store.index_file import ABSENT, checksums_of
from howfar.store.shards import Shard

State = tuple[dict[str, tuple[int, bytes]], dict[str, frozenset[int]]]


class RowChecks:
    """Remember which rows of which shards were found sound, and which are lost. The caller holds a lock.

    Examples
    --------
    >>> checks = RowChecks()
    >>> checks.mark("a", 3, np.array([0, 2]))
    >>> checks.unchecked("a", np.array([0, 1, 1, 2]))
    array([1])
    """

    def __init__(self) -> None:
        self._sound: dict[str, NDArray[np.bool_]] = {}
        self.whole: set[str] = set()
        """Shards whose every row is sound, of which nothing has to be asked any more; without a lock too."""
        self._lost: dict[str, frozenset[int]] = {}

    @property
    def lost(self) -> Mapping[str, frozenset[int]]:
        """Return the rows that are damaged, by shard."""
        return self._lost

    def unchecked(self, shard_id: str, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of some rows of a shard, which do not fall, that were not found sound yet, each once."""
        sound = self._sound.get(shard_id)
        left = rows if sound is None else rows[~sound[rows]]
        # Not np.unique, which takes a hundred times as long for the few rows of a small shard that are all checked.
        return left[np.flatnonzero(np.diff(left, prepend=-1))] if len(left) else left

    def mark(self, shard_id: str, count: int, rows: NDArray[np.int64] | slice) -> None:
        """Note that rows of a shard of `count` rows are sound."""
        sound = self._sound.setdefault(shard_id, np.zeros(count, bool))
        sound[rows] = True
        if sound.all():
            self.whole.add(shard_id)

    def lose(self, shard_id: str, rows: Iterable[int]) -> None:
        """Note that rows of a shard are damaged."""
        self._lost[shard_id] = self._lost.get(shard_id, frozenset()) | frozenset(map(int, rows))

    def keep(self, present: Container[str]) -> None:
        """Forget the shards that are not there any more."""
        self._sound = {shard_id: sound for shard_id, sound in self._sound.items() if shard_id in present}
        self.whole = {shard_id for shard_id in self.whole if shard_id in present}
        self._lost = {shard_id: rows for shard_id, rows in self._lost.items() if shard_id in present}

    def state(self) -> State:
        """Return what is known, to be sent to another process."""
        return {name: (len(sound), np.packbits(sound).tobytes()) for name, sound in self._sound.items()}, dict(self._lost)

    def learn(self, state: State) -> None:
        """Take over what another process knows."""
        for shard_id, (count, packed) in state[0].items():
            sound = np.unpackbits(np.frombuffer(packed, np.uint8), count=count).astype(bool)
            self.mark(shard_id, count, np.flatnonzero(sound))
        for shard_id, rows in state[1].items():
            self.lose(shard_id, rows)


def damaged_rows(matrix: Matrix, shard: Shard, rows: NDArray[np.int64]) -> list[int]:
    """Read rows, which rise, and return those that do not match their checksum; without one, those with NaN or infinity."""
    damaged: list[int] = []
    for first, last, block in matrix.pieces(rows):
        wanted = shard.checksums[rows[first:last]]
        wrong = np.array(checksums_of(block), np.uint64) != wanted
        if wrong.any():
            wrong &= (wanted != ABSENT) | ~np.isfinite(block).all(axis=1)
            damaged.extend(rows[first:last][wrong].tolist())
    return damaged
