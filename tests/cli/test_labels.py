"""`howfar labels import` as a user runs it: what is printed where, what is written, the exit code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from howfar.cli.main import run
from howfar.data import Dataset
from label_tools import export_coco, export_cvat

NAMES = ("1.png", "a\x1b[31m.png", "straße.png")
SIDES = (9, 11)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    for name in NAMES:
        (tmp_path / "site").mkdir(exist_ok=True)
        Image.fromarray(np.full((*SIDES, 3), 90, np.uint8)).save(tmp_path / "site" / name)
    return tmp_path / "site"


def howfar(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = run(["labels", "import", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


MASK = np.eye(*SIDES, dtype=bool)


def test_a_dataset_is_written_and_what_is_left_out_is_said(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    masks = {NAMES[0]: MASK, NAMES[1]: ~MASK, NAMES[2]: np.zeros(SIDES, bool)}
    file, out = export_coco(masks, "x", tmp_path / "coco.json"), tmp_path / "out"
    code, printed, err = howfar(capsys, file, "--images", site, "-o", out)
    assert (code, err) == (0, "")
    lines = printed.splitlines()
    assert lines[0] == "2 images of site labelled with COCO (segmentation)"
    assert lines[1].split() == ["image", "marks", "label"]
    assert r"a\x1b[31m.png" in printed
    assert "\x1b" not in printed
    assert "note: 1 of 3 images have no label, and COCO does not say that somebody looked at them" in " ".join(lines)
    assert lines[-1] == f"dataset: {out / 'labels.csv'}"
    assert [item.path for item in Dataset.from_table(out / "labels.csv").items] == [site / name for name in NAMES[:2]]


def test_json_is_one_document_and_options_reach_the_study(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    masks = {NAMES[0]: MASK, NAMES[2]: np.zeros(SIDES, bool)}
    file, out = export_cvat(masks, "Riß", tmp_path / "cvat.xml"), tmp_path / "out"
    options = ("--label-names", "Riß", "--complete", "--with-images", "copy", "--task", "segmentation", "--json")
    code, printed, err = howfar(capsys, file, "--images", f"west={site}", "-o", out, *options)
    assert (code, err, printed.count("\n")) == (0, "", 1)
    document = json.loads(printed)
    assert document == json.loads((out / "import.json").read_text(encoding="utf-8"))
    assert (document["dataset"], document["tool"], document["names"]) == ("west", "CVAT", {"Riß": "foreground"})
    assert [one["marks"] for one in document["images"]] == [1, 0]
    assert len(Dataset.from_folder(out).items) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.json", "--images", "{site}", "-o", "{out}"], ["no labels at", "none.json"]),
        (["{file}", "--images", "none", "-o", "{out}"], ["nothing at"]),
        (["{file}", "--images", "{site}"], ["--out"]),
        (["{file}", "-o", "{out}"], ["--images"]),
        (["{file}", "--images", "{site}", "-o", "{site}"], ["out must be a new or empty folder"]),
        (["{file}", "--images", "{site}", "-o", "{out}", "--task", "depth"], ["task must"]),
        (
            ["{file}", "--images", "{site}", "-o", "{out}", "--label-names", "y"],
            ["must be named in --label-names (y), got 'x'"],
        ),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_2(
    arguments: list[str], words: list[str], site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = export_coco({NAMES[0]: MASK}, "x", tmp_path / "coco.json")
    places = {"site": site, "file": file, "out": tmp_path / "out"}
    code, printed, err = howfar(capsys, *(argument.format(**places) for argument in arguments))
    assert (code, printed, err.count("\n")) == (2, "", 1)
    assert err.startswith("howfar: ")
    for word in words:
        assert word in err


@pytest.mark.parametrize("command", [["labels", "import", "x.json", "--images", "x"], ["train", "x"], ["adapt", "x", "y"]])
def test_results_never_go_to_a_folder_that_is_called_as_a_url(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run([*command, "--out", "s3://bucket/w.safetensors"]) == 2
    assert "on this machine" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
