"""The demo's crack detector: fitted, seeded, decent on the pavement that it knows, and worse where the road is another."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from howfar.data import Dataset
from howfar.demo import pavement, write_dataset
from howfar.demo.crack_detector import Detector, write_predictions
from howfar.errors import InputError

SIZE = 128


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.fit(pavement(16, seed=0, size=SIZE), seed=0)


def ods(detector: Detector, pictures: list[tuple[np.ndarray, np.ndarray]], threshold: int | None = None) -> tuple[float, int]:
    """F of all pixels together at the best threshold of 0..254 by brute force, or at a given one."""
    found = np.concatenate([detector(image).ravel() for image, _ in pictures])
    truth = np.concatenate([mask.ravel() for _, mask in pictures])
    f = [2 * (truth & (found > t)).sum() / (truth.sum() + (found > t).sum()) for t in range(255)]
    best = int(np.argmax(f)) if threshold is None else threshold
    return float(f[best]), best


def test_finds_cracks_on_pictures_that_it_has_not_seen(detector: Detector) -> None:
    unseen = list(pavement(6, seed=1, size=SIZE))
    f, _ = ods(detector, unseen)
    share = float(np.mean([mask.mean() for _, mask in unseen]))
    constant = 2 * share / (1 + share)
    assert constant < 0.1
    assert f > 0.7


def test_the_same_seed_gives_the_same_detector() -> None:
    image, _ = next(pavement(1, seed=9, size=64))
    first, again, other = (Detector.fit(pavement(2, seed=0, size=64), seed=seed) for seed in (3, 3, 4))
    for name in ("mean", "deviation", "weights", "offsets", "coefficients"):
        assert np.array_equal(getattr(first, name), getattr(again, name))
    assert np.array_equal(first(image), again(image))
    assert not np.array_equal(first.coefficients, other.coefficients)
    assert not np.array_equal(first.mean, other.mean)  # other pixels are drawn too


def test_writes_a_map_for_every_image_by_its_name(tmp_path: Path, detector: Detector) -> None:
    folder = write_dataset(tmp_path / "roads", 2, seed=0, size=64)
    (folder / "images" / "north").mkdir()
    (folder / "images" / "0002.jpg").rename(folder / "images" / "north" / "0002.jpg")
    dataset = Dataset.from_folder(folder)
    stale = tmp_path / "maps" / "0001.png"
    stale.parent.mkdir()
    stale.write_bytes(b"an old map")
    root = write_predictions(tmp_path / "maps", dataset, detector)
    files = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    assert files == ["0001.png", "north/0002.png"]
    for item in dataset.items:
        found = Image.open(root / Path(item.name).with_suffix(".png"))
        assert found.mode == "L"
        assert np.array_equal(np.asarray(found), detector(np.asarray(Image.open(item.path))))


def test_what_cannot_be_fitted_on_is_refused(tmp_path: Path) -> None:
    image, mask = next(pavement(1, seed=0, size=64))
    with pytest.raises(InputError, match="at least one picture"):
        Detector.fit([])
    with pytest.raises(InputError, match="its picture's size"):
        Detector.fit([(image, mask[1:])])
    with pytest.raises(InputError, match="must show cracks"):
        Detector.fit([(image, np.zeros_like(mask))])
    with pytest.raises(InputError, match="uint8 of shape"):
        Detector.fit([(image.astype(np.float32), mask)])
    dataset = Dataset.from_folder(write_dataset(tmp_path / "roads", 1, seed=0, size=64))
    unlabelled = replace(dataset, items=tuple(replace(item, mask=None) for item in dataset.items))
    with pytest.raises(InputError, match="a mask for every image"):
        Detector.fit(unlabelled)


def test_maps_never_take_the_place_of_images_or_of_one_another(tmp_path: Path, detector: Detector) -> None:
    image, _ = next(pavement(1, seed=0, size=32))
    Image.fromarray(image).save(tmp_path / "1.png")
    with pytest.raises(InputError, match="must not be the images' own"):
        write_predictions(tmp_path, Dataset.from_folder(tmp_path), detector)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "1.png")), image)
    Image.fromarray(image).save(tmp_path / "1.jpg")
    with pytest.raises(InputError, match="a name of its own"):
        write_predictions(tmp_path / "maps", Dataset.from_folder(tmp_path), detector)
