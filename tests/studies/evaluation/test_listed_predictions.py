"""Classification and detection: predictions in one file to an Evaluation."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from data.box_files import scene
from howfar.data import Dataset, content_hash
from howfar.errors import InputError
from howfar.results import Evaluation
from howfar.studies.evaluate_predictions import evaluate

LABELS = ("dry", "dry", "wet", "ice")


@pytest.fixture
def roads(tmp_path: Path) -> Path:
    """A table of four images with labels."""
    (tmp_path / "images").mkdir()
    for k in range(4):
        Image.new("RGB", (8, 8), (k, k, k)).save(tmp_path / f"images/{k}.png")
    return write(tmp_path / "roads.csv", "image,label", *(f"images/{k}.png,{label}" for k, label in enumerate(LABELS)))


def write(file: Path, *lines: str) -> Path:
    file.write_text("".join(f"{line}\n" for line in lines))
    return file


def run(dataset: Path, predictions: Path, task: str = "classification", **options: Any) -> Evaluation:
    return evaluate(dataset, predictions, task=task, progress=False, **options)


def line(*arguments: Any, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        run(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def probabilities(roads: Path) -> Path:
    rows = ("0.jpg,0.7,0.2,0.1", "1.jpg,0.2,0.5,0.3", "2.jpg,0.1,0.8,0.1", "3.jpg,0.3,0.3,0.4")
    return write(roads.with_name("p.csv"), "image,dry,wet,ice", *rows)


def test_classes_by_probability(roads: Path, tmp_path: Path) -> None:
    found = run(roads, probabilities(roads))
    f1 = np.mean([2 / 3, 2 / 3, 1])  # dry: 1 hit, 1 miss; wet: 1 hit, 1 false; ice: right
    assert found.scores == {"accuracy": 0.75, "f1": pytest.approx(f1)}
    assert (found.task, found.metric, found.threshold, found.n, found.scored) == (
        "classification", "correct (1) or not (0)", None, 4, 4,
    )  # fmt: skip
    assert found.images["performance"].tolist() == [1, 0, 1, 1]
    assert found.images["average_confidence"].tolist() == [0.7, 0.5, 0.8, 0.4]
    assert found.images["predicted_label"].tolist() == ["dry", "wet", "wet", "ice"]
    assert found.images["label"].tolist() == list(LABELS)
    assert found.images["image"].tolist() == [f"images/{k}.png" for k in range(4)]
    assert found.images["content"][0] == content_hash((tmp_path / "images/0.png").read_bytes())
    assert found.notes == ()


def test_classes_by_name(roads: Path, tmp_path: Path) -> None:
    rows = [
        f"images/{k}.png,{name},{c}"
        for k, (name, c) in enumerate(zip(("dry", "snow", "wet", "ice"), (1, 0.5, 0.25, 0.75), strict=True))
    ]
    found = run(roads, write(tmp_path / "p.csv", "image,predicted,confidence", *rows))
    assert found.scores["accuracy"] == 0.75
    assert found.images["average_confidence"].tolist() == [1, 0.5, 0.25, 0.75]
    bare = run(roads, write(tmp_path / "p.csv", "image,predicted", *(row.rpartition(",")[0] for row in rows)))
    assert bare.scores == found.scores
    assert "average_confidence" not in bare.images


def test_classes_that_never_meet_are_noted_and_roles_of_boxes_are_refused(roads: Path, tmp_path: Path) -> None:
    rows = [f"images/{k}.png,Dry" for k in range(4)]
    file = write(tmp_path / "p.csv", "image,predicted", *rows)
    found = run(roads, file)
    assert found.scores["accuracy"] == 0
    assert "no class is both predicted and true (predicted: Dry; true: dry" in found.notes[-1]
    assert "columns must be of image, label, score for a table of classes, got 'x0=predicted'" in line(
        roads, file, columns="x0=predicted"
    )


def test_images_without_label_are_kept(roads: Path, tmp_path: Path) -> None:
    write(roads, "image,label", "images/0.png,dry", "images/1.png,", "images/2.png,wet", "images/3.png,ice")
    found = run(roads, probabilities(roads))
    assert found.scores["accuracy"] == 1
    assert np.array_equal(found.images["performance"], [1, np.nan, 1, 1], equal_nan=True)
    assert found.images["label"].tolist() == ["dry", "", "wet", "ice"]
    assert found.images["average_confidence"][1] == 0.5
    assert found.notes == ("1 image has no label: kept for the confidences, without performance",)
    write(roads, "image", *(f"images/{k}.png" for k in range(4)))
    blind = run(roads, probabilities(roads))
    assert (blind.scored, dict(blind.scores)) == (0, {"accuracy": None, "f1": None})
    assert blind.notes == ("the images have no label: there are only confidences, and no scores",)


def test_rows_that_are_missing_wrong_or_of_no_image(roads: Path, tmp_path: Path) -> None:
    p = write(tmp_path / "p.csv", "image,dry,wet,ice", "0.jpg,0.7,0.2,0.1", "1.jpg,2.5,-1,0", "2.jpg,,0,0", "9.jpg,1,0,0")
    assert line(roads, p) == (
        f"1 of 4 images of roads has no prediction; the first is images/3.png: no prediction (no row images/3.png in {p}): "
        "predict it, or pass partial=True to score only the other 3"
    )
    twice = write(tmp_path / "twice.csv", "image,dry,wet,ice", "0.jpg,1,0,0", "0.bmp,0,1,0")
    assert line(roads, twice) == f"{twice}: more than one row may be of images/0.png, such as 0.jpg: keep one row an image"
    found = run(roads, p, partial=True)
    assert (found.n, found.scores["accuracy"]) == (1, 1)
    reasons = {Path(one.path).name: one.reason for one in found.skipped}
    assert reasons["1.png"].startswith(f"the row 1.jpg of {p}: prediction must be probabilities that sum to 1, got '[ 2.5")
    assert reasons["2.png"].startswith(f"the row 2.jpg of {p}: prediction must be probabilities that sum to 1, got '[nan")
    assert reasons["3.png"].startswith("no prediction")
    assert found.notes == (f"1 row of {p} matches no image (9.jpg)",)


BOX, OTHER = [0, 0, 10, 10], [7, 7, 30, 30]


def boxes(file: Path, *entries: dict[str, Any]) -> Path:
    file.write_text(json.dumps(entries))
    return file


def test_boxes(roads: Path, tmp_path: Path) -> None:
    truth = boxes(
        tmp_path / "truth.json",
        {"image": "0.png", "boxes": [BOX, OTHER], "labels": ["car", "bus"]},
        {"image": "1.png", "boxes": [BOX], "labels": ["car"]},
        {"image": "2.png", "boxes": []},
        {"image": "8.png", "boxes": []},
    )
    predictions = boxes(
        tmp_path / "p.json",
        {"image": "0.png", "boxes": [BOX, OTHER], "scores": [0.9, 0.7], "labels": ["car", "bus"]},
        {"image": "1.png", "boxes": [BOX], "scores": [0.5], "labels": ["bus"]},
        {"image": "2.png", "boxes": [], "scores": []},
        {"image": "3.png", "boxes": [BOX], "scores": [0.25], "labels": ["car"]},
        {"image": "9.png", "boxes": [], "scores": []},
    )
    found = run(roads, predictions, "detection", truth=truth)
    assert found.metric == "F1 at IoU 0.5"
    assert found.scores["f1"] == 2 * 2 / (2 * 2 + 1 + 1)
    assert 0 < found.scores["map"] <= found.scores["map_50"] < 1
    assert np.array_equal(found.images["performance"], [1, 0, np.nan, np.nan], equal_nan=True)
    assert np.array_equal(found.images["hits"], [2, 0, 0, np.nan], equal_nan=True)
    assert np.array_equal(found.images["misses"], [0, 1, 0, np.nan], equal_nan=True)
    assert np.array_equal(found.images["false"], [0, 1, 0, np.nan], equal_nan=True)
    assert np.array_equal(found.images["average_confidence"], [0.8, 0.5, np.nan, 0.25], equal_nan=True)
    assert found.notes == (
        "1 image has no entry among the true boxes: kept for the confidences, without performance",
        f"1 row of {predictions} matches no image (9.png)",
        f"1 entry of {truth} matches no image (8.png)",
    )


def test_boxes_that_are_wrong(roads: Path, tmp_path: Path) -> None:
    truth = boxes(tmp_path / "truth.json", *({"image": f"{k}.png", "boxes": [BOX]} for k in range(4)))
    good = [{"image": f"{k}.png", "boxes": [BOX], "scores": [0.9]} for k in range(4)]
    wrong = boxes(tmp_path / "p.json", *good[:3], {"image": "3.png", "boxes": [[5, 5, 2, 2]], "scores": [0.9]})
    told = line(roads, wrong, "detection", truth=truth)
    assert f"the first is images/3.png: the row 3.png of {wrong}: prediction['boxes'] must be finite, with x1 ≥ x0" in told
    bare = boxes(tmp_path / "p.json", *({"image": f"{k}.png", "boxes": [BOX]} for k in range(4)))
    assert "prediction must be a mapping with 'scores'" in line(roads, bare, "detection", truth=truth)
    lost = boxes(tmp_path / "truth.json", {"image": "x.png", "boxes": [BOX]})
    told = line(roads, boxes(tmp_path / "p.json", *good), "detection", truth=lost)
    assert told.startswith(f"no entry of {lost} matches an image of roads")


def test_signals_of_boxes_and_of_their_mirrored_pictures(roads: Path, tmp_path: Path) -> None:
    # Pictures are 8 pixels wide: a box from 0 to 4 lies from 4 to 8 in the mirrored one.
    entries = [
        {"image": f"{k}.png", "boxes": [[0, 0, 4, 4]], "scores": [score], "labels": ["car"]}
        for k, score in enumerate((0.9, 0.5, 0.25, 0.75))
    ]
    mirrored = [
        {**entries[0], "boxes": [[4, 0, 8, 4]]},
        {**entries[1], "labels": ["bus"]},
        {**entries[2], "boxes": [], "scores": []},
    ]
    mirrored[2].pop("labels")
    p, flipped = boxes(tmp_path / "p.json", *entries), boxes(tmp_path / "f.json", *mirrored)
    images = run(roads, p, "detection", flipped=flipped).images
    assert images["box_score"].tolist() == [0.9, 0.5, 0.25, 0.75]
    assert np.array_equal(images["box_stability"], [1, 0, 0, np.nan], equal_nan=True)
    assert run(roads, p, "detection", flipped=flipped, min_score=0.5).images["box_count"].tolist() == [1, 1, 0, 1]
    assert "box_stability" not in run(roads, p, "detection").images
    wrong = boxes(tmp_path / "w.json", *({"image": f"{k}.png", "boxes": [[0, 0, 4, 4]]} for k in range(4)))
    assert line(roads, p, "detection", flipped=wrong).startswith(f"the entry 0.png of {wrong}: prediction must be a mapping")


def test_a_fault_of_a_true_box_is_not_blamed_on_the_prediction(roads: Path, tmp_path: Path) -> None:
    names = [f"images/{k}.png" for k in range(4)]
    good = [{"image": name, "boxes": [[1, 1, 5, 5]], "labels": ["hole"]} for name in names]
    bad = [{**good[0], "boxes": [[5, 5, 1, 1]]}, *good[1:]]
    scored, reversed_scores = ([{**box, "scores": [p]} for box in good] for p in (0.5, 7.0))
    files = {name: tmp_path / f"{name}.json" for name in ("truth", "bad", "predicted", "wrong")}
    for file, value in zip(files.values(), (good, bad, scored, reversed_scores), strict=True):
        file.write_text(json.dumps(value))
    said = line(roads, files["predicted"], "detection", truth=files["bad"])
    assert f"the first is images/0.png: the truth of images/0.png in {files['bad']}: truth['boxes'] must be finite" in said
    assert str(files["predicted"]) not in said
    assert "in COCO's form no width may be negative" in said
    said = line(roads, files["wrong"], "detection", truth=files["bad"])
    assert f"the row images/0.png of {files['wrong']}: prediction['scores'] must lie between 0 and 1" in said


def test_a_truth_without_boxes_is_told(tmp_path: Path) -> None:
    site = scene.pictures(tmp_path)
    predictions = scene.PREDICTIONS["coco_results"](tmp_path)
    document = json.loads(scene.coco(tmp_path).read_text())
    blank = scene.written(tmp_path / "blank.json", json.dumps({**document, "annotations": []}))
    found = run(site, predictions, "detection", truth=blank)
    assert "no image has a true box: there is nothing to find, so that there are no scores" in found.notes
    none, mapping = (
        scene.written(tmp_path / f"{name}.json", json.dumps({**document, **changes}))
        for name, changes in (("none", {"images": [], "annotations": []}), ("mapping", {"annotations": {}}))
    )
    assert "none.json" in line(site, predictions, "detection", truth=none)
    assert "mapping.json cannot be read (annotations is no list)" in line(site, predictions, "detection", truth=mapping)


def pets(folder: Path) -> Path:
    for name in ("cats/1.jpg", "cats/2.jpg", "dogs/a/1.jpg"):
        (folder / "pets" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 9)).save(folder / "pets" / name)
    return folder / "pets"


def test_class_folders_are_labels_and_columns_are_mapped(tmp_path: Path) -> None:
    table = pd.DataFrame({"filename": ["cats/1.jpg", "cats/2.jpg", "dogs/a/1.jpg"], "pred": ["cats", "1", "dogs"]})
    table.assign(prob=[0.9, 0.6, 0.7], predicted="x").to_csv(tmp_path / "p.csv", index=False)
    options: dict[str, Any] = {"columns": "image=filename,label=pred,score=prob", "classes": "cats,dogs"}
    found = run(pets(tmp_path), tmp_path / "p.csv", "classification", **options)
    assert found.images["label"].tolist() == ["cats", "cats", "dogs"]
    assert found.images["predicted_label"].tolist() == ["cats", "dogs", "dogs"]
    assert found.images["performance"].tolist() == [1.0, 0.0, 1.0]
    assert found.images["average_confidence"].tolist() == [0.9, 0.6, 0.7]
    assert "the labels are the names of the class folders (2: cats, dogs)" in found.notes


def test_folders_are_no_classes_where_there_are_labels_or_images_beside_them(tmp_path: Path) -> None:
    folder = pets(tmp_path)
    Image.new("RGB", (9, 9)).save(folder / "0.jpg")
    names = [item.name for item in Dataset.from_folder(folder).items]
    pd.DataFrame({"image": names, "predicted": "cats"}).to_csv(tmp_path / "p.csv", index=False)
    assert run(folder, tmp_path / "p.csv", "classification").scored == 0
    pd.DataFrame({"image": [f"pets/{name}" for name in names], "label": "cats"}).to_csv(tmp_path / "own.csv", index=False)
    assert run(tmp_path / "own.csv", tmp_path / "p.csv", "classification").scores["accuracy"] == 1.0
