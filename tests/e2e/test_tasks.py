"""Classifier, detector and segmenter of several classes, pretrained and on real photographs: from files to a certificate.

Every command after `evaluate` is run for each: compare, relate (estimates and failures with it), select, profile, score and
certify. The tests are left out where the research images, or the detector's package, are not at hand.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from howfar import Dataset, Evaluation
from howfar.cli.main import run
from pretrained_models import SCENES, SHIFTS, PixelClassifier, classify, find_faces, lite0, place_faces, shifted

N = 21
SITES = ("own", *SHIFTS)
"""The primary dataset's own images that were held out, and the sites: as they are, dark, blurred."""


@dataclass
class Case:
    """A folder with data, predictions and the words of the commands that are the task's own."""

    folder: Path
    task: str
    predictions: Callable[[str], Path]
    evaluated: Callable[[str], Sequence[Any]] = field(default=lambda name: ())
    certified: Sequence[Any] = ()
    labels: Callable[[str], Path] | None = None

    def data(self, name: str) -> Path:
        return self.folder / "data" / name


def called(capsys: pytest.CaptureFixture[str], *words: Any) -> Any:
    capsys.readouterr()
    code = run([*map(str, words), "--json"])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    lines = captured.out.splitlines()
    return [json.loads(line) for line in lines] if words[0] == "score" else json.loads(captured.out)


