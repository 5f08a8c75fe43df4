"""Read rows of a file that is mapped into memory, and release that memory as soon as they are read."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import ArrayRows, FloatArray
from howfar.protocols import Rows


def mapping_of(array: NDArray[Any]) -> mmap.mmap | None:
    """Return the file that an array is read from, where it is mapped to be read only; None for all others.

    Examples
    --------
    >>> mapping_of(np.zeros((2, 3))) is None
    True
    """
    if isinstance(array, np.memmap) and array.mode == "r" and isinstance(array.base, mmap.mmap):
        return array.base
    return None


def let_go(mapped: mmap.mmap | None) -> None:
    """Release the memory of what was read; the next read finds it in the file again."""
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


class ChosenRows(Rows):
    """Read some rows of an array that may lie on disk, in pieces.

    Examples
    --------
    >>> ChosenRows(np.arange(6.0).reshape(3, 2), np.array([0, 2])).rows(1, 2)
    array([[4., 5.]])
    """

    def __init__(self, array: FloatArray, chosen: NDArray[np.int64]) -> None:
        self._array = array
        self._chosen = chosen
        self.shape: tuple[int, int] = (len(chosen), array.shape[1])

    def rows(self, start: int, stop: int) -> FloatArray:
        """Read rows `start` to `stop` of the chosen ones."""
        return self._array[self._chosen[start:stop]]

    def columns(self, start: int, stop: int) -> FloatArray:
        """Read columns `start` to `stop` of every chosen row."""
        return self._array[:, start:stop][self._chosen]


class MappedRows(Rows):
    """Read rows of a read-only mapped file as copies: however many sets are read, the files take no memory.

    Pickled it is the file's path, which is opened again; so that file must lie where another machine finds it. `chosen` are the
    rows that count; all where it is None.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> file = Path(tempfile.mkdtemp()) / "roads.npy"
    >>> np.save(file, np.arange(6.0).reshape(3, 2))
    >>> MappedRows(np.load(file, mmap_mode="r")).rows(1, 2)
    array([[2., 3.]])
    """

    def __init__(self, array: NDArray[Any], chosen: NDArray[np.int64] | None = None) -> None:
        self._array, self._chosen = array, chosen
        self._rows = ArrayRows(array) if chosen is None else ChosenRows(array, chosen)
        self._mapped = mapping_of(array)
        self.shape: tuple[int, int] = self._rows.shape

    def __reduce__(self) -> tuple[Any, ...]:
        array: Any = self._array
        if array.filename is None:
            return ArrayRows, (self.rows(0, self.shape[0]),)
        order = "C" if array.flags.c_contiguous else "F"
        return _opened, ((str(array.filename), array.dtype, "r", array.offset, array.shape, order), self._chosen)

    def rows(self, start: int, stop: int) -> FloatArray:
        """Read rows `start` to `stop`."""
        return self._read(self._rows.rows(start, stop))

    def columns(self, start: int, stop: int) -> FloatArray:
        """Read columns `start` to `stop` of every row."""
        return self._read(self._rows.columns(start, stop))

    def _read(self, part: FloatArray) -> FloatArray:
        block = np.array(part)
        let_go(self._mapped)
        return block


def _opened(mapping: tuple[Any, ...], chosen: NDArray[np.int64] | None) -> MappedRows:
    return MappedRows(np.memmap(*mapping), chosen)
