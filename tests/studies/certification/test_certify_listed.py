"""What a certificate states of a classifier, a detector and a segmenter of several classes, and which labels it takes."""

import csv
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import howfar
from howfar.errors import InputError
from howfar.results.certificate_result import Certificate
from howfar.studies.certification.certify import plan_labels
from listed_site import CLASSES, ListedSet, write_boxes, write_classes, write_true_boxes

COUNT = 40


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> ListedSet:
    return write_classes(tmp_path_factory.mktemp("classes") / "site", COUNT)


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> ListedSet:
    return write_boxes(tmp_path_factory.mktemp("boxes") / "site", COUNT)


def certify(site: ListedSet, k: int | None = 12, **given: Any) -> Certificate:
    given.setdefault("task", "classification" if site.dataset.suffix == ".csv" else "detection")
    return howfar.certify(site.dataset, given.pop("predictions", site.predictions), k, progress=False, **given)


def line(*arguments: Any, **given: Any) -> str:
    with pytest.raises(InputError) as caught:
        certify(*arguments, **given)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def labels_of(site: ListedSet, file: Path, names: list[str] | None = None) -> Path:
    names = list(site.truth) if names is None else names
    file.write_text("\n".join(["image,label", *(f"{name},{site.truth[name]}" for name in names)]) + "\n")
    return file


def evaluation(site: ListedSet, tmp_path: Path, **options: Any) -> howfar.Evaluation:
    if site.dataset.suffix == ".csv":
        return howfar.evaluate(site.dataset, site.predictions, task="classification", progress=False)
    truth = write_true_boxes(tmp_path / "t.json", site.truth)
    return howfar.evaluate(site.dataset, site.predictions, task="detection", truth=truth, progress=False, **options)


def test_with_all_labels_it_is_the_accuracy(classes: ListedSet, tmp_path: Path) -> None:
    found = certify(classes, COUNT, labels=labels_of(classes, tmp_path / "l.csv"))
    assert found.value == found.low == found.high == pytest.approx(evaluation(classes, tmp_path).scores["accuracy"])
    assert (found.task, found.metric, found.threshold, found.labelled) == ("classification", "accuracy", None, COUNT)


@pytest.mark.parametrize("options", [{}, {"iou": 0.7, "min_score": 0.6}])
@pytest.mark.parametrize("metric", ["mean_f1", "f1"])
def test_with_all_labels_it_is_the_f1(metric: str, options: dict[str, float], boxes: ListedSet, tmp_path: Path) -> None:
    truth = write_true_boxes(tmp_path / "truth.json", boxes.truth)
    found = certify(boxes, COUNT, labels=truth, metric=metric, **options)
    measured = evaluation(boxes, tmp_path, **options)
    wanted = measured.images["performance"].mean() if metric == "mean_f1" else measured.scores["f1"]
    assert found.value == found.low == found.high == pytest.approx(wanted)
    assert (found.iou, found.min_score) == (options.get("iou"), options.get("min_score"))


