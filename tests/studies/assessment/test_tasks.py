"""`howfar.assess` of classifiers, detectors and segmenters of several classes: answers, commands that run, and refusals."""

import json
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import howfar
from howfar.cli.main import run
from howfar.errors import HowfarError
from howfar.report import estimates_report
from howfar.results.assessment_result import Assessment, SiteAnswer

pytestmark = pytest.mark.usefixtures("undrawn")
QUICK: dict[str, Any] = {
    "backbone": "colour_moments", "baselines": False, "bootstrap": 0, "permutations": 0, "progress": False,
}  # fmt: skip
SHADES = {"home": 0, "near": 10, "mid": 30, "far": 50, "new": 20, "night": 160}
LABELLED = ("home", "near", "mid", "far")
COUNT = 12
WORLDS = {"classification": "scenes", "detection": "nuclei", "multiclass": "classes"}


def options_of(task: str, folder: Path) -> dict[str, Any]:
    if task == "multiclass":
        return {"ignore_index": 255, "classes": ("a", "b", "c")}
    return {"truth": folder / "truth"} if task == "detection" else {}


def picture(rng: np.random.Generator, shade: int) -> Image.Image:
    return Image.fromarray(np.clip(rng.integers(60, 200, (24, 24, 3)) - shade, 0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Datasets of two classes, those that are labelled in class folders, and answers/NAME.csv of a classifier."""
    folder, rng = tmp_path_factory.mktemp("scenes"), np.random.default_rng(3)
    (folder / "answers").mkdir()
    for name, shade in SHADES.items():
        rows = []
        for k in range(COUNT):
            truth = ("cat", "dog")[k % 2]
            image = f"{truth}/{k}.png" if name in LABELLED else f"{k}.png"
            (folder / name / image).parent.mkdir(parents=True, exist_ok=True)
            picture(rng, shade).save(folder / name / image)
            sure = 0.95 - 0.4 * rng.random() * (1 + min(shade, 60) / 50)
            rows.append({"image": image, truth: sure, ("dog", "cat")[k % 2]: 1 - sure})
        pd.DataFrame(rows)[["image", "cat", "dog"]].to_csv(folder / "answers" / f"{name}.csv", index=False)
    return folder


def boxes(rng: np.random.Generator, shade: int) -> tuple[list[list[int]], list[list[int]]]:
    """True boxes, and predicted ones that miss more of them the darker a picture is."""
    true = [[4 * k, 2, 4 * k + 3, 9] for k in range(4)]
    return true, [box if rng.random() > 0.1 + shade / 120 else [15, 15, 22, 22] for box in true]


@pytest.fixture(scope="module")
def nuclei(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Datasets with COCO results in answers/, COCO annotations in truth/; "new" has COCO's list of images alone."""
    folder, rng = tmp_path_factory.mktemp("nuclei"), np.random.default_rng(4)
    for part in ("answers", "truth"):
        (folder / part).mkdir()
    for name, shade in SHADES.items():
        (folder / name).mkdir()
        coco: dict[str, Any] = {"images": [], "categories": [{"id": 7, "name": "nucleus"}], "annotations": []}
        results = []
        for k in range(COUNT):
            picture(rng, shade).save(folder / name / f"{k}.png")
            coco["images"].append({"id": 100 + k, "file_name": f"{k}.png", "width": 24, "height": 24})
            true, predicted = ([[x, y, a - x, b - y] for x, y, a, b in side] for side in boxes(rng, shade))
            entry = {"image_id": 100 + k, "category_id": 7}
            coco["annotations"] += [{**entry, "id": len(coco["annotations"]) + j, "bbox": box} for j, box in enumerate(true)]
            results += [{**entry, "bbox": box, "score": 0.5 + 0.4 * rng.random()} for box in predicted]
        if name not in LABELLED:
            del coco["annotations"]
        (folder / "truth" / f"{name}.json").write_text(json.dumps(coco))
        (folder / "answers" / f"{name}.json").write_text(json.dumps(results))
    return folder


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Datasets with masks of three classes, and answers/NAME with maps of them."""
    folder, rng = tmp_path_factory.mktemp("classes"), np.random.default_rng(5)
    for name, shade in SHADES.items():
        for part in (folder / name / "images", folder / name / "masks", folder / "answers" / name):
            part.mkdir(parents=True)
        for k in range(COUNT):
            picture(rng, shade).save(folder / name / "images" / f"{k}.png")
            mask = rng.integers(0, 3, (24, 24), dtype=np.uint8)
            found = np.where(rng.random(mask.shape) < 0.1 + shade / 100, 0, mask).astype(np.uint8)
            mask[0] = 255
            Image.fromarray(found).save(folder / "answers" / name / f"{k}.png")
            if name in LABELLED:
                Image.fromarray(mask).save(folder / name / "masks" / f"{k}.png")
        if name not in LABELLED:
            (folder / name / "masks").rmdir()
    return folder


def made(folder: Path, out: Path, task: str, sites: Sequence[str] = tuple(SHADES)[1:], **given: Any) -> Assessment:
    options = {"predictions": folder / "answers", "task": task, **QUICK, **given}
    return howfar.assess(folder / "home", [folder / name for name in sites], out, **options)


def answer_of(found: Assessment, name: str) -> SiteAnswer:
    return next(site for site in found.sites if site.dataset == name)


def test_a_classifier_is_answered_for_by_its_accuracy(scenes: Path, tmp_path: Path) -> None:
    found = made(scenes, tmp_path / "run", "classification")
    alone = howfar.evaluate(scenes / "mid", scenes / "answers" / "mid.csv", task="classification", progress=False)
    assert answer_of(found, "mid").measured == pytest.approx(alone.scores["accuracy"])
    assert [row.dataset for row in found.labelled] == ["near", "mid", "far"]
    assert (found.task, found.performance_name, found.basis) == ("classification", "accuracy", "sites")
    assert answer_of(found, "mid").answer.startswith("mid: accuracy 0.")
    assert answer_of(found, "new").answer.startswith(("new: expected accuracy 0.", "new: accuracy is not known yet"))
    assert (
        found.caption() == f"What the model behind {scenes / 'answers'} will score: accuracy, each image correct (1) or not (0)"
    )
    assert Assessment.load(tmp_path / "run").to_dict() == found.to_dict()
    night = answer_of(found, "night")
    assert (night.inside, night.next.action) == (False, "certify")
    assert "foreground" not in night.next.text
    explained = " ".join(column.explanation for column in estimates_report.sites(found).columns)
    assert "accuracy expected" in explained
    assert "mask" not in explained


@pytest.mark.parametrize("task", ["classification", "detection", "multiclass"])
def test_every_command_that_is_told_runs(task: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    folder = Path(shutil.copytree(request.getfixturevalue(WORLDS[task]), tmp_path / "world"))
    given = options_of(task, folder)
    actions = set()
    for tau in (0.0, 0.99):
        found = made(folder, tmp_path / f"run-{tau}", task, tau=tau, **given)
        for site in found.sites:
            words = shlex.split(site.next.command)
            if (words[1], site.next.action) in actions:
                continue
            actions.add((words[1], site.next.action))
            for part in ("answers", "truth"):  # those of the images that are new
                for place in (folder / part).glob(f"{site.dataset}*"):
                    other = place.with_name(place.name.replace(site.dataset, f"{site.dataset}-new", 1))
                    copy = shutil.copytree if place.is_dir() else shutil.copy
                    if "-new" not in place.name and not other.exists():
                        copy(place, other)
            words = [word.replace("=NEW", f"={folder / site.dataset}") for word in words]
            words = [
                *(words[: words.index("--out")] if "--out" in words else words),
                "--out",
                str(tmp_path / "out" / site.dataset),
            ]
            assert (words[0], run(words[1:])) == ("howfar", 0), site.next.command
            shutil.rmtree(tmp_path / "out" / site.dataset)
    assert {("certify", "certify"), ("assess", "check"), ("select", "label")} <= actions


def test_detections_are_read_by_the_ids_of_coco_and_are_certified_so(nuclei: Path, tmp_path: Path) -> None:
    found = made(nuclei, tmp_path / "run", "detection", truth=nuclei / "truth", min_score=0.55)
    alone = howfar.evaluate(
        nuclei / "far", nuclei / "answers" / "far.json", task="detection", truth=nuclei / "truth" / "far.json", min_score=0.55,
        progress=False,
    )  # fmt: skip
    assert answer_of(found, "far").measured == pytest.approx(alone.images["performance"].mean())
    assert answer_of(found, "new").measured is None
    assert found.caption().startswith(f"What the model behind {nuclei / 'answers'} will score: F1 at IoU 0.5")
    command = answer_of(found, "night").next.command
    categories = f"--classes {nuclei / 'truth' / 'night.json'}"
    assert f"--predictions {nuclei / 'answers' / 'night.json'} {categories} -k 8 --task detection --min-score 0.55" in command


@pytest.mark.parametrize(
    ("task", "sites", "given", "line"),
    [
        ("detection", ["near"], {"predictions": None, "model": "m.onnx"}, "model is of use only to segmentation, got"),
        ("classification", ["new", "night"], {}, "sites must hold one with labels, got 'new, night': label one: sort"),
        ("detection", ["new"], {"truth": "truth"}, "sites must hold one with true boxes, got 'new': label one: "),
        ("detection", ["near"], {}, "primary must have true boxes, got 'home without any': pass a folder"),
        ("classification", ["near"], {"ignore_index": 3}, "ignore_index is of no use to classification"),
        ("detection", ["near"], {"truth": "nowhere"}, r"truth: .*nowhere is missing: pass the folder that holds"),
        ("classification", ["near"], {"predictions": "home"}, r"predictions: none of home: put them at .*home\.csv or"),
        ("classification", ["twice"], {}, r"predictions must hold twice once, got 'twice\.csv, twice\.parquet in "),
    ],
)
def test_what_an_assessment_of_a_task_cannot_do_is_one_line(task, sites, given, line, tmp_path, request):
    folder = request.getfixturevalue(WORLDS[task])
    if sites == ["twice"]:
        folder = Path(shutil.copytree(folder, tmp_path / "world"))
        (folder / "near").rename(folder / "twice")
        (folder / "answers" / "near.csv").rename(folder / "answers" / "twice.csv")
        pd.read_csv(folder / "answers" / "twice.csv").to_parquet(folder / "answers" / "twice.parquet")
    at = {name: folder / given[name] for name in ("truth", "predictions") if given.get(name)}
    with pytest.raises(HowfarError, match=f"^{line}"):
        made(folder, tmp_path / "run", task, sites, **{**given, **at})
