"""A picture in memory becomes the file of the same pixels, whatever it is; what is none is refused in one line."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from howfar.data import content_hash, decode
from howfar.data.binary_masks import Mask
from howfar.data.image_encoding import file_bytes
from howfar.errors import ImageError

PIXELS = np.random.default_rng(0).integers(0, 256, (9, 13, 3), dtype=np.uint8)

CHANNELS_FIRST = np.ascontiguousarray(PIXELS.transpose(2, 0, 1))

SAME: dict[str, Any] = {
    "array": PIXELS,
    "not contiguous": np.repeat(PIXELS, 2, axis=1)[:, ::2],
    "channels first": CHANNELS_FIRST,
    "float64": PIXELS / 255,
    "float32, first": (CHANNELS_FIRST / 255).astype(np.float32),
    "float16": (PIXELS / 255).astype(np.float32),
    "tensor": torch.from_numpy(PIXELS),
    "tensor first": torch.from_numpy(CHANNELS_FIRST),
    "tensor of 0-1": torch.from_numpy(CHANNELS_FIRST) / 255,
    "with a gradient": (torch.from_numpy(CHANNELS_FIRST) / 255).requires_grad_(),
    "Pillow": Image.fromarray(PIXELS),
    "opaque": Image.fromarray(PIXELS).convert("RGBA"),
    "opaque array": np.dstack([PIXELS, np.full(PIXELS.shape[:2], 255, np.uint8)]),
}


@pytest.mark.parametrize("kind", SAME)
def test_equal_pixels_are_equal_content_whatever_holds_them(kind: str) -> None:
    data = file_bytes(SAME[kind])
    assert np.array_equal(np.asarray(decode(data).image), PIXELS)
    assert content_hash(data) == content_hash(file_bytes(PIXELS))


@pytest.mark.parametrize("shape", [(9, 13), (9, 13, 1), (1, 9, 13)])
@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_grey_pictures(shape: tuple[int, ...], kind: Any) -> None:
    grey = PIXELS[:, :, 0]
    assert np.array_equal(np.asarray(decode(file_bytes(kind(grey.reshape(shape)))).image), np.dstack([grey] * 3))


def test_a_pillow_image_is_decoded_as_its_file_would_be(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    file = tmp_path / "turned.png"
    Image.fromarray(PIXELS).save(file, exif=turned)
    wanted = np.asarray(decode(file.read_bytes()).image)
    assert wanted.shape == (13, 9, 3)
    with Image.open(file) as lazy:
        assert file_bytes(lazy) == file.read_bytes()  # not loaded: the file itself, so that nothing is held
        lazy.load()
        assert np.array_equal(np.asarray(decode(file_bytes(lazy)).image), wanted)
    glass = Image.fromarray(PIXELS).convert("RGBA")
    glass.putalpha(0)
    assert np.asarray(decode(file_bytes(glass)).image).min() == 255  # laid on white
    wide = Image.fromarray(np.full((9, 13), 65535, np.uint16))
    assert np.asarray(decode(file_bytes(wide)).image).min() == 255


MASK = PIXELS[:, :, 0] > 127


@pytest.mark.parametrize(
    "mask",
    [
        MASK,
        np.uint8(255) * MASK,
        255 * MASK.astype(np.int64),
        torch.from_numpy(MASK),
        torch.from_numpy(MASK)[None].float(),
        Image.fromarray(MASK),
        Image.fromarray(np.uint8(255) * MASK),
        Image.fromarray(np.uint8(255) * MASK).convert("RGB"),
    ],
)
def test_masks(mask: Any) -> None:
    assert np.array_equal(Mask.decode(file_bytes(mask, mask=True)).foreground, MASK)


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (None, "None and no picture"),
        (3, "int and no picture"),
        ({"a": 1}, "a dict of a and no picture"),
        (["x"], "a list of str and no picture"),
        (np.zeros((5, 5, 7), np.uint8), r"shape \(5, 5, 7\): a picture is \(h, w\), \(h, w, 3\) or \(3, h, w\)"),
        (np.zeros(5, np.uint8), r"shape \(5,\): a picture is"),
        (np.zeros((0, 5), np.uint8), "no pixels"),
        (np.zeros((5, 5), np.int32), "int32 values, where a picture is uint8 of 0-255"),
        (np.full((5, 5), np.nan), "not finite"),
        (np.linspace(-2, 2, 25).reshape(5, 5), "from -2 to 2, .*: give images as they are before they are normalised"),
        (np.linspace(0, 255, 25).reshape(5, 5), "from 0 to 255, .*: cast values of 0-255 to uint8"),
        (np.array([["a"] * 5] * 5), "values, where a picture is"),
    ],
)
def test_what_is_no_picture_is_one_line(value: Any, line: str) -> None:
    with pytest.raises(ImageError, match=line) as caught:
        file_bytes(value)
    assert "\n" not in str(caught.value)


def test_files_their_bytes_and_damaged_pictures(tmp_path: Path) -> None:
    file = tmp_path / "1.png"
    Image.fromarray(np.tile(PIXELS, (20, 20, 1))).save(file)
    data = file.read_bytes()
    for given in (data, memoryview(data), file, str(file), {"bytes": data, "path": None}, {"bytes": None, "path": str(file)}):
        assert file_bytes(given) == data
    file.write_bytes(data[: len(data) // 2])
    with Image.open(file) as cut:
        cut.filename = ""
        with pytest.raises(ImageError, match="a picture that cannot be loaded"):
            file_bytes(cut)
