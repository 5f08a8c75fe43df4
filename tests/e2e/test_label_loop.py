"""Choose images, label them with a tool, import the labels, and measure with them: the whole loop, by the commands."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import howfar
from howfar.cli.main import run
from howfar.data import read_mask
from howfar.demo import write_dataset
from label_tools import Masks, export_coco, export_cvat, export_label_studio

N = 6
LABEL = "Riß <&>"
TINY = ("--model", "deepcrack", "--option", "width=1", "--size", "32", "--epochs", "1", "--device", "cpu", "--weights", "none")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of roads against a site whose masks nobody has drawn yet (they lie in true/), and maps of both."""
    folder = tmp_path_factory.mktemp("loop")
    for seed, name in enumerate(("roads", "site")):
        write_dataset(folder / name, N, seed=seed, shift=0.4 * seed, size=32)
        (folder / "maps" / name).mkdir(parents=True)
        for file in sorted((folder / name / "masks").iterdir()):
            shown = np.roll(read_mask(file), 1, axis=0).astype(np.uint8) * np.uint8(200)
            Image.fromarray(shown).save(folder / "maps" / name / file.name)
    shutil.move(folder / "site" / "masks", folder / "true")
    quiet = ["--bootstrap", "0", "--permutations", "0", "--no-baselines", "--store", str(folder / "store")]
    names = [str(folder / name) for name in ("roads", "site")]
    assert run(["compare", *names, "--backbone", "colour_moments", "--out", str(folder / "run"), *quiet]) == 0
    return folder


def masks_of(folder: Path, names: list[str]) -> Masks:
    return {name: read_mask(folder / "true" / f"{Path(name).stem}.png") for name in names}


def by_folder(masks: Masks, label: str, file: Path) -> Path:
    file.mkdir()
    for name, mask in masks.items():
        Image.fromarray(mask.astype(np.uint8) * np.uint8(255)).save(file / f"{Path(name).stem}.png")
    return file


TOOLS: dict[str, Callable[[Masks, str, Path], Path]] = {
    "exported.json": export_coco,
    "exported.xml": export_cvat,
    "tasks.json": export_label_studio,
    "drawn": by_folder,
}


def printed(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, object]:
    capsys.readouterr()
    code = run([*map(str, arguments), "--json"])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    found: dict[str, object] = json.loads(captured.out)
    return found


@pytest.mark.parametrize("tool", TOOLS)
def test_what_is_chosen_and_labelled_is_evaluated_and_certified(tool, made, tmp_path, capsys):
    maps = ("--predictions", made / "maps" / "site")
    chosen = tmp_path / "chosen"
    named = ("--label-names", LABEL)
    printed(capsys, "select", made / "run", "--dataset", "site", "-k", N, *maps, *named, "--out", chosen)
    begun = json.loads((chosen / "coco.json").read_text(encoding="utf-8"))
    assert [category["name"] for category in begun["categories"]] == [LABEL]
    assert len(begun["annotations"]) == N
    exported = TOOLS[tool](masks_of(made, [image["file_name"] for image in begun["images"]]), LABEL, tmp_path / tool)
    done = printed(capsys, "labels", "import", exported, "--images", chosen, "-o", tmp_path / "labelled")
    assert len(done["images"]) == N  # type: ignore[arg-type]

    measured = printed(capsys, "evaluate", tmp_path / "labelled" / "labels.csv", *maps)
    truth = shutil.copytree(made / "site", tmp_path / "site")
    shutil.copytree(made / "true", truth / "masks")
    assert measured["scores"] == dict(howfar.evaluate(str(truth), made / "maps" / "site", progress=False).scores)

    sample = ("certify", made / "site", *maps, "-k", N, "--out", tmp_path / "certified")
    certificate = printed(capsys, *sample, "--labels", tmp_path / "labelled" / "masks")
    assert certificate["labelled"] == N
    scores = measured["scores"]
    assert isinstance(scores, dict)
    ods = printed(capsys, "evaluate", tmp_path / "labelled" / "labels.csv", *maps, "--threshold", "0.5")["scores"]
    assert isinstance(ods, dict)
    assert certificate["value"] == pytest.approx(ods["mean_f"])


@pytest.fixture(scope="module")
def labelled(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of four imported labels, as a table."""
    folder = tmp_path_factory.mktemp("labelled")
    selection = howfar.select(made / "run", "site", 4, out=folder / "chosen")
    exported = export_cvat(masks_of(made, [pick.image for pick in selection.picks]), LABEL, folder / "cvat.xml")
    howfar.import_labels(exported, folder / "chosen" / "chosen.csv", folder / "labelled")
    return folder / "labelled" / "labels.csv"


@pytest.mark.slow
def test_a_model_is_trained_with_imported_labels(made: Path, labelled: Path, tmp_path: Path) -> None:
    added = ("--add", f"{labelled}:{labelled}", "--holdout", "0")
    assert run(["train", str(made / "roads"), "-o", str(tmp_path / "m.safetensors"), *TINY, *added]) == 0
    assert howfar.Checkpoint.load(tmp_path / "m.safetensors")
