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


def by_digits(
    s: np.ndarray, p: np.ndarray, u: np.ndarray, v: np.ndarray, same: bool = False, resampled: bool = False
) -> np.ndarray:
    kernel = Kernel(s, p)
    found = counted_forms(kernel, u, v, same, resampled)
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
@pytest.mark.parametrize("resampled", [False, True])
def test_blocks_change_nothing(at_once: int, same: bool, resampled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    p, v = rows(301), counts(301, 9)
    wanted = by_digits(p, p, v, v, same, resampled)
    monkeypatch.setattr(digits, "ROWS_AT_ONCE", at_once)
    np.testing.assert_array_equal(by_digits(p, p, v, v, same, resampled), wanted)


@pytest.mark.parametrize("threads", [2, 5])
@pytest.mark.parametrize("resampled", [False, True])
def test_threads_change_nothing(threads: int, resampled: bool) -> None:
    s, p, u, v = rows(301), rows(600, seed=2), counts(301, 9), counts(600, 9, 2)
    one, several = (counted_forms(Kernel(s, p, threads=k), u, v, False, resampled) for k in (1, threads))
    np.testing.assert_array_equal(several, one)
    one, several = (counted_forms(Kernel(p, p, threads=k), v, v, True, resampled) for k in (1, threads))
    np.testing.assert_array_equal(several, one)


@pytest.mark.parametrize(("pairs", "wanted"), [(1, 3), (255, 3), (256, 2), (2**24 - 1, 2), (2**24, 1), (10**12, 1)])
def test_fewer_digits_of_more_pairs(pairs: int, wanted: int) -> None:
    assert digits.digits_needed(pairs) == wanted
    # What is left out of a distance is at most half of the last digit that is kept; it averages out over the square root.
    assert wanted == digits.DIGITS or 2.0 ** (-8 * wanted - 1) / pairs**0.5 <= digits.ROUNDED


@pytest.mark.parametrize(("m", "n"), [(4100, 4200), (300, 520), (17, 40)])
@pytest.mark.parametrize("clusters", [False, True])
def test_what_is_left_out_of_a_draw_with_replacement_averages_out(m: int, n: int, clusters: bool) -> None:
    """By one digit and by two, as by three, also where distances have few values and so are all rounded to one side."""
    s, p = rows(m, 3), rows(n, 3, seed=2, offset=0.5)
    if clusters:
        s, p = np.repeat(s[: m // 10 + 1], 10, axis=0)[:m], np.repeat(p[: n // 10 + 1], 10, axis=0)[:n]
    u, v = counts(m, 200), counts(n, 200, 2)
    reach = Kernel(s, p).reach * Kernel(s, p).unit
    apart = (by_digits(s, p, u, v, resampled=True) - by_digits(s, p, u, v)) / (m * n)
    assert 0 < np.sqrt(np.mean(apart**2)) < 2 * digits.ROUNDED * reach
    reach = Kernel(p, p).reach * Kernel(p, p).unit
    apart = (by_digits(p, p, v, v, True, True) - by_digits(p, p, v, v, True)) / n**2
    assert 0 < np.sqrt(np.mean(apart**2)) < 4 * digits.ROUNDED * reach


def test_counts_that_do_not_sum_to_the_images_are_centred_all_the_same() -> None:
    """Half of what is left out is added for every pair that is taken beyond one draw of all."""
    s, p = rows(300), rows(520, seed=2)
    u, v = 2 * counts(300, 50), 3 * counts(520, 50, 2)
    np.testing.assert_allclose(by_digits(s, p, u, v, resampled=True), by_digits(s, p, u, v), rtol=2e-5)
    np.testing.assert_allclose(by_digits(p, p, v, v, True, True), by_digits(p, p, v, v, True), rtol=2e-5)


def test_the_longest_distance_that_there_can_be_has_its_digits() -> None:
    """It lies on the edge of what three bytes hold."""
    s, p = np.array([[-1.0 + 2.0**-24] * 4]), np.array([[3.0] * 4])
    assert by_digits(s, p, np.array([[3]], np.uint8), np.array([[2]], np.uint8)) == pytest.approx(48.0, rel=1e-6)


def test_the_order_of_rows_changes_nothing() -> None:
    s, p, u, v = rows(50), rows(60, seed=2), counts(50, 9), counts(60, 9, 2)
    order = np.random.default_rng(3).permutation(50)
    np.testing.assert_array_equal(by_digits(s[order], p, u[order], v), by_digits(s, p, u, v))


def test_equal_rows_are_at_exactly_0() -> None:
    p, u, v = rows(40), np.eye(40, dtype=np.uint8), np.eye(40, dtype=np.uint8)
    kernel = Kernel(p, p)
    taken, sums = np.empty((digits.DIGITS, 40, 40), np.uint8), np.zeros((2, 40), np.int64)
    digits._take(kernel, slice(0, 40), False, 2.0**20, taken, *sums)
    np.testing.assert_array_equal(np.diagonal(taken, axis1=1, axis2=2), 0)
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
