"""Read a selection of a store's rows from disk, by rows or by columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from howfar.errors import StoreError
from howfar.store.content_digests import in_hex
from howfar.store.damage import ShardGoneError
from howfar.store.index import RowPositions
from howfar.store.refusals import refusal
from howfar.store.shard_catalog import TRIES, ShardCatalog


class Selection:
    """Read the (n, q) features of n contents, in their order, in pieces from the shards; always float32.

    It fulfils `howfar.protocols.Rows`. A content may stand several times. Shards that another process packs away meanwhile are
    found again. A row is checked against its checksum when this process reads it for the first time; one that is damaged counts
    as absent. Raises `StoreError` where a content has no features, on reading too.
    """

    def __init__(self, catalog: ShardCatalog, contents: Sequence[str]) -> None:
        self._catalog = catalog
        # 16 bytes an image where contents are howfar's own.
        self._contents: Sequence[str] = in_hex(contents) or tuple(contents)
        self._row_positions = catalog.locate(self._contents)
        self.shape: tuple[int, int] = (len(self._contents), catalog.layout.length)

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
                raise refusal(self._catalog.folder, "read", error) from error
        raise StoreError(
            f"the shards of {self._catalog.folder.path} vanish faster than they can be read: let one process pack at a time"
        )


def _fill(block: NDArray[np.float32], catalog: ShardCatalog, row_positions: RowPositions, rows: slice, columns: slice) -> None:
    for shard_id, positions, row in row_positions.by_shard(rows):
        catalog.check(shard_id, row, row_positions.digests_at(positions, rows))
        catalog.matrix(shard_id).fill(block, positions, row, columns)
