"""Rows of a file that is mapped into memory, which is given back as soon as they are read."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import FloatArray
from howfar.protocols import Rows


def mapping_of(array: NDArray[Any]) -> mmap.mmap | None:
    """The file that an array is read from, where it is mapped to be read only; None for all others.

    Examples
    --------
    >>> mapping_of(np.zeros((2, 3))) is None
    True
    """
    if isinstance(array, np.memmap) and array.mode == "r" and isinstance(array.base, mmap.mmap):
        return array.base
    return None


def let_go(mapped: mmap.mmap | None) -> None:
    """Give the memory of what was read back to the system; the next read finds it in the file again."""
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


class MappedRows(Rows):
    """Rows that lie in a mapped file, copied as they are read: however many sets are read, the files take no memory.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from howfar.arrays import ArrayRows
    >>> file = Path(tempfile.mkdtemp()) / "roads.npy"
    >>> np.save(file, np.arange(6.0).reshape(3, 2))
    >>> array = np.load(file, mmap_mode="r")
    >>> MappedRows(ArrayRows(array), mapping_of(array)).rows(1, 2)
    array([[2., 3.]])
    """

    def __init__(self, rows: Rows, mapped: mmap.mmap) -> None:
        self._rows = rows
        self._mapped = mapped
        self.shape: tuple[int, int] = rows.shape

    def rows(self, start: int, stop: int) -> FloatArray:
        """Rows `start` to `stop`."""
        return self._read(self._rows.rows(start, stop))

    def columns(self, start: int, stop: int) -> FloatArray:
        """Columns `start` to `stop` of every row."""
        return self._read(self._rows.columns(start, stop))

    def _read(self, part: FloatArray) -> FloatArray:
        found = np.array(part)
        let_go(self._mapped)
        return found
