"""Synthetic pictures and people depend on their seeds and numbers alone."""

import re
from pathlib import Path

import numpy as np

from howfar.data import Dataset, decode, read_bytes, read_mask
from howfar.demo import pavement, write_dataset, write_demo
from people import draw_person, render, write_people

SIZE = 96


def grey(image: np.ndarray) -> np.ndarray:
    return image.mean(axis=2)


def test_the_mask_is_where_the_crack_is() -> None:
    # The contrast between mask and rim is greatest where the mask is not moved.
    contrast = {}
    for move in (-3, -1, 0, 1, 3):
        parts = []
        for image, mask in pavement(8, 4):
            moved = np.roll(mask, (move, move), (0, 1))
            parts.append(grey(image)[moved].mean() / grey(image)[~moved].mean())
        contrast[move] = np.mean(parts)
    assert min(contrast, key=lambda move: contrast[move]) == 0


def test_written_dataset_reads_back(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "roads", 3, seed=2, shift=0.5, kind="clutter", size=SIZE)
    found = Dataset.from_folder(folder)
    assert repr(found) == "Dataset('roads': 3 images, 3 masks)"
    for item, (image, mask) in zip(found.items, pavement(3, 2, shift=0.5, kind="clutter", size=SIZE), strict=True):
        assert np.abs(np.asarray(decode(read_bytes(item.path)).image, float) - image).mean() < 8
        assert item.mask is not None
        assert np.array_equal(read_mask(item.mask), mask)
        assert item.path.stat().st_size < 12_000


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    first, second = (write_dataset(tmp_path / name, 2, seed=1, size=SIZE) for name in ("a", "b"))
    again = write_dataset(first, 2, seed=1, size=SIZE)
    for file in sorted(path for path in first.rglob("*") if path.is_file()):
        assert (
            file.read_bytes()
            == (second / file.relative_to(first)).read_bytes()
            == (again / file.relative_to(first)).read_bytes()
        )


def test_demo(tmp_path: Path, demo_folders: list[Path]) -> None:
    sets = [Dataset.from_folder(folder) for folder in demo_folders]
    assert [one.name for one in sets] == ["pavement", "lighting", "texture", "wide_cracks", "clutter", "fabric"]
    assert [len(one) for one in sets] == [24, 12, 12, 12, 12, 12]
    assert [all(item.mask for item in one.items) for one in sets] == [True] * 5 + [False]
    contents = {read_bytes(item.path) for one in sets for item in one.items}
    assert len(contents) == sum(map(len, sets))
    roads = {read_bytes(item.mask) for one in sets for item in one.items if item.mask}
    assert len(roads) == 24 + 4 * 12
    again = write_demo(tmp_path, seed=0, n_primary=2, n_secondary=1)
    for folder, other in zip(demo_folders, again, strict=True):
        assert (folder / "images" / "0001.jpg").read_bytes() == (other / "images" / "0001.jpg").read_bytes()


def test_the_same_numbers_render_the_same_pixels() -> None:
    first = render(draw_person(3, 1), 5, 6, 2, 3, seed=3)
    np.testing.assert_array_equal(first, render(draw_person(3, 1), 5, 6, 2, 3, seed=3))
    for changed in ((6, 6, 2, 3), (5, 1, 2, 3), (5, 6, 4, 3), (5, 6, 2, 1)):
        assert (render(draw_person(3, 1), *changed, seed=3) != first).mean() > 0.3


def test_names_are_finegprs_and_numbers_are_complete(tmp_path: Path) -> None:
    root = write_people(tmp_path, (1, 3), views=(1, 36), weathers=(1, 7), lights=(2,), scenes=(9, 4))
    names = sorted(file.name for file in root.rglob("*.jpg"))
    assert len(names) == 8
    assert all(re.fullmatch(r"000[13]_c(01|36)_w0[17]_l02_p0[49]\.jpg", name) for name in names)
    assert {file.parent.name for file in root.rglob("*.jpg")} == {"0001", "0003"}
