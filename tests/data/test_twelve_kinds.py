"""One folder with twelve kinds of file that a crawl brings home: each is a picture or a reason, never a crash."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from howfar.data import Dataset, decode, read_bytes
from howfar.errors import ImageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (32, 48, 3), dtype=np.uint8))
    (tmp_path / "01_empty.jpg").touch()
    picture.save(tmp_path / "02_truncated.jpg")
    data = (tmp_path / "02_truncated.jpg").read_bytes()
    (tmp_path / "02_truncated.jpg").write_bytes(data[: len(data) // 2])
    (tmp_path / "03_text.png").write_text("this is not a picture")
    Image.new("RGB", (1, 1)).save(tmp_path / "04_dot.png")
    Image.new("L", (20000, 1)).save(tmp_path / "05_line.png")
    Image.fromarray(np.full((32, 48), 65535, np.uint16)).save(tmp_path / "06_sixteen_bit.png")
    Image.new("CMYK", (48, 32), (0, 255, 255, 0)).save(tmp_path / "07_cmyk.jpg")
    palette = Image.new("P", (48, 32), 1)
    palette.putpalette([0, 0, 0, 0, 0, 255])
    palette.save(tmp_path / "08_palette.png", transparency=1)
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / "09_rotated.jpg", exif=exif)
    frames = [Image.new("RGB", (48, 32), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "10_animated.gif", save_all=True, append_images=frames[1:])
    (tmp_path / "11_link.png").symlink_to("nowhere.png")
    picture.save(tmp_path / "12_locked.png")
    return tmp_path


def test_each_is_a_picture_or_a_reason(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opening = Path.open

    # Root reads every file, so the missing permission is played.
    def open_unless_locked(self: Path, *options: object, **named: object) -> object:
        if self.name == "12_locked.png":
            raise PermissionError(13, "Permission denied")
        return opening(self, *options, **named)

    monkeypatch.setattr(Path, "open", open_unless_locked)
    dataset = Dataset.from_folder(folder)
    found: dict[str, object] = {Path(one.path).name: one.reason for one in dataset.skipped}
    for item in dataset.items:
        try:
            decoded = decode(read_bytes(item.path))
        except ImageError as error:
            found[item.name] = str(error)
        else:
            colour = tuple(int(channel) for channel in decoded.image.getpixel((5, 5)))
            found[item.name] = (decoded.image.size, colour, decoded.note)
    red = found.pop("07_cmyk.jpg")
    size, _, note = found.pop("09_rotated.jpg")
    assert (size, note) == ((32, 48), None)
    assert red[0] == (48, 32)
    assert np.abs(np.subtract(red[1], (255, 0, 0))).max() <= 3
    assert found == {
        "01_empty.jpg": "empty file (0 bytes)",
        "02_truncated.jpg": "truncated image file",
        "03_text.png": "not an image that Pillow can read",
        "04_dot.png": "1×1 pixels: a side under 4 px carries no picture",
        "05_line.png": "20000×1 pixels: a side under 4 px carries no picture",
        "06_sixteen_bit.png": ((48, 32), (255, 255, 255), None),
        "08_palette.png": ((48, 32), (255, 255, 255), None),
        "10_animated.gif": ((48, 32), (255, 0, 0), "first of 2 frames"),
        "11_link.png": "broken link",
        "12_locked.png": "no read permission",
    }
