"""Counts times distances in whole numbers: as scipy's, the same whatever the blocks, refused where the step shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from howfar.distances import digits, forms, pairwise
from howfar.distances.digits import counted_forms, integer_units, multiplied
from howfar.distances.kernel import Kernel
from howfar.distances.pairwise import quadratic_forms


def counts(n: int, draws: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=draws).T.astype(np.uint8)


def rows(n: int, z: int = 25, seed: int = 0, offset: float = 0.0, scale: float = 1.0) -> np.ndarray:
    return scale * (np.random.default_rng(seed).normal(size=(n, z)) + offset)


def long_way(s: np.ndarray, p: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.einsum("ik,ij,jk->k", u.astype(float), cdist(s, p), v.astype(float))


def by_digits(s: np.ndarray, p: np.ndarray, u: np.ndarray, v: np.ndarray, same: bool = False) -> np.ndarray:
    kernel = Kernel(s, p)
    found = counted_forms(kernel, u, v, same)
    assert found is not None
    return kernel.unit * found


@pytest.fixture
def units(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few pairs, by whole numbers, whatever the processor."""
    monkeypatch.setattr(pairwise, "COMPILED_FROM", 0)
    monkeypatch.setattr(forms, "integer_units", lambda: True)


def test_a_product_of_bytes_is_exact() -> None:
    rng = np.random.default_rng(0)
    one, other = (
        rng.integers(0, 256, (70, 900), np.uint8),
        rng.integers(0, digits.LARGEST_COUNT, (900, 33), np.int8, endpoint=True),
    )
    one[0], other[:, 0] = 255, digits.LARGEST_COUNT
    np.testing.assert_array_equal(multiplied(one, other), one.astype(np.int64) @ other.astype(np.int64))


@pytest.mark.parametrize(("m", "n", "z"), [(1, 1, 1), (2, 3, 2), (7, 600, 6), (300, 520, 25)])
@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_as_scipy(m: int, n: int, z: int, offset: float, scale: float) -> None:
    s, p = rows(m, z, 0, offset, scale), rows(n, z, 2, offset + 1.0, scale)
    u, v = counts(m, 9), counts(n, 9, 2)
    np.testing.assert_allclose(by_digits(s, p, u, v), long_way(s, p, u, v), rtol=2e-6)


def test_rounding_leans_to_neither_side() -> None:
    """A half that always went up would add a quarter of a step to each distance of 22 bits and more: 4e-8 of every sum."""
    s, p, u, v = rows(500), rows(700, seed=2), counts(500, 9), counts(700, 9, 2)
    assert np.abs(by_digits(s, p, u, v) / long_way(s, p, u, v) - 1).max() < 5e-9


@pytest.mark.parametrize("n", [5, 256, 300, 515])
def test_half_of_the_pairs_do(n: int) -> None:
    p, v = rows(n), counts(n, 9)
    np.testing.assert_allclose(by_digits(p, p, v, v, same=True), long_way(p, p, v, v), rtol=2e-6)
    np.testing.assert_array_equal(by_digits(p, p, v, v, same=True), by_digits(p, p, v, v))


@pytest.mark.parametrize("at_once", [1, 37, 10_000])
@pytest.mark.parametrize("same", [False, True])
def test_blocks_change_nothing(at_once: int, same: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    p, v = rows(300), counts(300, 9)
    wanted = by_digits(p, p, v, v, same)
    monkeypatch.setattr(digits, "ROWS_AT_ONCE", at_once)
    np.testing.assert_array_equal(by_digits(p, p, v, v, same), wanted)


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_change_nothing(threads: int) -> None:
    s, p, u, v = rows(300), rows(600, seed=2), counts(300, 9), counts(600, 9, 2)
    one, several = (counted_forms(Kernel(s, p, threads=k), u, v, False) for k in (1, threads))
    np.testing.assert_array_equal(several, one)


def test_the_order_of_rows_changes_nothing() -> None:
    s, p, u, v = rows(50), rows(60, seed=2), counts(50, 9), counts(60, 9, 2)
    order = np.random.default_rng(3).permutation(50)
    np.testing.assert_array_equal(by_digits(s[order], p, u[order], v), by_digits(s, p, u, v))


def test_equal_rows_are_at_exactly_0() -> None:
    p, u, v = rows(40), np.eye(40, dtype=np.uint8), np.eye(40, dtype=np.uint8)
    kernel = Kernel(p, p)
    d = digits._digits(kernel, slice(0, 40), 0, False, 2.0**20)
    np.testing.assert_array_equal(np.diagonal(d, axis1=1, axis2=2), 0)
    # A draw of one image only has no distance to be judged by.
    assert counted_forms(kernel, u, v, False) is None


@pytest.mark.usefixtures("units")
def test_a_draw_without_the_one_far_row_is_known_as_well_as_the_others() -> None:
    """The step is 2⁻²⁴ of the far row's distance, which would be a tenth of the others'."""
    p, v = rows(60), counts(60, 40)
    p[7] *= 1e6
    assert (v[7] == 0).any()
    assert counted_forms(Kernel(p, p), v, v, True) is None
    np.testing.assert_allclose(quadratic_forms(p, p, v, v)[v[7] > 0], long_way(p, p, v, v)[v[7] > 0], rtol=1e-6)


def test_counts_that_a_byte_with_a_sign_does_not_hold_are_left_to_others() -> None:
    s, v = rows(3), np.full((3, 1), digits.LARGEST_COUNT, np.uint8)
    assert counted_forms(Kernel(s, s + 1), v, v, False) is not None
    assert counted_forms(Kernel(s, s + 1), v + np.uint8(1), v, False) is None
    assert counted_forms(Kernel(s, s + 1), v, v + np.uint8(1), False) is None


@pytest.mark.usefixtures("units")
def test_counts_are_taken_as_whole_numbers_and_weights_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    s, p, u, v = rows(30), rows(40, seed=2), counts(30, 9), counts(40, 9, 2)
    wanted = long_way(s, p, u, v)
    np.testing.assert_array_equal(quadratic_forms(s, p, u, v), by_digits(s, p, u, v))
    monkeypatch.setattr(forms, "counted_forms", lambda *_: pytest.fail("whole numbers"))
    np.testing.assert_allclose(quadratic_forms(s, p, u / 30, v / 40), wanted / 1200, rtol=1e-6)
    monkeypatch.setattr(forms, "integer_units", lambda: False)
    np.testing.assert_allclose(quadratic_forms(s, p, u, v), wanted, rtol=1e-6)


def test_few_pairs_by_counts_as_by_weights() -> None:
    s, p, u, v = rows(30), rows(40, seed=2), counts(30, 9), counts(40, 9, 2)
    np.testing.assert_allclose(quadratic_forms(s, p, u, v), long_way(s, p, u, v), rtol=1e-12)


@pytest.mark.parametrize(
    ("flags", "wanted"), [("flags\t: fpu amx_int8 sse\n", True), ("flags\t: amx_int8\n", True), ("flags : fpu amx_bf16", False)]
)
def test_the_processor_says_what_it_has(flags: str, wanted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpuinfo").write_text(flags)
    monkeypatch.setattr(digits, "CPU_FLAGS", tmp_path / "cpuinfo")
    integer_units.cache_clear()
    assert integer_units() is wanted
    monkeypatch.setattr(digits, "CPU_FLAGS", tmp_path / "none")
    integer_units.cache_clear()
    assert not integer_units()
    integer_units.cache_clear()