def whole_way(case: Case, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Run every command from compare to certify, and return what was found, after checks that hold for every task."""
    folder, store = case.folder, ["--store", case.folder / "store"]
    quiet = ["--permutations", 0, "--bootstrap", 100]
    sites = [case.data(name) for name in SHIFTS]
    called(
        capsys, "compare", case.data("own"), *sites, "--no-baselines", "--no-rivals", *quiet, *store, "--out", folder / "run"
    )
    scores: dict[str, Any] = {}
    for name in SITES:
        words = ["evaluate", case.data(name), "--predictions", case.predictions(name), *case.evaluated(name)]
        scores[name] = called(capsys, *words, "--task", case.task, "-o", folder / f"{name}.parquet")
    evaluations = {name: Evaluation.load(folder / f"{name}.parquet") for name in SITES}
    assert all(evaluation.scored >= 18 for evaluation in evaluations.values())
    performance = [word for name in SITES for word in ("--performance", folder / f"{name}.parquet")]
    relation = called(capsys, "relate", folder / "run", *performance)
    means = {dataset["name"]: dataset["mean"] for dataset in relation["datasets"]}
    assert means == pytest.approx({name: evaluations[name].images["performance"].mean() for name in SHIFTS})
    assert {row["estimator"] for row in relation["judgements"]} >= {"mean", "i_dist", "average_confidence"}
    assert [row["dataset"] for row in relation["estimates"]] == list(SHIFTS)
    assert [row["dataset"] for row in relation["failures"]] == list(SHIFTS)
    chosen = called(
        capsys, "select", folder / "run", "--dataset", "dark", "-k", 5, "--strategy", "random", "--out", folder / "s"
    )
    assert len(chosen["picks"]) == 5
    labelled = [word for name in SHIFTS[:2] for word in ("--labelled", case.data(name))]
    given = [word for name in SITES[:3] for word in ("--performance", folder / f"{name}.parquet")]
    called(capsys, "profile", case.data("own"), *labelled, *given, *store, "-o", folder / "p.howfar")
    rows = called(capsys, "score", folder / "p.howfar", case.data("blurred"), "--predictions", case.predictions("blurred"))
    assert sum(row.get("predicted") is not None for row in rows) >= 18
    certify = [
        "certify",
        case.data("blurred"),
        "--predictions",
        case.predictions("blurred"),
        *case.certified,
        "--task",
        case.task,
    ]
    certify += ["--out", folder / "certified", "-k", N]
    assert called(capsys, *certify)["value"] is None
    found = called(capsys, *certify, *(["--labels", case.labels("blurred")] if case.labels else []))
    assert found["value"] == pytest.approx(means["blurred"]), "with all labels a certificate is the mean"
    return {"scores": scores, "relation": relation, "means": means, "rows": rows}


@pytest.fixture(scope="module")
def scenes(research_images: Path, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Photographs sorted into folders of their class, and tables of a pretrained classifier with columns of its own."""
    folder, model = tmp_path_factory.mktemp("scenes"), lite0()
    for k, name in enumerate(SITES):
        files: dict[str, Path] = {}
        for scene in SCENES:
            photos = sorted((research_images / "sun_scenes" / scene / "images").iterdir())[k * 3 : k * 3 + 3]
            for photo in photos:
                file = folder / "data" / name / scene / f"{photo.stem}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                image = Image.open(photo).convert("RGB")
                image.thumbnail((256, 256))
                shifted(image, name).save(file)
                files[f"{scene}/{file.name}"] = file
        table = classify(model, files)
        best = pd.DataFrame({"file": table["file"], "class": table.drop(columns="file").idxmax(axis=1)})
        best.assign(p=table.drop(columns="file").max(axis=1), note="x").to_csv(folder / f"{name}.csv", index=False)
        table.rename(columns={"file": "image"}).to_parquet(folder / f"{name}-p.parquet")
        labels = pd.DataFrame({"image": list(files), "label": [name.split("/")[0] for name in files]})
        labels.to_csv(folder / f"{name}-labels.csv", index=False)
    return Case(
        folder, "classification", lambda name: folder / f"{name}-p.parquet", labels=lambda name: folder / f"{name}-labels.csv"
    )


def test_a_classifier_with_class_folders(scenes: Case, capsys: pytest.CaptureFixture[str]) -> None:
    found = whole_way(scenes, capsys)
    accuracy = {name: scores["scores"]["accuracy"] for name, scores in found["scores"].items()}
    assert accuracy["own"] > 0.5, "seven kinds of scene: by chance it is 0.14"
    assert accuracy["dark"] < accuracy["plain"]
    notes = found["scores"]["own"]["notes"]
    assert "the labels are the names of the class folders (7: aquarium, bedroom, computer_room …)" in notes
    mapped = ["--predictions", scenes.folder / "own.csv", "--columns", "image=file,label=class,score=p"]
    again = called(capsys, "evaluate", scenes.data("own"), *mapped, "--task", "classification")
    assert again["scores"] == pytest.approx(found["scores"]["own"]["scores"])


@pytest.fixture(scope="module")
def faces(research_images: Path, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Photographs with faces whose places are known, in COCO's files, and the boxes of a pretrained detector as its results."""
    pytest.importorskip("skimage", reason="the detector comes with scikit-image")
    folder, rng = tmp_path_factory.mktemp("faces"), np.random.default_rng(0)
    people = sorted((research_images / "orl_faces").rglob("*.png"))
    photos = sorted((research_images / "bsds500" / "images").iterdir())
    for k, name in enumerate(SITES):
        images, annotations, results = [], [], []
        (folder / "data" / name).mkdir(parents=True)
        for photo in photos[k * N : (k + 1) * N]:
            scene, boxes = place_faces(Image.open(photo), people, rng)
            image, row = shifted(scene, name), {"image_id": int(photo.stem), "category_id": 5}
            image.save(folder / "data" / name / f"{photo.stem}.png")
            sides = {"width": image.width, "height": image.height}
            images.append({"id": int(photo.stem), "file_name": f"{photo.stem}.png", **sides})
            annotations += [{**row, "bbox": _extent(box), "iscrowd": 0} for box in boxes]
            results += [{**row, "bbox": _extent(box), "score": score} for box, score in find_faces(image)]
        document = {"images": images, "categories": [{"id": 5, "name": "face"}]}
        document["annotations"] = [{**annotation, "id": n} for n, annotation in enumerate(annotations)]
        (folder / f"{name}-truth.json").write_text(json.dumps(document))
        (folder / f"{name}-results.json").write_text(json.dumps(results))
    truth = "{}-truth.json".format
    return Case(
        folder,
        "detection",
        lambda name: folder / f"{name}-results.json",
        evaluated=lambda name: ("--truth", folder / truth(name)),
        certified=("--classes", folder / truth("blurred")),
        labels=lambda name: folder / truth(name),
    )


def _extent(box: Sequence[float]) -> list[float]:
    return [box[0], box[1], box[2] - box[0], box[3] - box[1]]


def test_a_detector_with_coco_files(faces: Case, capsys: pytest.CaptureFixture[str]) -> None:
    found = whole_way(faces, capsys)
    f1 = {name: scores["scores"]["f1"] for name, scores in found["scores"].items()}
    assert min(f1["own"], f1["plain"]) > 0.7, "the detector is made for such faces"
    assert found["scores"]["own"]["scores"]["map_50"] > 0.6


@pytest.fixture(scope="module")
def eyes(research_images: Path, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Photographs of eyes with masks of three classes, and a segmenter's probabilities as .npz."""
    folder = tmp_path_factory.mktemp("eyes")
    drive = Dataset.from_folder(research_images / "drive").items
    hrf = Dataset.from_folder(research_images / "hrf").items
    taught = [_eye(item, "own") for item in drive[:8]]
    model = PixelClassifier(*zip(*taught, strict=True))
    sets: Mapping[str, Any] = {"own": drive[8:29], "plain": hrf, "dark": hrf, "blurred": drive[19:40]}
    for name, items in sets.items():
        for part in ("images", "masks"):
            (folder / "data" / name / part).mkdir(parents=True)
        (folder / "maps" / name).mkdir(parents=True)
        for item in items:
            image, mask = _eye(item, name)
            stem = Path(item.name).stem
            image.save(folder / "data" / name / "images" / f"{stem}.png")
            colours = Image.fromarray(mask).convert("L")
            palette = Image.frombytes("P", colours.size, colours.tobytes())
            palette.putpalette([0, 0, 0, 200, 80, 20, 250, 250, 250])
            palette.save(folder / "data" / name / "masks" / f"{stem}.png")
            np.savez_compressed(folder / "maps" / name / f"{stem}.npz", model(image).astype(np.float16))
    names = ("--classes", "outside,retina,vessel")
    return Case(
        folder,
        "multiclass",
        lambda name: folder / "maps" / name,
        evaluated=lambda name: names,
        certified=names,
        labels=lambda name: folder / "data" / name / "masks",
    )


def _eye(item: Any, kind: str) -> tuple[Image.Image, np.ndarray]:
    """Make a small picture, and the classes of its pixels: outside of the eye, retina, vessel."""
    image = Image.open(item.path).convert("RGB").resize((192, 192), Image.Resampling.BOX)
    vessels = np.asarray(Image.open(item.mask).convert("L").resize((192, 192), Image.Resampling.BOX)) > 100
    inside = np.asarray(image)[..., 0] > 40
    return shifted(image, kind), np.where(inside, 1 + vessels, 0).astype(np.uint8)


def test_a_segmenter_of_three_classes(eyes: Case, capsys: pytest.CaptureFixture[str]) -> None:
    found = whole_way(eyes, capsys)
    scores = {name: evaluation["scores"] for name, evaluation in found["scores"].items()}
    assert scores["own"]["f_outside"] > 0.9
    assert scores["own"]["f_vessel"] > 0.4
    assert scores["dark"]["mean_f"] < scores["plain"]["mean_f"]
    assert scores["own"]["mean_iou"] < scores["own"]["mean_f"]
