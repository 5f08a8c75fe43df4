"""Read a selection of a store's rows from disk, by rows or by columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from howfar.errors import StoreError
from howfar.store.index import RowPositions
from howfar.store.shard_catalog import TRIES, ShardCatalog
from howfar.store.shards import ShardGoneError


class Selection:
    """Read the (n, q) features of n contents, in their order, in pieces from the shards; always float32.

    It fulfils `howfar.protocols.Rows`. A content may stand several times. Shards that another process packs away meanwhile are
    found again. Raises `StoreError` where a content has no features, on reading too.
    """

    def __init__(self, catalog: ShardCatalog, contents: Sequence[str]) -> None:
        self._catalog = catalog
        self._contents = tuple(contents)
        self._row_positions = catalog.locate(self._contents)
        self.shape: tuple[int, int] = (len(self._contents), catalog.length)

    def rows(self, start: int, stop: int) -> NDArray[np.float32]:
        """Read rows `start` to `stop`, shape (stop - start, q), float32; bounds are taken as a slice takes them."""
        return self._read(slice(start, stop), slice(None))

    def columns(self, start: int, stop: int) -> NDArray[np.float32]:
        """Read columns `start` to `stop` of every row, (n, stop - start) float32; bounds are taken as a slice takes them."""
        return self._read(slice(None), slice(start, stop))

    def _read(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        n, q = self.shape
        columns = slice(*columns.indices(q))
        block = np.empty((len(range(n)[rows]), len(range(q)[columns])), np.float32)
        for _ in range(TRIES):
            try:
                _fill(block, self._catalog, self._row_positions, rows, columns)
                return block
            except (ShardGoneError, FileNotFoundError):
                self._catalog.refresh()
                self._row_positions = self._catalog.locate(self._contents)
            except OSError as error:
                raise StoreError(f"the store cannot read {self._catalog.folder.path}: {error}") from error
        raise StoreError(
            f"the shards of {self._catalog.folder.path} vanish faster than they can be read: let one process pack at a time"
        )


def _fill(block: NDArray[np.float32], catalog: ShardCatalog, row_positions: RowPositions, rows: slice, columns: slice) -> None:
    shard, row = row_positions.shard[rows], row_positions.row[rows]
    for number, positions in _by_shard(shard, row):
        catalog.matrix(row_positions.ids[number]).fill(block, positions, row[positions], columns)


def _by_shard(shard: NDArray[np.int64], row: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Group positions by shard, each shard once, and in the order in which their rows lie there."""
    if not len(shard):
        return
    order = np.lexsort((row, shard))
    for positions in np.split(order, np.flatnonzero(np.diff(shard[order])) + 1):
        yield int(shard[positions[0]]), positions
