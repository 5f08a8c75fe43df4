"""HED as the benchmark writes it: the paper's shapes, the file's layout, the pictures' sizes, and maps that resume."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

from howfar.data import Dataset
from worlds.scripts import script


@pytest.fixture(scope="module")
def hed() -> ModuleType:
    return script("benchmarks/hed.py")


def keras_arrays(widths: tuple[tuple[int, int], ...], seed: int = 0) -> dict[str, np.ndarray]:
    """Random weights in the layout of the published file."""
    rng = np.random.default_rng(seed)
    shapes, before = {}, 3
    for block, (width, count) in enumerate(widths, 1):
        for place in range(count):
            shapes[f"block{block}/layers/conv2d{f'_{place}' if place else ''}"] = (3, 3, before, width)
            before = width
        shapes[f"dsn{block}"] = (1, 1, width, 1)
    shapes["fuse"] = (1, 1, len(widths), 1)
    arrays = {}
    for group, shape in shapes.items():
        arrays[f"{group}/vars/0"] = (rng.standard_normal(shape) / np.sqrt(np.prod(shape[:3]))).astype(np.float32)
        arrays[f"{group}/vars/1"] = (0.1 * rng.standard_normal(shape[3])).astype(np.float32)
    return arrays


NARROW = ((4, 2), (5, 2), (6, 3), (7, 3), (8, 3))


@pytest.fixture
def narrow(hed, monkeypatch) -> torch.nn.Module:
    monkeypatch.setattr(hed, "BLOCKS", NARROW)
    return hed.from_arrays(keras_arrays(NARROW))


def convolve(x: np.ndarray, arrays: dict[str, np.ndarray], group: str) -> np.ndarray:
    """Convolution "same" of (h, w, in) in plain NumPy, from the layout height, width, in, out."""
    kernel, bias = arrays[f"{group}/vars/0"].astype(np.float64), arrays[f"{group}/vars/1"]
    pad = kernel.shape[0] // 2
    wide = np.pad(x, ((pad, pad), (pad, pad), (0, 0)))
    height, width = x.shape[:2]
    taps = np.ndindex(kernel.shape[:2])
    return sum(wide[i : i + height, j : j + width] @ kernel[i, j] for i, j in taps) + bias


def pool(x: np.ndarray) -> np.ndarray:
    odd = [(0, side % 2) for side in x.shape[:2]]
    wide = np.pad(x, [*odd, (0, 0)], constant_values=-np.inf)
    return np.maximum(np.maximum(wide[::2, ::2], wide[1::2, ::2]), np.maximum(wide[::2, 1::2], wide[1::2, 1::2]))


def enlarge(x: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bilinear, pixel centres at halves, borders repeated."""
    for axis, side in enumerate(size):
        place = np.clip((np.arange(side) + 0.5) * x.shape[axis] / side - 0.5, 0, x.shape[axis] - 1)
        low = np.floor(place).astype(int)
        high = np.minimum(low + 1, x.shape[axis] - 1)
        share = (place - low)[:, None] if axis == 0 else (place - low)[None, :]
        x = np.take(x, low, axis) * (1 - share) + np.take(x, high, axis) * share
    return x


@pytest.mark.parametrize("size", [(32, 32), (37, 21), (18, 33)])
def test_as_written_out_in_numpy(hed, narrow, size):
    picture = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    arrays = keras_arrays(NARROW)
    x, sides = picture[..., ::-1] - np.array([104.00699, 116.66877, 122.67892]), []
    for block, (_, count) in enumerate(NARROW, 1):
        x = pool(x) if block > 1 else x
        for place in range(count):
            x = np.maximum(convolve(x, arrays, f"block{block}/layers/conv2d{f'_{place}' if place else ''}"), 0.0)
        sides.append(enlarge(convolve(x, arrays, f"dsn{block}")[..., 0], size))
    fused = convolve(np.stack(sides, -1), arrays, "fuse")[..., 0]
    with torch.inference_mode():
        found = narrow(torch.from_numpy(picture).permute(2, 0, 1)[None].float())[0].numpy()
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-fused)), atol=2e-5)


def test_the_published_widths_are_vgg16s(hed):
    count = sum(parameter.numel() for parameter in hed.from_arrays(keras_arrays(hed.BLOCKS)).parameters())
    assert count == 14_714_688 + (64 + 128 + 256 + 512 + 512 + 5) + (5 + 1)


@pytest.fixture
def pictures(tmp_path) -> Dataset:
    rng = np.random.default_rng(2)
    folder = tmp_path / "roads"
    (folder / "north").mkdir(parents=True)
    for name, size in {"1.jpg": (20, 30), "2.jpg": (31, 17), "3.png": (20, 30), "north/4.png": (20, 30)}.items():
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(folder / name)
    return Dataset.from_folder(folder)


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_maps_have_their_pictures_sizes_and_names(hed, narrow, pictures, tmp_path):
    out = tmp_path / "maps"
    hed.write(narrow, pictures, out, True, 2)
    stems = ["1.png", "2.png", "3.png", "north/4.png"]
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*.png")) == sorted(
        f"{folder}/{stem}" for folder in ("roads", "roads-flipped") for stem in stems
    )
    for item in pictures.items:
        picture = read(item.path)
        stem = Path(item.name).with_suffix(".png")
        for folder, shown in (("roads", picture), ("roads-flipped", picture[:, ::-1])):
            found = read(out / folder / stem)
            assert (found.shape, found.dtype) == (picture.shape[:2], np.uint8)
            alone = hed.edges(narrow, np.ascontiguousarray(shown)[None])[0]
            assert np.abs(found.astype(int) - alone).max() <= 1  # the batch may round otherwise


def test_maps_that_are_there_are_kept(hed, narrow, pictures, tmp_path):
    out = tmp_path / "maps"
    (out / "roads").mkdir(parents=True)
    (out / "roads" / "2.png").write_bytes(b"kept")
    hed.write(narrow, pictures, out, False, 8)
    assert (out / "roads" / "2.png").read_bytes() == b"kept"
    assert (out / "roads" / "1.png").is_file()
    assert not (out / "roads-flipped").exists()
    assert hed.jobs(pictures, out, False) == []
