"""Exports that the tools' own libraries write are imported as they were drawn."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import howfar
from howfar.data import Dataset, read_mask
from howfar.data.annotation_formats import from_brush, to_brush
from label_tools import SIDES, mask_of

NAMES = ("ünï 1.png", "2.png")
INSTALL = "which howfar's extras do not bring, at half a gigabyte: pip install "


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "site").mkdir()
    for name in NAMES:
        Image.fromarray(np.full((*SIDES, 3), 90, np.uint8)).save(tmp_path / "site" / name)
    return tmp_path / "site"


def imported(file: Path, site: Path, out: Path, **options: Any) -> dict[str, list[list[bool]]]:
    howfar.import_labels(file, site, out, **options)
    items = Dataset.from_table(out / "labels.csv").items
    return {Path(item.path).name: read_mask(item.mask).tolist() for item in items if item.mask}


@pytest.mark.filterwarnings("ignore")  # of that library and of what it imports
def test_brushes_are_those_of_label_studio_s_own_library(site: Path, tmp_path: Path) -> None:
    brush: Any = pytest.importorskip(
        "label_studio_sdk.converter.brush", reason=f"needs label-studio-sdk, {INSTALL}label-studio-sdk"
    )
    tasks = []
    for number, name in enumerate(NAMES):
        mask = mask_of(number, 3)
        theirs = brush.mask2rle(mask.astype(np.uint8) * 255)
        assert from_brush(theirs, *SIDES).tolist() == mask.tolist()
        decoded = brush.decode_rle(to_brush(mask)).reshape(*SIDES, 4)[..., 3]
        assert (decoded > 127).tolist() == mask.tolist()
        value = {"format": "rle", "rle": theirs, "brushlabels": ["x"]}
        result = {"original_width": SIDES[1], "original_height": SIDES[0], "type": "brushlabels", "value": value}
        tasks.append({"data": {"image": name}, "annotations": [{"result": [result]}]})
    (tmp_path / "tasks.json").write_text(json.dumps(tasks), encoding="utf-8")
    found = imported(tmp_path / "tasks.json", site, tmp_path / "out")
    assert found == {name: mask_of(number, 3).tolist() for number, name in enumerate(NAMES)}
