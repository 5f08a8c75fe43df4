"""Segmentations of several classes: index and palette maps, probabilities, classes with names, and a class that is ignored."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import f1_score, jaccard_score

from howfar.errors import InputError
from howfar.results import Evaluation
from howfar.studies.evaluate_predictions import evaluate

CLASSES = ("ground", "road", "car")
COUNT, SHAPE = 4, (12, 16)


def truths() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    masks = [rng.integers(0, 3, SHAPE) for _ in range(COUNT)]
    masks[1][masks[1] == 2] = 0  # an image without a car
    for mask in masks:
        mask[:2] = 255
    return masks


def probabilities() -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    found = []
    for mask in truths():
        logits = rng.normal(0, 1, (3, *SHAPE)) + 2 * (np.arange(3)[:, None, None] == mask)
        found.append(np.exp(logits) / np.exp(logits).sum(axis=0))
    return found


def save(array: np.ndarray, path: Path, palette: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(array.astype(np.uint8))
    if palette:
        image = Image.frombytes("P", image.size, image.tobytes())
        image.putpalette([value for k in range(256) for value in (k * 37 % 256, 30, 255 - k)])
    image.save(path)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    for k, mask in enumerate(truths()):
        save(np.full((*SHAPE, 3), 90), tmp_path / f"site/images/{k}.png")
        save(mask, tmp_path / f"site/masks/{k}.png", palette=True)
    return tmp_path / "site"


def maps(folder: Path, form: str) -> Path:
    folder.mkdir()
    for k, p in enumerate(probabilities()):
        best = p.argmax(axis=0)
        if form in ("palette", "grey"):
            save(best, folder / f"{k}.png", palette=form == "palette")
        elif form == "npz":
            np.savez_compressed(folder / f"{k}.npz", p.astype(np.float16))
        else:
            np.save(folder / f"{k}.npy", {"soft": p[None].astype(np.float32), "indices": best, "bytes": np.rint(p * 255)}[form])
            if form == "bytes":
                np.save(folder / f"{k}.npy", np.rint(p * 255).astype(np.uint8))
    return folder


def run(site: Path, folder: Path, **options: Any) -> Evaluation:
    return evaluate(site, folder, task="multiclass", progress=False, **options)


def line(*arguments: Any, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        run(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("form", ["palette", "grey", "npz", "soft", "indices", "bytes"])
def test_scores_are_those_of_scikit_learn(form: str, site: Path, tmp_path: Path) -> None:
    found = run(site, maps(tmp_path / "maps", form), classes=CLASSES, ignore_index=255)
    pairs = [(mask[mask != 255], p.argmax(axis=0)[mask != 255]) for mask, p in zip(truths(), probabilities(), strict=True)]
    expected = [f1_score(true, best, average="macro") for true, best in pairs]
    np.testing.assert_allclose(found.images["performance"], expected)
    np.testing.assert_allclose(found.images["iou"], [jaccard_score(*pair, average="macro") for pair in pairs])
    true, best = (np.concatenate(side) for side in zip(*pairs, strict=True))
    by_class = f1_score(true, best, average=None)
    assert found.scores["f"] == pytest.approx(by_class.mean())
    assert found.scores["mean_f"] == pytest.approx(np.mean(expected))
    assert [found.scores[f"f_{name}"] for name in CLASSES] == pytest.approx(by_class.tolist())
    assert found.scores["iou"] == pytest.approx(jaccard_score(true, best, average="macro"))
    assert found.scores["accuracy"] == pytest.approx((true == best).mean())
    assert ("average_confidence" in found.images) is (form in ("npz", "soft", "bytes"))
    again = Evaluation.load(found.save(tmp_path / "e.parquet"))
    pd.testing.assert_frame_equal(again.images, found.images, check_exact=True)


def test_what_stands_for_void_is_noted_and_without_names_a_class(site: Path, tmp_path: Path) -> None:
    Image.new("L", SHAPE[::-1]).save(maps(tmp_path / "maps", "grey") / "0.tif")
    found = run(site, tmp_path / "maps")
    assert found.scores["f_255"] == 0.0
    assert "1 image has more than one map" in str(found.notes)
    assert "class 255 is true in 4 masks and never predicted: where it stands for void, pass --ignore-index 255" in found.notes
    assert "the maps are numbers of classes without probabilities: there are no signals of confidence" in found.notes
    assert not [note for note in run(site, tmp_path / "maps", ignore_index=255).notes if "for void" in note]


def test_what_is_refused(site: Path, tmp_path: Path) -> None:
    folder = maps(tmp_path / "maps", "grey")
    assert "holds the class 255, and 3 classes are named: name it in classes, or pass ignore_index=255" in line(
        site, folder, classes=CLASSES
    )
    assert "holds the class 2, and 2 classes are named" in line(site, folder, classes="a,b", ignore_index=255)
    (folder / "0.png").unlink()
    assert "1 of 4 images of site has no prediction" in line(site, folder)
    bad: dict[str, tuple[np.ndarray, str]] = {
        "logits": (np.full((3, *SHAPE), 2.0), "must be probabilities that sum to 1 over the classes, got '2 to 2'"),
        "nan": (np.full((3, *SHAPE), np.nan), "must be finite"),
        "floats": (np.full(SHAPE, 0.5), "an array of float64 of shape (12, 16): save (h, w) whole numbers"),
        "size": (np.zeros((4, 4), np.uint8), "is 4×4 pixels and its mask 16×12: save it at that size"),
        "negative": (np.full(SHAPE, -1), "an array of int64 of shape (12, 16)"),
        "many": (np.full(SHAPE, 4000), "classes must be at most 1,024, got 4001"),
    }
    for array, words in bad.values():
        np.save(folder / "0.npy", array)
        assert words in line(site, folder)
    (folder / "0.npy").unlink()
    save(np.random.default_rng(0).integers(0, 255, (*SHAPE, 3)), folder / "0.png")
    assert "a colour picture and no map of classes" in line(site, folder)
    Image.fromarray(np.zeros(SHAPE, np.uint8)).save(folder / "0.jpg")
    (folder / "0.png").unlink()
    assert "JPEG alters the numbers of classes: save PNG" in line(site, folder)
