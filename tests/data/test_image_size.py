"""Sizes of images by their headers: those of the pictures that are decoded, whatever the format, without decoding any."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from howfar.data import decode
from howfar.data.images import MAX_PIXELS, size
from howfar.errors import ImageError

FORMS = ("JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP", "PPM", "JPEG2000")


def written(path: Path, form: str, orientation: int | None = None) -> Path:
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8))
    picture.save(path, form, **({} if orientation is None else {"exif": exif}))
    return path


@pytest.mark.parametrize("form", FORMS)
def test_every_format(form: str, tmp_path: Path) -> None:
    assert size(written(tmp_path / "a", form)) == (56, 40)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_as_decoded(form: str, orientation: int, tmp_path: Path) -> None:
    path = written(tmp_path / "a", form, orientation)
    assert size(path) == decode(path.read_bytes()).image.size == ((56, 40) if orientation < 5 else (40, 56))


@pytest.mark.parametrize("form", FORMS)
def test_no_pixel_is_decoded(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "a", form)

    decoded: list[object] = []
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: decoded.append(image))
    assert size(path) == (56, 40)
    assert not decoded


@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP"])
def test_a_cut_file_has_a_size(form: str, tmp_path: Path) -> None:
    path = written(tmp_path / "a", form)
    path.write_bytes(path.read_bytes()[:-500])
    assert size(path) == (56, 40)


def test_what_is_no_image_has_none(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("text")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe.png")
    written(tmp_path / "small.png", "PNG")
    Image.new("L", (3, 40)).save(tmp_path / "small.png")
    header = io.BytesIO()
    Image.new("1", (8, 8)).save(header, "PPM")
    (tmp_path / "huge.pbm").write_bytes(f"P4\n{MAX_PIXELS} 8\n".encode())
    reasons = {
        "none.png": "no such file",
        "empty.png": "empty file (0 bytes)",
        "text.png": "not an image that Pillow can read",
        "gone.png": "broken link",
        "pipe.png": "not a regular file",
        ".": "a folder, not an image",
        "small.png": "3×40 pixels: a side under 4 px carries no picture",
        "huge.pbm": f"{MAX_PIXELS}×8 pixels: above the limit of {MAX_PIXELS:,}",
    }
    for name, reason in reasons.items():
        with pytest.raises(ImageError) as caught:
            size(tmp_path / name)
        assert str(caught.value) == reason
