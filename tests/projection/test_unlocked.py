"""Routines called past SciPy's wrappers: the same digits as by the wrappers, and other threads go on meanwhile."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import linalg
from scipy.linalg import blas

from howfar.projection import unlocked
from howfar.projection.unlocked import largest_eigenpairs, multiply, rank_update

SHAPES = ((1, 1), (2, 5), (9, 5), (300, 64))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products_are_those_of_the_wrapper_bit_for_bit(shape: tuple[int, int], dtype: Any, rng: np.random.Generator) -> None:
    values = rng.normal(size=shape).astype(dtype)
    total: NDArray[Any] = np.full((shape[1], shape[1]), 7, dtype, order="F")
    syrk = blas.ssyrk if dtype is np.float32 else blas.dsyrk
    once = syrk(1.0, values.T)
    rank_update(values, total, keeps=False)
    np.testing.assert_array_equal(np.triu(total), np.triu(once))
    assert (np.tril(total, -1) == np.tril(np.full_like(total, 7), -1)).all()
    rank_update(values, total, keeps=True)
    np.testing.assert_array_equal(np.triu(total), np.triu(syrk(1.0, values.T, beta=1.0, c=once)))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_product_is_that_of_the_wrapper_bit_for_bit(shape: tuple[int, int], rng: np.random.Generator) -> None:
    values, matrix = rng.normal(size=shape), np.asfortranarray(rng.normal(size=(shape[1], 3)))
    np.testing.assert_array_equal(multiply(values, matrix), blas.dgemm(1.0, matrix, values.T, trans_a=1).T)


@pytest.mark.parametrize(("size", "z"), [(1, 1), (5, 2), (5, 5), (64, 10)])
def test_eigenpairs_are_those_of_the_wrapper_bit_for_bit(size: int, z: int, rng: np.random.Generator) -> None:
    values = rng.normal(size=(size, size))
    matrix = np.asfortranarray(values @ values.T)
    wanted = linalg.eigh(matrix, subset_by_index=(size - z, size - 1))
    for found, one in zip(largest_eigenpairs(matrix, z), wanted, strict=True):
        np.testing.assert_array_equal(found, one)


def test_no_convergence_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def routine(module: str, name: str, *given: Any) -> None:
        arrays = [one for one in given if isinstance(one, np.ndarray)]
        arrays[-1][:] = 3
        if -1 in [one for one in given if isinstance(one, int)]:
            arrays[-2][:], arrays[-3][:] = 1, 1

    monkeypatch.setattr(unlocked, "_call", routine)
    with pytest.raises(np.linalg.LinAlgError, match="does not converge"):
        largest_eigenpairs(np.eye(3, order="F"), 1)


@pytest.fixture
def unhurried() -> Iterator[None]:
    """No thread takes the interpreter's lock from another that does not give it up."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(600)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("unhurried")
def test_other_threads_go_on_meanwhile(rng: np.random.Generator) -> None:
    values, total = rng.normal(size=(500, 300)), np.zeros((300, 300), order="F")
    gate, went_on = threading.Lock(), list[bool]()
    gate.acquire()
    thread = threading.Thread(target=lambda: went_on.append(gate.acquire()))
    thread.start()
    gate.release()
    assert not went_on
    for _ in range(1000):
        rank_update(values, total, keeps=False)
        if went_on:
            break
    assert went_on
    thread.join()
