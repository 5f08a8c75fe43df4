"""Compiled distances: as scipy's, exactly 0 for equal rows, at any scale and offset, whoever shares the rows."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from howfar.cores import available_cores, numeric_threads
from howfar.distances import compiled_euclidean, pairwise
from howfar.distances.compiled_euclidean import BOTH_ROWS, ROWS, TILE, CompiledKernel
from howfar.distances.dataset import energy, image_to_dataset, leave_one_out
from howfar.distances.pairwise import bilinear_forms, both_sums, quadratic_forms, row_sums
from howfar.errors import InputError


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums of however few pairs by the kernel."""
    monkeypatch.setattr(pairwise, "COMPILED_FROM", 0)


def sets(m: int, n: int, z: int, offset: float = 0.0, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return scale * (rng.normal(size=(m, z)) + offset), scale * (rng.normal(size=(n, z)) + offset)


# Fewer rows than are computed together, rows that are left over, components that are filled up; more than a tile and a task.
SHAPES = [(1, 1, 1), (2, 3, 2), (3, 5, 5), (5, TILE, 6), (9, TILE + 1, 25), (ROWS + 3, 40, 7), (2 * ROWS, 3 * TILE + 5, 26)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_as_scipy(shape: tuple[int, int, int], offset: float, scale: float) -> None:
    s, p = sets(*shape, offset, scale)
    kernel, wanted = CompiledKernel(s, p), cdist(s, p)
    np.testing.assert_allclose(kernel.sums(), wanted.sum(axis=1), rtol=1e-5)
    np.testing.assert_allclose(kernel.unit * kernel.distances(0, len(s), 0).astype(np.float64), wanted, rtol=1e-4)


# Rows and columns that fill up blocks, tiles and tasks, and some more or less.
PAIRS = [(1, 1, 1), (3, 17, 2), (BOTH_ROWS + 1, TILE + 15, 25), (3 * BOTH_ROWS + 6, 40, 7), (2 * BOTH_ROWS, 2 * TILE, 24)]


@pytest.mark.parametrize("shape", PAIRS)
@pytest.mark.parametrize("threads", [1, 3])
def test_sums_over_both_sets_as_scipys(shape: tuple[int, int, int], threads: int) -> None:
    s, p = sets(*shape, 10.0)
    wanted = cdist(s, p)
    of_s, of_p = CompiledKernel(s, p, threads).both_sums()
    np.testing.assert_allclose(of_s, wanted.sum(axis=1), rtol=1e-6)
    np.testing.assert_allclose(of_p, wanted.sum(axis=0), rtol=1e-6)


@pytest.mark.parametrize("rows", [1, 3, 16, BOTH_ROWS - 1, BOTH_ROWS + 5, 3 * BOTH_ROWS + 130])
@pytest.mark.parametrize("threads", [1, 3])
def test_own_sums_as_scipys(rows: int, threads: int) -> None:
    s, _ = sets(rows, 1, 25, 10.0)
    np.testing.assert_allclose(CompiledKernel(s, s, threads).own_sums(), cdist(s, s).sum(axis=1), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("shape", PAIRS)
@pytest.mark.parametrize("scale", [1e-60, 1.0, 1e60])
def test_weights_of_both_sets(shape: tuple[int, int, int], scale: float) -> None:
    """As far as float32 holds the distances, however large the weights are."""
    m, n, _ = shape
    s, p = sets(*shape)
    rng = np.random.default_rng(1)
    u, v = scale * rng.uniform(0.5, 1.0, (2, m)), scale * rng.uniform(0.5, 1.0, (2, n))
    np.testing.assert_allclose(CompiledKernel(s, p).weighted(u, v), u @ cdist(s, p) @ v.T, rtol=1e-6)
    np.testing.assert_allclose(CompiledKernel(s, s).weighted(u, u, same=True), u @ cdist(s, s) @ u.T, rtol=1e-6, atol=1e-300)


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_change_no_bit_of_any_sum(threads: int) -> None:
    s, p = sets(5 * BOTH_ROWS + 3, TILE + 9, 25)
    u, v = (np.random.default_rng(2).normal(size=(2, len(rows))) for rows in (s, p))
    one, several = (CompiledKernel(s, p, count) for count in (1, threads))
    for found, wanted in zip(several.both_sums(), one.both_sums(), strict=True):
        np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(several.weighted(u, v), one.weighted(u, v))
    np.testing.assert_array_equal(CompiledKernel(s, s, threads).own_sums(), CompiledKernel(s, s, 1).own_sums())
    np.testing.assert_array_equal(
        CompiledKernel(s, s, threads).weighted(u, u, same=True), CompiledKernel(s, s, 1).weighted(u, u, same=True)
    )


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("z", [25, 130])
def test_energy_of_a_copy_is_exactly_0(z: int) -> None:
    _, p = sets(1, 300, z)
    assert energy(p, p.copy()) == 0.0
    np.testing.assert_array_equal(both_sums(p, p.copy()), [row_sums(p, p)] * 2)


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("z", [25, 130])
@pytest.mark.parametrize("kinds", [(2, 2), (1, 3)])
def test_forms_of_each_weight_with_each(z: int, kinds: tuple[int, int]) -> None:
    s, p = sets(70, 90, z, 3.0)
    rng = np.random.default_rng(1)
    u, v = rng.uniform(size=(kinds[0], 70)), rng.uniform(size=(kinds[1], 90))
    np.testing.assert_allclose(bilinear_forms(s, p, u, v), u @ cdist(s, p) @ v.T, rtol=1e-6)
    np.testing.assert_allclose(bilinear_forms(s, s, u, u), u @ cdist(s, s) @ u.T, rtol=1e-6)
    np.testing.assert_allclose(both_sums(s, p)[0], cdist(s, p).sum(axis=1), rtol=1e-6)
    np.testing.assert_allclose(both_sums(s, p)[1], cdist(s, p).sum(axis=0), rtol=1e-6)
    with pytest.raises(InputError, match="one weight for each row"):
        bilinear_forms(s, p, v, u)


@pytest.mark.usefixtures("compiled")
def test_sums_and_forms_beside_one_row_far_beyond_all_others() -> None:
    s, p = sets(40, 50, 3)
    s[7] = 1e30
    u, v = (np.random.default_rng(3).uniform(size=(2, count)) for count in (40, 50))
    u[1, 7] = 0.0
    of_s, of_p = both_sums(s, p)
    np.testing.assert_allclose(of_s, cdist(s, p).sum(axis=1), rtol=1e-6)
    np.testing.assert_allclose(of_p, cdist(s, p).sum(axis=0), rtol=1e-6)
    np.testing.assert_allclose(bilinear_forms(s, p, u, v), u @ cdist(s, p) @ v.T, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_are_known_to_a_millionth(dtype: type) -> None:
    s, p = (x.astype(dtype) for x in sets(300, 2000, 25))
    np.testing.assert_allclose(CompiledKernel(s, p).sums(), cdist(s.astype(float), p.astype(float)).sum(axis=1), rtol=1e-6)


def test_a_tight_cluster_far_from_the_origin() -> None:
    """Where an uncentred product of float32 is off by thousandths."""
    s, p = sets(200, 900, 25, 1e3, 1.0)
    wanted = cdist(s, p).sum(axis=1)
    a, b = s.astype(np.float32), p.astype(np.float32)
    squared = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * (a @ b.T)
    assert np.abs(np.sqrt(np.maximum(squared, 0)).sum(axis=1) / wanted - 1).max() > 1e-4
    np.testing.assert_allclose(CompiledKernel(s, p).sums(), wanted, rtol=1e-6)


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_equal_rows_are_at_exactly_0(offset: float) -> None:
    _, p = sets(1, TILE + 90, 25, offset)
    d = CompiledKernel(p[::-1], p).distances(0, len(p), 0)[::-1]
    np.testing.assert_array_equal(np.diag(d), 0.0)
    assert np.count_nonzero(d == 0) == len(p)


def test_equal_images_alone() -> None:
    assert CompiledKernel(np.full((3, 4), 7.0), np.full((5, 4), 7.0)).sums().tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_change_nothing(threads: int) -> None:
    s, p = sets(3 * ROWS + 7, TILE + 9, 25)
    one, several = CompiledKernel(s, p, threads=1), CompiledKernel(s, p, threads=threads)
    np.testing.assert_array_equal(several.sums(), one.sums())
    np.testing.assert_array_equal(several.distances(5, len(s), 3), one.distances(5, len(s), 3))


def test_a_part_of_the_distances() -> None:
    s, p = sets(30, TILE + 9, 25)
    kernel = CompiledKernel(s, p)
    np.testing.assert_array_equal(kernel.distances(7, 20, 11), kernel.distances(0, 30, 0)[7:20, 11:])


@pytest.mark.usefixtures("compiled")
def test_the_papers_distances_by_it() -> None:
    s, p = sets(70, 90, 25)
    ss, pp, sp = cdist(s, s), cdist(p, p), cdist(s, p)
    np.testing.assert_allclose(row_sums(s, p), sp.sum(axis=1), rtol=1e-6)
    np.testing.assert_allclose(image_to_dataset(s, p), sp.mean(axis=1), rtol=1e-6)
    np.testing.assert_allclose(leave_one_out(p), pp.sum(axis=1) / 89, rtol=1e-6)
    assert energy(s, p) == pytest.approx(2 * sp.mean() - ss.mean() - pp.mean(), abs=1e-6)
    assert energy(p, p) == 0.0


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("tile", [1, 500, 1 << 20])
@pytest.mark.parametrize("scale", [1.0, 1e20])
def test_forms_by_it(tile: int, scale: float) -> None:
    s, p = sets(70, 90, 25, 3.0, scale)
    rng = np.random.default_rng(1)
    u, v = (rng.multinomial(k, np.full(k, 1 / k), size=6).T / k for k in (70, 90))
    np.testing.assert_allclose(quadratic_forms(s, p, u, v, tile), np.einsum("ik,ij,jk->k", u, cdist(s, p), v), rtol=1e-6)
    within = np.einsum("ik,ij,jk->k", v, cdist(p, p), v)
    np.testing.assert_allclose(quadratic_forms(p, p, v, v, tile), within, rtol=1e-6)
    np.testing.assert_allclose(quadratic_forms(p, p.copy(), v, v, tile), within, rtol=1e-6)


@pytest.mark.usefixtures("compiled")
def test_forms_of_one_set_with_two_weights() -> None:
    """Half of the pairs would not do here."""
    _, p = sets(1, 40, 5)
    rng = np.random.default_rng(1)
    u, v = rng.normal(size=(40, 3)), rng.normal(size=(40, 3))
    np.testing.assert_allclose(quadratic_forms(p, p, u, v), np.einsum("ik,ij,jk->k", u, cdist(p, p), v), rtol=1e-4)


def test_few_pairs_are_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise AssertionError("compiled")

    monkeypatch.setattr(pairwise, "_kernel", fail)
    row_sums(np.zeros((30, 2)), np.ones((40, 2)))
    monkeypatch.setattr(pairwise, "COMPILED_FROM", 1200)
    with pytest.raises(AssertionError, match="compiled"):
        row_sums(np.zeros((30, 2)), np.ones((40, 2)))


@pytest.mark.parametrize(("said", "wanted"), [("1", 1), ("2,4", 2), ("99", 3), ("0", 1), ("", 3), ("many", 3)])
def test_threads_are_the_cores_or_what_the_environment_says(said: str, wanted: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert numeric_threads() == wanted
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert numeric_threads() == available_cores() == 3


def test_where_nothing_can_be_kept_it_is_compiled_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def njit(cache: bool = False, **_: Any) -> Any:
        asked.append(cache)
        if cache:
            raise RuntimeError("cannot cache function '_squares': no locator available")
        return lambda function: function

    monkeypatch.setattr("howfar.compiled.njit", njit)

    def square(x: float) -> float:
        return x * x

    assert compiled_euclidean.compiled(square)(3.0) == 9.0
    assert asked == [True, False]


@pytest.mark.parametrize(("rows", "threads", "wanted"), [(40, 4, 4), (3, 4, 1), (1, 1, 1), (2000, 2, 8), (209, 2, 2)])
def test_rows_are_shared_by_all_threads(rows: int, threads: int, wanted: int) -> None:
    s, p = sets(rows, 5, 2)
    one = CompiledKernel(s, p, threads=threads)
    parts: list[tuple[int, int]] = []
    one.share(lambda start, stop: parts.append((start, stop)), rows)
    assert len(parts) == wanted
    assert sorted(parts) == sorted(set(parts))
    assert sum(stop - start for start, stop in parts) == rows


FAR = [1e6, 1e12, 1e19, 1e25, 1e60]


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("far", FAR)
def test_one_row_far_beyond_all_others(far: float) -> None:
    """It sets the scale, beside which the others' distances are nothing to float32; the mean of P would lie far from them."""
    s, p = sets(40, 50, 25)
    s[7] *= far
    np.testing.assert_allclose(row_sums(s, p), cdist(s, p).sum(axis=1), rtol=1e-6)
    np.testing.assert_allclose(row_sums(p, s), cdist(p, s).sum(axis=1), rtol=1e-6)
    np.testing.assert_allclose(row_sums(s, s), cdist(s, s).sum(axis=1), rtol=1e-6)
    np.testing.assert_allclose(distances_of(s), cdist(s, s), rtol=1e-9, atol=0)


def distances_of(s: np.ndarray) -> np.ndarray:
    return np.concatenate([d for _, _, d in pairwise.distance_blocks(s, s)])


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("far", FAR)
def test_draws_without_the_one_far_row(far: float) -> None:
    s, p = sets(40, 50, 25)
    s[7] *= far
    u, v = (np.random.default_rng(1).multinomial(k, np.full(k, 1 / k), size=30).T.astype(np.uint8) for k in (40, 50))
    assert (u[7] == 0).any()
    for one, other, a, b in ((s, p, u, v), (p, s, v, u), (s, s, u, u)):
        wanted = np.einsum("ik,ij,jk->k", a.astype(float), cdist(one, other), b.astype(float))
        np.testing.assert_allclose(quadratic_forms(one, other, a, b), wanted, rtol=1e-6)


@pytest.mark.usefixtures("compiled")
def test_equal_images_are_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairwise, "distance_blocks", lambda *_: pytest.fail("looked at again"))
    same, counts = np.full((30, 4), 7.0), np.ones((30, 3), np.uint8)
    assert row_sums(same, same).tolist() == [0.0] * 30
    assert quadratic_forms(same, same, counts, counts).tolist() == [0.0] * 3
