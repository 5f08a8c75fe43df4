"""Counts times distances in whole numbers: as scipy's, the same whatever the blocks, refused where the step shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from howfar.distances import pairwise, quantized, weighted_sums
from howfar.distances.compiled_euclidean import Kernel
from howfar.distances.pairwise import quadratic_forms
from howfar.distances.quantized import counted_forms, integer_units, labelled_forms, multiplied
from howfar.errors import InputError
from howfar.pipeline import permutation_p_value
from howfar.projection import Projection
from howfar.significance import relabellings


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
    monkeypatch.setattr(weighted_sums, "integer_units", lambda: True)


def test_a_product_of_bytes_is_exact() -> None:
    rng = np.random.default_rng(0)
    one, other = (
        rng.integers(0, 256, (70, 900), np.uint8),
        rng.integers(0, quantized.LARGEST_COUNT, (900, 33), np.int8, endpoint=True),
    )
    one[0], other[:, 0] = 255, quantized.LARGEST_COUNT
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
    monkeypatch.setattr(quantized, "ROWS_AT_ONCE", at_once)
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
    assert quantized.digits_needed(pairs) == wanted
    # What is left out of a distance is at most half of the last digit that is kept; it averages out over the square root.
    assert wanted == quantized.DIGITS or 2.0 ** (-8 * wanted - 1) / pairs**0.5 <= quantized.ROUNDED


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
    assert 0 < np.sqrt(np.mean(apart**2)) < 2 * quantized.ROUNDED * reach
    reach = Kernel(p, p).reach * Kernel(p, p).unit
    apart = (by_digits(p, p, v, v, True, True) - by_digits(p, p, v, v, True)) / n**2
    assert 0 < np.sqrt(np.mean(apart**2)) < 4 * quantized.ROUNDED * reach


def test_digits_that_are_left_out_lean_to_neither_side() -> None:
    """They are all above 0, and within one dataset a draw has too few pairs of an image with itself to count them as others."""
    for s, p in ((rows(4100, 3), rows(4100, 3, seed=2)), (rows(300, 3), rows(300, 3, seed=2))):
        u, v = counts(len(s), 400), counts(len(p), 400, 2)
        for found, wanted in (
            (by_digits(s, p, u, v, resampled=True), by_digits(s, p, u, v)),
            (by_digits(p, p, v, v, True, True), by_digits(p, p, v, v, True)),
        ):
            off = found / wanted - 1
            assert abs(off.mean()) < 5 * off.std() / 400**0.5


def test_means_of_the_counts_are_taken_out_whatever_they_are() -> None:
    s, p = rows(300), rows(520, seed=2)
    u, v = 2 * counts(300, 50), 3 * counts(520, 50, 2)
    np.testing.assert_allclose(by_digits(s, p, u, v, resampled=True), by_digits(s, p, u, v), rtol=1e-6)
    np.testing.assert_allclose(by_digits(p, p, v, v, True, True), by_digits(p, p, v, v, True), rtol=1e-6)
    everything = np.ones((520, 1), np.uint8)
    exact = by_digits(p, p, everything, everything, True)
    np.testing.assert_array_equal(by_digits(p, p, everything, everything, True, True), exact)


def labels_of(m: int, n: int, draws: int = 40) -> np.ndarray:
    true = np.repeat(np.array([1, 0], np.uint8), [m, n])[:, None]
    return np.concatenate([true, relabellings(m, n, draws, np.random.default_rng(5))], axis=1)


def energies(pooled: np.ndarray, labels: np.ndarray) -> np.ndarray:
    kernel, m = Kernel(pooled, pooled), int(labels[:, 0].sum())
    found = labelled_forms(kernel, labels, 1 / m, -1 / (len(pooled) - m))
    assert found is not None
    return -kernel.unit * found


@pytest.mark.parametrize(("m", "n"), [(1, 1), (2, 3), (150, 400), (400, 150), (4000, 300)])
@pytest.mark.parametrize(("offset", "scale"), [(0.0, 1.0), (1e4, 1e-30), (0.0, 1e30)])
def test_relabellings_as_scipy(m: int, n: int, offset: float, scale: float) -> None:
    pooled = np.concatenate([rows(m, 5, 0, offset, scale), rows(n, 5, 1, offset + 0.3, scale)])
    labels = labels_of(m, n)
    w = np.where(labels, 1 / m, -1 / n)
    wanted = -np.einsum("ik,ik->k", w, cdist(pooled, pooled) @ w)
    # An energy is a small difference of mean distances; what counts is how random labels differ.
    slack = 1e-6 * cdist(pooled, pooled).mean() + 2e-4 * wanted[1:].std()
    np.testing.assert_allclose(energies(pooled, labels), wanted, rtol=1e-6, atol=slack)


@pytest.mark.parametrize("at_once", [1, 37, 10_000])
def test_relabellings_in_blocks_and_by_threads(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pooled, labels = rows(300), labels_of(120, 180)
    wanted = energies(pooled, labels)
    monkeypatch.setattr(quantized, "ROWS_AT_ONCE", at_once)
    np.testing.assert_array_equal(energies(pooled, labels), wanted)
    for threads in (1, 3):
        kernel = Kernel(pooled, pooled, threads=threads)
        found = labelled_forms(kernel, labels, 1 / 120, -1 / 180)
        assert found is not None
        np.testing.assert_array_equal(-kernel.unit * found, wanted)


def test_equal_labellings_are_ties_and_others_keep_their_order() -> None:
    """Rows of two kinds alone: an energy depends on how many of each kind are called S, in the same way by digits."""
    pooled = np.zeros((4200, 2))
    pooled[::2] = 0.7237
    # What makes the digits coarse.
    pooled[0] = [-0.9, 0.7]
    labels = labels_of(1700, 2500, 300)
    inside = labels[1:].astype(int)
    found, of_a = energies(pooled, labels), inside[1::2].sum(axis=0) - inside[::2].sum(axis=0)
    for one in np.unique(of_a):
        for first in (0, 1):
            same = found[(of_a == one) & (labels[0] == first)]
            np.testing.assert_allclose(same, same[:1].repeat(len(same)), rtol=1e-10)


@pytest.mark.usefixtures("units")
def test_p_values_by_whole_numbers_are_those_by_floats(monkeypatch: pytest.MonkeyPatch) -> None:
    for shift in (0.0, 0.02, 1.0):
        s, p = rows(2300, 8) + shift, rows(2000, 8, seed=3)
        pair = Projection(p, s, np.full(8, 0.125))
        by_digits_alone = permutation_p_value(pair, 199)
        with monkeypatch.context() as patch:
            patch.setattr(weighted_sums, "integer_units", lambda: False)
            assert abs(permutation_p_value(pair, 199) - by_digits_alone) < 0.006


@pytest.mark.usefixtures("units")
def test_relabellings_with_one_far_row_are_left_to_floats() -> None:
    pooled, labels = rows(60), labels_of(20, 40)
    pooled[7] *= 1e6
    assert labelled_forms(Kernel(pooled, pooled), labels, 0.05, -0.025) is None
    w = np.where(labels, 0.05, -0.025)
    wanted = np.einsum("ik,ik->k", w, cdist(pooled, pooled) @ w)
    np.testing.assert_allclose(pairwise.labelled_forms(pooled, labels, 0.05, -0.025), wanted, rtol=1e-5)


@pytest.mark.usefixtures("units")
@pytest.mark.parametrize("labels", [np.ones((3, 2), np.uint8), np.ones(4, np.uint8)])
def test_labels_that_do_not_fit_are_refused(labels: np.ndarray) -> None:
    with pytest.raises(InputError, match="labels must hold one label for each row"):
        pairwise.labelled_forms(rows(4), labels, 1.0, 2.0)


def test_counts_of_which_a_product_could_overflow_are_left_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    s, p, u, v = rows(30), rows(40, seed=2), counts(30, 9), counts(40, 9, 2)
    monkeypatch.setattr(quantized, "MOST_TAKEN", 40)
    assert counted_forms(Kernel(s, p), u, v, False) is not None
    assert labelled_forms(Kernel(p, p), labels_of(10, 30), 1.0, 0.0) is not None
    monkeypatch.setattr(quantized, "MOST_TAKEN", 39)
    assert counted_forms(Kernel(s, p), u, v, False) is None
    assert labelled_forms(Kernel(p, p), labels_of(10, 30), 1.0, 0.0) is None


def test_the_longest_distance_that_there_can_be_has_its_digits() -> None:
    """It lies on the edge of what three bytes hold."""
    s, p = np.array([[1.0 - 2.0**-24]]), np.array([[0.0]])
    assert by_digits(s, p, np.array([[3]], np.uint8), np.array([[2]], np.uint8)) == pytest.approx(6.0, rel=1e-6)


def test_the_order_of_rows_changes_nothing() -> None:
    s, p, u, v = rows(50), rows(60, seed=2), counts(50, 9), counts(60, 9, 2)
    order = np.random.default_rng(3).permutation(50)
    np.testing.assert_array_equal(by_digits(s[order], p, u[order], v), by_digits(s, p, u, v))


def test_equal_rows_are_at_exactly_0() -> None:
    p, u, v = rows(40), np.eye(40, dtype=np.uint8), np.eye(40, dtype=np.uint8)
    kernel = Kernel(p, p)
    taken = quantized._Steps(kernel, quantized.DIGITS, same=False)._taken(slice(0, 40), 0)
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
    s, v = rows(3), np.full((3, 1), quantized.LARGEST_COUNT, np.uint8)
    assert counted_forms(Kernel(s, s + 1), v, v, False) is not None
    assert counted_forms(Kernel(s, s + 1), v + np.uint8(1), v, False) is None
    assert counted_forms(Kernel(s, s + 1), v, v + np.uint8(1), False) is None


@pytest.mark.usefixtures("units")
def test_counts_are_taken_as_whole_numbers_and_weights_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    s, p, u, v = rows(30), rows(40, seed=2), counts(30, 9), counts(40, 9, 2)
    wanted = long_way(s, p, u, v)
    np.testing.assert_array_equal(quadratic_forms(s, p, u, v), by_digits(s, p, u, v))
    monkeypatch.setattr(weighted_sums, "counted_forms", lambda *_: pytest.fail("whole numbers"))
    np.testing.assert_allclose(quadratic_forms(s, p, u / 30, v / 40), wanted / 1200, rtol=1e-6)
    monkeypatch.setattr(weighted_sums, "integer_units", lambda: False)
    np.testing.assert_allclose(quadratic_forms(s, p, u, v), wanted, rtol=1e-6)


def test_few_pairs_by_counts_as_by_weights() -> None:
    s, p, u, v = rows(30), rows(40, seed=2), counts(30, 9), counts(40, 9, 2)
    np.testing.assert_allclose(quadratic_forms(s, p, u, v), long_way(s, p, u, v), rtol=1e-12)


@pytest.mark.parametrize(
    ("flags", "wanted"), [("flags\t: fpu amx_int8 sse\n", True), ("flags\t: amx_int8\n", True), ("flags : fpu amx_bf16", False)]
)
def test_the_processor_says_what_it_has(flags: str, wanted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpuinfo").write_text(flags)
    monkeypatch.setattr(quantized, "CPU_FLAGS", tmp_path / "cpuinfo")
    integer_units.cache_clear()
    assert integer_units() is wanted
    monkeypatch.setattr(quantized, "CPU_FLAGS", tmp_path / "none")
    integer_units.cache_clear()
    assert not integer_units()
    integer_units.cache_clear()
