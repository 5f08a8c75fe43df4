"""Labels in class folders, tables with other columns, and boxes in every format, through `howfar.evaluate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

from data.box_files import scene
from howfar.data import Dataset
from howfar.errors import InputError
from howfar.studies.evaluation.evaluate import evaluate


def evaluated(dataset: Any, predictions: Path, task: str, **options: Any) -> Any:
    return evaluate(dataset, predictions, task=task, progress=False, **options)


@pytest.mark.parametrize("predictions", scene.PREDICTIONS)
@pytest.mark.parametrize("truth", ["coco", "voc"])
def test_boxes_score_the_same_in_every_format(predictions: str, truth: str, tmp_path: Path) -> None:
    site = scene.pictures(tmp_path)
    options: dict[str, Any] = {"columns": scene.COLUMNS} if predictions == "table" else {}
    if predictions == "yolo":
        options["classes"] = scene.NAMES
    if predictions in ("coco_results", "torchvision"):
        options["classes"] = scene.coco(tmp_path)  # whose ids the predictions have; the truth may be another
    files = scene.PREDICTIONS[predictions](tmp_path), scene.TRUTHS[truth](tmp_path)
    found = evaluated(site, files[0], "detection", truth=files[1], **options)
    assert found.images["performance"].fillna(-1).round(3).tolist() == [0.5, 0.0, -1.0]
    assert (found.images["hits"].tolist()[:2], found.scores["f1"]) == ([1.0, 0.0], pytest.approx(2 / 6))


def test_boxes_of_classes_without_a_name_are_noted(tmp_path: Path) -> None:
    site, file = scene.pictures(tmp_path), scene.coco(tmp_path)
    row = {"image_id": 10, "category_id": 99, "bbox": [0, 0, 9, 9], "score": 0.5}
    results = scene.written(tmp_path / "results.json", json.dumps([row, {**row, "category_id": 2}]))
    notes = " ".join(evaluated(site, results, "detection", truth=file).notes)
    assert "1 class of the predicted boxes has no name (99): those with one are car, road" in notes
    whole = scene.PREDICTIONS["coco_results"](tmp_path)
    assert "no name" not in " ".join(evaluated(site, whole, "detection", truth=file).notes)


def refused(site: Dataset, predictions: Path, truth: Path) -> str:
    with pytest.raises(InputError) as caught:
        evaluated(site, predictions, "detection", truth=truth)
    return str(caught.value)


def test_a_truth_without_boxes_is_told(tmp_path: Path) -> None:
    site = scene.pictures(tmp_path)
    predictions = scene.PREDICTIONS["coco_results"](tmp_path)
    document = json.loads(scene.coco(tmp_path).read_text())
    blank = scene.written(tmp_path / "blank.json", json.dumps({**document, "annotations": []}))
    found = evaluated(site, predictions, "detection", truth=blank)
    assert "no image has a true box: there is nothing to find, so that there are no scores" in found.notes
    none, mapping = (
        scene.written(tmp_path / f"{name}.json", json.dumps({**document, **changes}))
        for name, changes in (("none", {"images": [], "annotations": []}), ("mapping", {"annotations": {}}))
    )
    assert "none.json" in refused(site, predictions, none)
    assert "mapping.json cannot be read (annotations is no list)" in refused(site, predictions, mapping)


def pets(folder: Path) -> Path:
    for name in ("cats/1.jpg", "cats/2.jpg", "dogs/a/1.jpg"):
        (folder / "pets" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 9)).save(folder / "pets" / name)
    return folder / "pets"


def test_class_folders_are_labels_and_columns_are_mapped(tmp_path: Path) -> None:
    table = pd.DataFrame({"filename": ["cats/1.jpg", "cats/2.jpg", "dogs/a/1.jpg"], "pred": ["cats", "1", "dogs"]})
    table.assign(prob=[0.9, 0.6, 0.7], predicted="x").to_csv(tmp_path / "p.csv", index=False)
    options: dict[str, Any] = {"columns": "image=filename,label=pred,score=prob", "classes": "cats,dogs"}
    found = evaluated(pets(tmp_path), tmp_path / "p.csv", "classification", **options)
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
    assert evaluated(folder, tmp_path / "p.csv", "classification").scored == 0
    pd.DataFrame({"image": [f"pets/{name}" for name in names], "label": "cats"}).to_csv(tmp_path / "own.csv", index=False)
    assert evaluated(tmp_path / "own.csv", tmp_path / "p.csv", "classification").scores["accuracy"] == 1.0
