"""A selection as files, and back."""

import json
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import pandas as pd
import pytest
from PIL import Image

import howfar
from howfar.report.labelling_files import write_selection
from howfar.results import Pick, Provenance, Selection


@pytest.fixture
def three(tmp_path: Path) -> Selection:
    folder = tmp_path / "site" / "images"
    folder.mkdir(parents=True)
    picks = []
    for rank, name in enumerate(("b,1.png", "a.png", "straße.png"), start=1):
        Image.new("RGB", (30 + rank, 20 + rank), (rank, 0, 0)).save(folder / name)
        picks.append(Pick(rank, name, str(folder / name), 1 / rank, f'so, "{rank}"'))
    return Selection("roads", "site", "far", True, 3, 40, 2, tuple(picks), provenance=Provenance.now(), notes=("a note",))


def test_the_table_is_a_dataset_too(three: Selection, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_selection(three, out)
    frame = pd.read_csv(out / "chosen.csv")
    assert list(frame) == ["image", "distance", "rank", "reason", "dataset", "name"]
    assert frame["image"].tolist() == [pick.path for pick in three.picks]
    assert frame["distance"].tolist() == [pick.distance for pick in three.picks]
    assert frame["rank"].tolist() == [1, 2, 3]
    assert frame["reason"].tolist() == [pick.reason for pick in three.picks]
    assert frame["name"].tolist() == ["b,1.png", "a.png", "straße.png"]
    assert set(frame["dataset"]) == {"site"}
    dataset = howfar.Dataset.from_table(out / "chosen.csv")
    assert [item.path for item in dataset.items] == [Path(pick.path) for pick in three.picks]


def test_a_selection_of_before_is_replaced(three: Selection, tmp_path: Path) -> None:
    for how in ("copy", "copy", "link", "link"):
        write_selection(three, tmp_path, with_images=how)
    (tmp_path / "my notes.txt").write_text("stay")
    without = replace(three, picks=tuple(replace(pick, path="") for pick in three.picks[:1]))
    (remark,) = write_selection(without, tmp_path)
    assert "no files" in remark
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {
        "chosen.txt", "chosen.csv", "selection.json", "my notes.txt",
    }  # fmt: skip
    assert not list(tmp_path.glob("c*/"))
    assert (tmp_path / "chosen.txt").read_text() == "b,1.png\n"
    assert Selection.load(tmp_path) == without


def test_an_image_that_is_gone_is_left_out_where_sizes_count(three: Selection, tmp_path: Path) -> None:
    Path(three.picks[1].path).unlink()
    (remark,) = write_selection(three, tmp_path / "out", with_images="copy")
    assert (
        remark == f"1 image has no size that can be read ({three.picks[1].path}: no such file): not in coco.json and cvat.xml"
    )
    assert len(json.loads((tmp_path / "out" / "coco.json").read_text())["images"]) == 2
    assert len(json.loads((tmp_path / "out" / "label_studio.json").read_text())) == 3
    assert len((tmp_path / "out" / "chosen.txt").read_text().splitlines()) == 3
    with ZipFile(tmp_path / "out" / "coco.zip") as archive:
        assert len(archive.namelist()) == 3
    assert write_selection(replace(three, picks=three.picks[:1]), tmp_path / "other") == ()
