"""Call SciPy's BLAS and LAPACK without the interpreter's lock, which SciPy's own wrappers hold, so that other threads go on.

The routines and their threads are the same, and so is every digit. SciPy publishes their addresses for such use
(``scipy.linalg.cython_blas`` and ``cython_lapack``); ctypes releases the lock around each call.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array

Argument = bytes | int | float | NDArray[Any]


def rank_update(values: NDArray[Any], total: NDArray[Any], keeps: bool) -> None:
    """Put valuesᵀ·values into the upper triangle of `total` (q, q), column-major; or add it, with `keeps`.

    `values` are (b, q) row-major, float32 or float64, and `total` has the same number type.
    """
    b, q = values.shape
    own = values.dtype.type
    name = "ssyrk" if own is np.float32 else "dsyrk"
    _call("cython_blas", name, b"U", b"N", q, b, own(1), values, q, own(keeps), total, q)


def multiply(values: Float64Array, matrix: Float64Array) -> Float64Array:
    """Multiply values (b, q), row-major, by matrix (q, z), column-major: (b, z), row-major."""
    (b, q), z = values.shape, matrix.shape[1]
    out = np.empty((b, z))
    _call("cython_blas", "dgemm", b"T", b"N", z, b, q, np.float64(1), matrix, q, values, q, np.float64(0), out, z)
    return out


def largest_eigenpairs(matrix: Float64Array, z: int) -> tuple[Float64Array, Float64Array]:
    """Compute the z largest eigenvalues of a symmetric matrix, rising, and their vectors (size, z), as columns.

    `matrix` is column-major, and used up. Raises `numpy.linalg.LinAlgError` where LAPACK does not converge.
    """
    size = len(matrix)
    values, vectors, support = np.empty(size), np.empty((size, z), order="F"), np.empty(2 * z, np.intc)
    found, information = np.zeros(1, np.intc), np.zeros(1, np.intc)
    nothing = np.float64(0)

    def compute(work: Float64Array, places: NDArray[np.intc], asked: bool) -> None:
        lengths = (-1, -1) if asked else (len(work), len(places))
        span = (nothing, nothing, size - z + 1, size, nothing)
        results = (found, values, vectors, size, support, work, lengths[0], places, lengths[1], information)
        _call("cython_lapack", "dsyevr", b"V", b"I", b"L", size, matrix, size, *span, *results)

    work, places = np.empty(1), np.empty(1, np.intc)
    compute(work, places, asked=True)
    compute(np.empty(int(work[0])), np.empty(int(places[0]), np.intc), asked=False)
    if information[0]:
        raise np.linalg.LinAlgError(f"LAPACK's dsyevr does not converge (info {information[0]})")
    return values[:z], vectors


def _call(module: str, name: str, *arguments: Argument) -> None:
    """Call a routine with pointers to its arguments, as Fortran takes them; whole numbers are C's int."""
    held = [_as_array(argument) for argument in arguments]
    _routine(module, name, len(held))(*[array.ctypes.data for array in held])


def _as_array(argument: Argument) -> NDArray[Any]:
    if isinstance(argument, np.ndarray):
        return argument
    return np.array(argument, np.intc if isinstance(argument, int) else None)


@lru_cache
def _routine(module: str, name: str, count: int) -> Callable[..., None]:
    python = ctypes.pythonapi
    capsule = import_module(f"scipy.linalg.{module}").__pyx_capi__[name]
    named = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(("PyCapsule_GetName", python))
    pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_GetPointer", python))
    return ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * count)(pointer(capsule, named(capsule)))
