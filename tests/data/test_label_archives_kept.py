"""An archive, a folder or a file that howfar did not write is never replaced or removed by a hand-over."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from PIL import Image

from howfar.data.labelling import check_archive, remove_archive, write_archive
from howfar.errors import InputError


def images(folder: Path) -> dict[str, str]:
    Image.new("RGB", (4, 4)).save(folder / "1.png")
    return {"1.png": str(folder / "1.png")}


@pytest.mark.parametrize("kind", ["coco", "cvat"])
@pytest.mark.parametrize("how", ["copy", "link"])
def test_its_own_archive_is_replaced_and_removed(kind: str, how: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for text in ("one", "two"):
        place = write_archive(kind, text, images(tmp_path), tmp_path / "out", how)  # type: ignore[arg-type]  # a literal
    remove_archive(kind, tmp_path / "out")
    assert not place.exists()


def test_anothers_zip_stays(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "cvat.zip", "w") as mine:
        mine.writestr("annotations.xml", "hours of work")
    before = (tmp_path / "cvat.zip").read_bytes()
    for act in (remove_archive, check_archive):
        with pytest.raises(InputError, match=r"out must hold no cvat\.zip that howfar did not write"):
            act("cvat", tmp_path)
    with pytest.raises(InputError, match=r"out must hold no cvat\.zip"):
        write_archive("cvat", "mine", images(tmp_path), tmp_path, "copy")
    assert (tmp_path / "cvat.zip").read_bytes() == before


def test_an_unpacked_export_of_the_same_layout_stays(tmp_path: Path) -> None:
    kept = tmp_path / "coco" / "annotations" / "instances_default.json"
    kept.parent.mkdir(parents=True)
    kept.write_text("hours of work")
    with pytest.raises(InputError, match="out must hold no folder coco of another kind"):
        remove_archive("coco", tmp_path)
    assert kept.read_text() == "hours of work"
