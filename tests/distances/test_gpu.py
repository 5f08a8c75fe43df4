"""The GPU's sums, which are the same torch code on a CPU: as scipy's, exactly 0 for equal rows, whatever memory there is."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from howfar.distances import pairwise_distances
from howfar.distances.mean_distances import dataset_to_dataset, energy, image_to_dataset, leave_one_out, self_distance
from howfar.distances.pairwise_distances import row_sums, sums_by_torch
from howfar.errors import HowfarError, InputError

CPU = torch.device("cpu")


def sets(m: int, n: int, z: int, offset: float = 0.0, scale: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return scale * (rng.normal(size=(m, z)) + offset), scale * (rng.normal(size=(n, z)) + offset)


def sums(s: np.ndarray, p: np.ndarray) -> np.ndarray:
    return sums_by_torch(s, p, CPU)[0]


@pytest.fixture
def on_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """`device="cuda"` on a machine that has none: torch's code, on the CPU."""
    monkeypatch.setattr(pairwise_distances, "gpu", lambda name: None if name == "cpu" else CPU)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 2), (31, 47, 25), (300, 200, 300)])
@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_as_scipy(shape: tuple[int, int, int], offset: float, scale: float, dtype: type) -> None:
    s, p = (x.astype(dtype) for x in sets(*shape, offset, scale))
    np.testing.assert_allclose(sums(s, p), cdist(s.astype(float), p.astype(float)).sum(axis=1), rtol=1e-5)


@pytest.mark.parametrize("gap", [10.0, 1e3, 1e6])
def test_two_clusters_far_from_each_other(gap: float) -> None:
    """Within a cluster products lose all digits, so half of the pairs are taken by differences."""
    s, p = sets(60, 80, 25)
    s[30:] += gap
    # A centre in the first; the second is beyond it.
    p[50:] += gap
    wanted = cdist(s, p).sum(axis=1)
    np.testing.assert_allclose(sums(s, p), wanted, rtol=1e-5)
    # Distances within the far one alone: float32 holds its rows' differences to 6e-8 of the gap.
    far, near = s[30:], p[50:]
    both = sums(far, np.concatenate([p[:50], near])) - sums(far, p[:50])
    np.testing.assert_allclose(both, cdist(far, near).sum(axis=1), rtol=1e-5, atol=50 * 80 * gap * 1e-6)


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_equal_rows_are_at_exactly_0(offset: float) -> None:
    _, p = sets(1, 60, 25, offset)
    for row in p:
        assert sums(np.stack([row]), np.stack([row] * 3)).tolist() == [0.0]
    device = [torch.from_numpy(x) for x in ((p - p[3]).astype(np.float32),) * 2]
    norms = [x.square().sum(dim=1) for x in device]
    d = pairwise_distances._squared(*device, *norms).numpy()
    np.testing.assert_array_equal(np.diag(d), 0.0)
    assert np.count_nonzero(d == 0) == len(p)


@pytest.mark.parametrize("tile", [1, 70, 1000])
def test_no_more_pairs_than_a_tile_are_held(tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    held, squared = [], pairwise_distances._squared

    def note(a: torch.Tensor, b: torch.Tensor, *norms: torch.Tensor) -> torch.Tensor:
        held.append(len(a) * len(b))
        return squared(a, b, *norms)

    monkeypatch.setattr(pairwise_distances, "_squared", note)
    monkeypatch.setattr(pairwise_distances, "GPU_PAIRS", tile)
    sums(*sets(90, 70, 5))
    assert max(held) == max(tile, 70) // 70 * 70
    assert sum(held) == 90 * 70


def test_memory_that_does_not_suffice_halves_the_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    s, p = sets(90, 70, 5)
    wanted, tried, squared = sums(s, p), [], pairwise_distances._squared

    def at_most_20(a: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
        tried.append(len(a))
        if len(a) > 20:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return squared(a, *others)

    monkeypatch.setattr(pairwise_distances, "_squared", at_most_20)
    np.testing.assert_allclose(sums(s, p), wanted, rtol=1e-6)
    assert tried == [90, 45, 22, 11, 11, 11, 11, 11, 11, 11, 11, 2]


def test_one_row_that_is_too_much_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(pairwise_distances, "_squared", never)
    with pytest.raises(HowfarError, match=r"one image from 70 others are more than cpu holds: use the CPU"):
        sums(*sets(9, 70, 5))


def test_products_are_of_full_precision_and_the_callers_choice_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, squared = [], pairwise_distances._squared

    def note(*given: torch.Tensor) -> torch.Tensor:
        seen.append(torch.get_float32_matmul_precision())
        return squared(*given)

    monkeypatch.setattr(pairwise_distances, "_squared", note)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        sums(*sets(9, 7, 5))
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
    assert seen == ["highest"]


@pytest.mark.usefixtures("on_gpu")
def test_the_papers_distances_by_it() -> None:
    s, p = sets(30, 40, 25)
    ss, pp, sp = cdist(s, s), cdist(p, p), cdist(s, p)
    np.testing.assert_allclose(row_sums(s, p, device="cuda"), sp.sum(axis=1), rtol=1e-5)
    np.testing.assert_allclose(image_to_dataset(s, p, "cuda"), sp.mean(axis=1), rtol=1e-5)
    assert dataset_to_dataset(s, p, "cuda") == pytest.approx(sp.mean(), rel=1e-5)
    np.testing.assert_allclose(leave_one_out(p, "cuda"), pp.sum(axis=1) / 39, rtol=1e-5)
    assert self_distance(p, "cuda") == pytest.approx(pp.sum() / (40 * 39), rel=1e-5)
    assert energy(s, p, "cuda") == pytest.approx(2 * sp.mean() - ss.mean() - pp.mean(), abs=1e-5)
    assert energy(p, p, "cuda") == pytest.approx(0.0, abs=1e-12)
    assert not np.array_equal(image_to_dataset(s, p, "cuda"), image_to_dataset(s, p)), "the CPU's float64 was used"


@pytest.mark.parametrize(("name", "count"), [("cuda", 0), ("cuda:0", 0), ("cuda:2", 2), ("cuda:9", 1)])
def test_a_device_that_there_is_not_is_refused(name: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    with pytest.raises(InputError, match=r"^device must be on this machine, got 'cuda.*': pass 'auto' or 'cpu'"):
        energy([[0.0]], [[1.0]], name)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_on_a_gpu(offset: float) -> None:
    s, p = sets(3000, 4000, 25, offset)
    np.testing.assert_allclose(row_sums(s, p, device="cuda"), cdist(s, p).sum(axis=1), rtol=1e-5)
    assert torch.cuda.max_memory_allocated() < 1 << 30
