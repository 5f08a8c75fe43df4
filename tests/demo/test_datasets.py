"""Synthetic pavement: seeded, exact, and shifted by a dial."""

from pathlib import Path

import numpy as np
import pytest

from howfar.data import Dataset, decode, read_bytes, read_mask
from howfar.demo import not_pavement, pavement, write_dataset, write_demo, write_pictures
from howfar.demo.pavement import draw_cracks
from howfar.errors import InputError

SIZE = 96


def grey(image: np.ndarray) -> np.ndarray:
    return image.mean(axis=2)


def test_a_picture_depends_on_its_seed_and_place_alone() -> None:
    few, many = list(pavement(2, 5, size=SIZE)), list(pavement(4, 5, size=SIZE))
    for (a, mask_a), (b, mask_b) in zip(few, many, strict=False):
        assert np.array_equal(a, b)
        assert np.array_equal(mask_a, mask_b)
    (other, _), *_ = pavement(1, 6, size=SIZE)
    assert not np.array_equal(few[0][0], other)
    assert not np.array_equal(many[2][0], many[3][0])


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


def test_every_plain_mask_holds_a_crack() -> None:
    for size in (32, 224):
        for seed in range(120):
            assert (draw_cracks(np.random.default_rng(seed), size, 1.0)[0] >= 0.5).any()


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


def test_other_images_are_not_mixed_in(tmp_path: Path) -> None:
    write_dataset(tmp_path, 3, size=SIZE)
    with pytest.raises(InputError, match=r"must be new or hold the same dataset, got .*0003\.jpg"):
        write_dataset(tmp_path, 2, size=SIZE)
    with pytest.raises(InputError, match="choose another folder"):
        write_pictures(tmp_path, 1, not_pavement(1, 0, size=SIZE), masks=False)


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


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"n": 0}, "n must be at least 1, got 0"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"size": 15}, "size must be at least 16 pixels, got 15"),
        ({"shift": 1.5}, "shift must be from 0 to 1, got 1.5"),
        ({"shift": float("nan")}, "shift must be from 0 to 1, got nan"),
        ({"kind": "weather"}, "kind must be one of lighting, texture, crack_width, clutter, got 'weather'"),
    ],
)
def test_arguments_are_checked_at_once(options: dict[str, object], line: str) -> None:
    with pytest.raises(InputError, match=line):
        pavement(**{"n": 1, "seed": 0, **options})