def test_a_table_of_classes_is_handed_out_and_filled_in(classes: ListedSet, tmp_path: Path) -> None:
    out = tmp_path / "out"
    drawn = certify(classes, out=out)
    with (out / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == [one.image for one in drawn.sample]
    assert {row["label"] for row in rows} == {""}
    assert {row["predicted"] for row in rows} <= set(CLASSES)
    assert (out / "classes.csv").read_text().split() == ["class", *CLASSES]
    tags = ElementTree.parse(out / "cvat.xml").getroot()
    assert [name.text for name in tags.iter("name")][1:] == list(CLASSES)
    assert not list(tags.iter("tag")), "a class that stood there already could not be told from one that was confirmed"
    assert (out / "report.html").is_file()
    labels_of(classes, out / "labels.csv", [row["image"] for row in rows][:6])
    found = certify(classes, None, out=out)
    assert found.labelled == 6
    assert found.value is not None
    assert Certificate.load(out).to_dict() == found.to_dict()
    assert "own class may lean" in (out / "report.html").read_text()


def test_boxes_are_handed_out_with_the_models_own_and_come_back(boxes: ListedSet, tmp_path: Path) -> None:
    out = tmp_path / "out"
    drawn = certify(boxes, out=out, min_score=0.5)
    names = [one.image for one in drawn.sample]
    wanted = certify(boxes, min_score=0.5, labels=write_true_boxes(tmp_path / "truth.json", boxes.truth)).value
    document = json.loads((out / "coco.json").read_text())
    assert [image["file_name"] for image in document["images"]] == names
    assert len(document["annotations"]) == sum(
        score >= 0.5
        for entry in json.loads(boxes.predictions.read_text())
        if entry["image"] in names
        for score in entry["scores"]
    )
    for file in ("coco.json", "cvat.xml"):
        untouched = certify(boxes, out=out, labels=out / file)
        assert untouched.labelled == 0
        assert "12 labels are the model's own boxes, unchanged" in untouched.notes[0]
    assert certify(boxes, out=out, labels=out / "label_studio.json").labelled == 0
    document["annotations"] = [
        {"image_id": image["id"], "category_id": 1, "bbox": [x0, y0, x1 - x0, y1 - y0]}
        for image in document["images"]
        for x0, y0, x1, y1 in boxes.truth[image["file_name"]]
    ]
    (tmp_path / "export.json").write_text(json.dumps(document))
    assert certify(boxes, out=out, labels=tmp_path / "export.json").value == pytest.approx(wanted)
    write_true_boxes(out / "labels.json", {name: boxes.truth[name] for name in names[:5]})
    assert certify(boxes, out=out).labelled == 5


def test_a_sample_of_another_task_is_refused(classes: ListedSet, boxes: ListedSet, tmp_path: Path) -> None:
    drawn = certify(classes, out=tmp_path / "out")
    assert "task must be what it was when the sample was drawn (classification)" in line(boxes, sample=drawn)
    assert "task must be what it was" in line(classes, task="segmentation", out=tmp_path / "out")
    assert howfar.certify(classes.dataset, classes.predictions, out=tmp_path / "out", progress=False).task == "classification"


def test_a_label_that_cannot_be_used_is_named(boxes: ListedSet, classes: ListedSet, tmp_path: Path) -> None:
    names = [one.image for one in certify(boxes).sample]
    wrong = write_true_boxes(tmp_path / "t.json", {**boxes.truth, names[0]: [[9, 9, 1, 1]]})
    assert line(boxes, labels=wrong).startswith(f"the label of {names[0]} cannot be used: truth['boxes'] must be finite")
    bad = tmp_path / "bad.csv"
    bad.write_text("picture,label\n1.png,dry\n")
    assert "it needs image and label" in line(classes, labels=bad)
    snow = tmp_path / "snow.csv"
    snow.write_text("image,label\n" + "".join(f"{name},snow\n" for name in classes.truth))
    assert any(
        "labels that the model never gives count as its mistakes (snow)" in note for note in certify(classes, labels=snow).notes
    )


MAPPED, SHAPE = 12, (10, 14)


@pytest.fixture
def mapped(tmp_path: Path) -> Path:
    """A site whose masks lie in truth/, and probabilities of three classes in maps/."""
    rng = np.random.default_rng(0)
    for part in ("site", "truth", "maps"):
        (tmp_path / part).mkdir()
    for k in range(MAPPED):
        mask = rng.integers(0, 3, SHAPE).astype(np.uint8)
        mask[0] = 255
        logits = rng.normal(0, 1, (3, *SHAPE)) + k / 4 * (np.arange(3)[:, None, None] == mask)
        Image.new("RGB", SHAPE[::-1], (k, k, k)).save(tmp_path / f"site/{k}.png")
        Image.fromarray(mask).save(tmp_path / f"truth/{k}.png")
        np.save(tmp_path / f"maps/{k}.npy", np.exp(logits) / np.exp(logits).sum(axis=0))
    return tmp_path


def certify_maps(mapped: Path, k: int = MAPPED, **given: Any) -> Certificate:
    options = {"task": "multiclass", "ignore_index": 255, "progress": False, **given}
    return howfar.certify(mapped / "site", mapped / "maps", k, **options)


def performance(mapped: Path, column: str) -> float:
    (mapped / "whole").mkdir()
    (mapped / "site").rename(mapped / "whole/images")
    (mapped / "truth").rename(mapped / "whole/masks")
    found = howfar.evaluate(mapped / "whole", mapped / "maps", task="multiclass", ignore_index=255, progress=False)
    return float(found.images[column].mean())


@pytest.mark.parametrize(("metric", "column"), [(None, "performance"), ("mean_f", "performance"), ("mean_iou", "iou")])
def test_with_all_labels_it_is_the_mean(metric: str | None, column: str, mapped: Path) -> None:
    found = certify_maps(mapped, labels=mapped / "truth", metric=metric)
    assert found.value == found.low == found.high == pytest.approx(performance(mapped, column))
    assert (found.task, found.metric, found.labelled) == ("multiclass", metric or "mean_f", MAPPED)
    assert "expect" in found.proxy


def test_masks_go_to_the_folder_that_is_handed_out(mapped: Path) -> None:
    drawn = certify_maps(mapped, 5, out=mapped / "out", classes="a,b,c")
    assert (drawn.value, drawn.labelled) == (None, 0)
    for name in ("chosen.txt", "contact_sheet.png", "masks/README.txt", "report.html"):
        assert (mapped / "out" / name).is_file()
    assert pd.read_csv(mapped / "out/classes.csv")["class"].tolist() == ["a", "b", "c"]
    maps = pd.read_csv(mapped / "out/first-maps.csv")
    assert maps["map"].tolist() == [str(mapped / f"maps/{Path(one.image).stem}.npy") for one in drawn.sample]
    for one in drawn.sample[:3]:
        (mapped / "truth" / one.image).rename(mapped / "out/masks" / one.image)
    found = certify_maps(mapped, 5, out=mapped / "out", classes="a,b,c")
    assert found.labelled == 3
    assert found.value is not None
    np.save(mapped / "maps" / f"{Path(drawn.sample[0].image).stem}.npy", np.full((3, *SHAPE), 1 / 3))
    with pytest.raises(InputError, match="is another than when the sample was drawn"):
        certify_maps(mapped, 5, out=mapped / "out", classes="a,b,c")


def test_classifiers_with_other_probabilities_of_the_same_class_cost_no_label(classes: ListedSet, tmp_path: Path) -> None:
    table = pd.read_csv(classes.predictions)
    names, shares = list(CLASSES), [0.45, 0.3, 0.25]
    ranks = table[names].rank(axis=1, method="first", ascending=False).astype(int)
    flatter = table.assign(**{name: [shares[rank - 1] for rank in ranks[name]] for name in names})
    flatter.to_csv(tmp_path / "flatter.csv", index=False)
    found = certify(classes, None, against=tmp_path / "flatter.csv")
    assert (len(found.sample), found.value) == (0, 0.0)
    flatter.rename(columns={name: f"{name} (new)" for name in names}).to_csv(tmp_path / "renamed.csv", index=False)
    note = next(note for note in certify(classes, None, against=tmp_path / "renamed.csv").notes if "no class alike" in note)
    assert f"{', '.join(sorted(names)[:3])}" in note

    flatter.loc[:4, names] = np.roll(flatter.loc[:4, names].to_numpy(), 1, axis=1)
    flatter.to_csv(tmp_path / "other.csv", index=False)
    labels = labels_of(classes, tmp_path / "l.csv")
    found = certify(classes, None, against=tmp_path / "other.csv", labels=labels)
    assert sorted(one.image for one in found.sample) == [f"images/{name}" for name in table["image"][:5]]
    files = (classes.predictions, tmp_path / "other.csv")
    accuracies = [certify(classes, COUNT, predictions=file, labels=labels).value or 0.0 for file in files]
    assert found.value == pytest.approx(accuracies[0] - accuracies[1])


def test_a_plan_for_boxes_follows_from_how_many_are_predicted(boxes: ListedSet, tmp_path: Path) -> None:
    """One box an image is right or wrong; F varies less the more there are."""
    given = json.loads(boxes.predictions.read_text())
    needed = []
    for times in (1, 12):
        several = [
            {**entry, **{key: (entry[key][:1] or entry[key]) * times for key in ("boxes", "scores", "labels")}}
            for entry in given
        ]
        (tmp_path / "several.json").write_text(json.dumps(several))
        plan = plan_labels(boxes.dataset, tmp_path / "several.json", task="detection", progress=False)
        needed.append(plan.rows[0].labels or len(given) + 1)
    assert needed[0] > needed[1]


def test_maps_of_the_same_classes_cost_no_label_and_sizes_must_agree(mapped: Path) -> None:
    for part in ("same", "small"):
        (mapped / part).mkdir()
    for k in range(MAPPED):
        classes_of = np.load(mapped / f"maps/{k}.npy").argmax(axis=0)
        np.save(mapped / f"same/{k}.npy", np.eye(3)[classes_of if k else 0 * classes_of].transpose(2, 0, 1))
        np.save(mapped / f"small/{k}.npy", np.load(mapped / f"maps/{k}.npy")[:, 1:])
    found = certify_maps(mapped, MAPPED, against=mapped / "same")
    assert [one.image for one in found.sample] == ["0.png"]
    with pytest.raises(InputError, match="against must hold maps of the same sizes, got '14×10 and 14×9 pixels"):
        certify_maps(mapped, MAPPED, against=mapped / "small")
