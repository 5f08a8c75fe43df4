"""An image format of another package is read wherever images are, from one entry point."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from howfar import registry
from howfar.data import decode, parse, read_bytes, read_mask
from howfar.data import image_formats as formats
from howfar.errors import ImageError

PLUGIN = """
import io
from PIL import Image, PngImagePlugin
from howfar.data.image_formats import ImageFormat

class Heif(PngImagePlugin.PngImageFile):
    format = "HEIF"

    def _open(self):
        self.fp = io.BytesIO(self.fp.read()[4:])
        super()._open()

Image.register_open("HEIF", Heif, lambda head: head.startswith(b"heif"))
HEIF = ImageFormat("heif_plugin", ("HEIF",), (".heic",), lossy=True, deep=True, decoder_bytes=16)
"""


def forget() -> None:
    for remembered in (formats.image_formats, formats.format_named, formats.openers, formats._words):
        remembered.cache_clear()


@pytest.fixture
def heif(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "heif_plugin.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    installed = registry.entry_points
    point = SimpleNamespace(name="heif", value="heif_plugin:HEIF")
    monkeypatch.setattr(
        registry, "entry_points", lambda group: [point] if group == "howfar.image_formats" else installed(group)
    )
    forget()
    yield
    forget()
    Image.OPEN.pop("HEIF", None)
    sys.modules.pop("heif_plugin", None)


def write(file: Path) -> None:
    file.parent.mkdir(parents=True)
    Image.fromarray(np.full((8, 8), 255, np.uint8)).save(file.with_suffix(".png"))
    file.write_bytes(b"heif" + file.with_suffix(".png").read_bytes())
    file.with_suffix(".png").unlink()


@pytest.mark.usefixtures("heif")
def test_a_format_of_another_package_is_read(tmp_path: Path) -> None:
    for folder in ("images", "masks"):
        write(tmp_path / "roads" / folder / "1.heic")
    (item,) = parse(tmp_path / "roads").items
    assert decode(read_bytes(item.path)).image.getpixel((0, 0)) == (255, 255, 255)
    assert item.mask is not None
    assert read_mask(item.mask).all()


def test_without_the_package_such_a_file_is_skipped(tmp_path: Path) -> None:
    write(tmp_path / "roads" / "images" / "1.heic")
    Image.new("L", (8, 8)).save(tmp_path / "roads" / "images" / "2.png")
    (skipped,) = parse(tmp_path / "roads").skipped
    assert skipped.reason == "the format .heic is not read: convert it to PNG or JPEG"
    with pytest.raises(ImageError, match="not an image that Pillow can read"):
        decode(read_bytes(tmp_path / "roads" / "images" / "1.heic"))
