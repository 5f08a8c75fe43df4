"""A selection as files, and back."""

from dataclasses import replace
from pathlib import Path

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
