"""The demo's crack detector: fitted, seeded, decent on the pavement that it knows, and worse where the road is another."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.optimize import minimize
from scipy.special import expit

from howfar.data import Dataset
from howfar.demo import pavement, write_dataset
from howfar.demo.crack_detector import Detector, fit_logistic, pixel_features, write_predictions
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


@pytest.mark.parametrize("kind", ["lighting", "texture", "clutter"])
def test_is_worse_on_a_shifted_road(detector: Detector, kind: str) -> None:
    f, threshold = ods(detector, list(pavement(6, seed=1, size=SIZE)))
    shifted, _ = ods(detector, list(pavement(6, seed=1, size=SIZE, kind=kind, shift=0.8)), threshold)
    assert shifted < f - 0.1


def test_the_same_seed_gives_the_same_detector() -> None:
    image, _ = next(pavement(1, seed=9, size=64))
    first, again, other = (Detector.fit(pavement(2, seed=0, size=64), seed=seed) for seed in (3, 3, 4))
    for name in ("mean", "deviation", "weights", "offsets", "coefficients"):
        assert np.array_equal(getattr(first, name), getattr(again, name))
    assert np.array_equal(first(image), again(image))
    assert not np.array_equal(first.coefficients, other.coefficients)
    assert not np.array_equal(first.mean, other.mean)  # other pixels are drawn too


def test_probability_is_its_formula(detector: Detector) -> None:
    image, _ = next(pavement(1, seed=2, size=48))
    x = pixel_features(image).reshape(len(detector.mean), -1).T.astype(np.float64)
    x = (x - detector.mean) / detector.deviation
    hidden = np.tanh(x @ detector.weights + detector.offsets)
    p = 1 / (1 + np.exp(-(detector.coefficients[0] + np.hstack([x, hidden]) @ detector.coefficients[1:])))
    assert np.abs(detector(image).ravel() - 255 * p).max() < 0.6


def test_features_are_those_of_a_plane_and_of_a_dark_line() -> None:
    steps = np.arange(64, dtype=np.float64)
    plane = np.exp(4.0 + 0.01 * steps)[None, :].repeat(64, 0)
    image = np.repeat(np.rint(plane - 10.0).astype(np.uint8)[..., None], 3, 2)
    dx, dy, length = pixel_features(image)[-3:, 32, 32]
    assert dx == pytest.approx(4.0 * 0.01, rel=0.1)
    assert dy == pytest.approx(0.0, abs=1e-4)
    assert length == pytest.approx(dx, rel=1e-3)
    line = np.full((64, 64, 3), 128, np.uint8)
    line[:, 32] = 60
    high, low = pixel_features(line)[4:6, 32, 32]
    assert high > 0.2
    assert low == pytest.approx(0.0, abs=1e-4)


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


# Logistic regression: the minimum of the stated loss, whatever the input


def gradient(x: np.ndarray, y: np.ndarray, w: np.ndarray) -> np.ndarray:
    error = expit(w[0] + x @ w[1:]) - y
    return np.append(error.sum(), x.T @ error + w[1:])


def loss(x: np.ndarray, y: np.ndarray, w: np.ndarray) -> float:
    margin = w[0] + x @ w[1:]
    return float(np.logaddexp(0.0, np.where(y, -margin, margin)).sum() + 0.5 * (w[1:] ** 2).sum())


def test_as_scipy_finds_the_minimum_of_the_stated_loss() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 5))
    y = rng.random(400) < expit(x @ np.linspace(-2, 2, 5) - 2.0)
    found = minimize(lambda w: loss(x, y, w), np.zeros(6), jac=lambda w: gradient(x, y, w), method="BFGS")
    np.testing.assert_allclose(fit_logistic(x, y), found.x, rtol=1e-4, atol=1e-5)
