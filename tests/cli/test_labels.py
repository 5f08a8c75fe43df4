"""`howfar labels import` as a user runs it: what is printed where, what is written, the exit code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command_world import Command
from howfar.data import Dataset
from label_tools import export_coco

NAMES = ("1.png", "a\x1b[31m.png", "straße.png")
SIDES = (9, 11)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    for name in NAMES:
        (tmp_path / "site").mkdir(exist_ok=True)
        Image.fromarray(np.full((*SIDES, 3), 90, np.uint8)).save(tmp_path / "site" / name)
    return tmp_path / "site"


MASK = np.eye(*SIDES, dtype=bool)


def test_a_dataset_is_written_and_what_is_left_out_is_said(site: Path, tmp_path: Path, howfar: Command) -> None:
    masks = {NAMES[0]: MASK, NAMES[1]: ~MASK, NAMES[2]: np.zeros(SIDES, bool)}
    file, out = export_coco(masks, "x", tmp_path / "coco.json"), tmp_path / "out"
    code, printed, err = howfar("labels", "import", file, "--images", site, "-o", out)
    assert (code, err) == (0, "")
    lines = printed.splitlines()
    assert lines[0] == "2 images of site labelled with COCO (segmentation)"
    assert lines[1].split() == ["image", "marks", "label"]
    assert r"a\x1b[31m.png" in printed
    assert "\x1b" not in printed
    assert "note: 1 of 3 images have no label, and COCO does not say that somebody looked at them" in " ".join(lines)
    assert lines[-1] == f"dataset: {out / 'labels.csv'}"
    assert [item.path for item in Dataset.from_table(out / "labels.csv").items] == [site / name for name in NAMES[:2]]
