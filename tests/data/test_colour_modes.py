"""What the pixels of each kind of file become."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from howfar.data import decode
from howfar.data.images import to_rgb
from howfar.errors import ImageError


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def noise(height: int = 40, width: int = 56) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(depth: int, colour: int, rows: NDArray[np.uint16], size: tuple[int, int] | None = None, extra: bytes = b"") -> bytes:
    """A PNG written by hand: Pillow writes no 16-bit colour."""
    width, height = size or (rows.shape[1], rows.shape[0])
    raw = b"".join(b"\0" + row.astype(">u2" if depth == 16 else "u1").tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def pixel(data: bytes, x: int = 0, y: int = 0) -> tuple[int, ...]:
    picture = decode(data).image
    assert picture.mode == "RGB"
    return picture.getpixel((x, y))


def reason(data: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        decode(data)
    text = str(caught.value)
    assert text
    assert "\n" not in text
    assert len(text) < 160
    return text


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_forms_come_back_as_they_were(form: str) -> None:
    picture = noise()
    assert np.array_equal(np.asarray(decode(encoded(picture, form)).image), np.asarray(picture))


def test_lossless_webp_and_jpeg2000() -> None:
    picture = noise()
    for data in (encoded(picture, "WEBP", lossless=True), encoded(picture, "JPEG2000", irreversible=False)):
        assert np.array_equal(np.asarray(decode(data).image), np.asarray(picture))


def test_grey_and_one_bit() -> None:
    assert pixel(encoded(Image.new("L", (8, 8), 77), "PNG")) == (77, 77, 77)
    assert pixel(encoded(Image.new("1", (8, 8), 1), "PNG")) == (255, 255, 255)
    assert pixel(encoded(Image.new("1", (8, 8), 0), "TIFF")) == (0, 0, 0)


def test_palette() -> None:
    picture = Image.new("P", (8, 8), 1)
    picture.putpalette([0, 0, 0, 10, 200, 30])
    assert pixel(encoded(picture, "PNG")) == (10, 200, 30)
    assert pixel(encoded(picture, "GIF")) == (10, 200, 30)


def test_transparency_is_laid_on_white() -> None:
    half = Image.new("RGBA", (8, 8), (255, 0, 0, 128))
    assert pixel(encoded(half, "PNG")) == (255, 127, 127)
    assert pixel(encoded(Image.new("RGBA", (8, 8), (9, 9, 9, 0)), "PNG")) == (255, 255, 255)
    assert pixel(encoded(Image.new("LA", (8, 8), (0, 128)), "PNG")) == (127, 127, 127)
    assert pixel(encoded(Image.new("L", (8, 8), 5), "PNG", transparency=5)) == (255, 255, 255)
    assert pixel(encoded(Image.new("RGB", (8, 8), (1, 2, 3)), "PNG", transparency=(1, 2, 3))) == (255, 255, 255)


@pytest.mark.parametrize(("transparency", "shown"), [(1, 255), (bytes([255, 128]), 127)])
def test_palette_with_transparency(transparency: int | bytes, shown: int) -> None:
    picture = Image.new("P", (8, 8), 1)
    picture.putpalette([0, 0, 0, 0, 0, 0])
    picture.putpixel((1, 0), 0)
    data = encoded(picture, "PNG", transparency=transparency)
    assert pixel(data) == (shown,) * 3
    assert pixel(data, 1) == (0, 0, 0)


def test_sixteen_bit_grey_is_scaled() -> None:
    values = np.tile(np.array([0, 257, 32768, 65535], np.uint16), (4, 1))
    for data in (
        png(16, 0, values),
        encoded(Image.fromarray(values), "TIFF"),
        encoded(Image.fromarray(values.astype(np.int32)), "TIFF"),
        b"P5 4 4 65535\n" + values.astype(">u2").tobytes(),
    ):
        assert np.asarray(decode(data).image)[0, :, 1].tolist() == [0, 1, 128, 255]


def test_sixteen_bit_grey_big_endian_tiff() -> None:
    values = np.full((4, 4), 65535, np.uint16)
    values[0, 0] = 257
    little = encoded(Image.fromarray(values), "TIFF")
    image = Image.open(io.BytesIO(little))
    offset = image.tag_v2[273][0]
    tags = {256: 4, 257: 4, 258: 16, 259: 1, 262: 1, 273: 0, 277: 1, 278: 4, 279: 32}
    tags[273] = 8 + 2 + 12 * len(tags) + 4
    entries = b"".join(struct.pack(">HHII", tag, 4, 1, value) for tag, value in tags.items())
    big = b"MM\0*" + struct.pack(">I", 8) + struct.pack(">H", len(tags)) + entries + struct.pack(">I", 0)
    pixels = np.frombuffer(little[offset : offset + 32], "<u2").astype(">u2").tobytes()
    assert np.asarray(decode(big + pixels).image)[0, :2, 0].tolist() == [1, 255]


def test_transparent_value_of_sixteen_bit_grey() -> None:
    values = np.full((4, 4), 300, np.uint16)
    values[0, 0] = 1000
    data = png(16, 0, values, extra=chunk(b"tRNS", struct.pack(">H", 1000)))
    assert pixel(data) == (255, 255, 255)
    assert pixel(data, 1) == (1, 1, 1)


def test_sixteen_bit_colour() -> None:
    values = np.zeros((4, 4, 3), np.uint16)
    values[..., 0] = 65535
    assert pixel(png(16, 2, values)) == (255, 0, 0)
    clear = np.concatenate([values, np.zeros((4, 4, 1), np.uint16)], axis=2)
    assert pixel(png(16, 6, clear)) == (255, 255, 255)


def test_floating_tiff() -> None:
    data = encoded(Image.fromarray(np.full((4, 4), 0.5, np.float32)), "TIFF")
    assert pixel(data) == (128, 128, 128)
    assert reason(encoded(Image.fromarray(np.full((4, 4), 300.0, np.float32)), "TIFF")).startswith("floating values from 300")
    assert (
        reason(encoded(Image.fromarray(np.full((4, 4), np.nan, np.float32)), "TIFF")) == "floating values that are not finite"
    )


def test_integers_without_an_agreed_meaning() -> None:
    data = encoded(Image.fromarray(np.full((4, 4), 70000, np.int32)), "TIFF")
    assert reason(data) == "32-bit values from 70000 to 70000: only 0 to 65535 has an agreed meaning"
    assert "from -5 to -5" in reason(encoded(Image.fromarray(np.full((4, 4), -5, np.int32)), "TIFF"))


def test_cmyk() -> None:
    red, paper = Image.new("CMYK", (16, 16), (0, 255, 255, 0)), Image.new("CMYK", (16, 16), (0, 0, 0, 0))
    assert pixel(encoded(red, "TIFF")) == (255, 0, 0)
    jpeg = encoded(red, "JPEG", quality=100)
    assert np.abs(np.subtract(pixel(jpeg), (255, 0, 0))).max() <= 3
    assert min(pixel(encoded(paper, "JPEG"))) >= 252


def test_cmyk_jpeg_without_adobes_marker_is_not_inverted() -> None:
    # Pillow writes the ink inverted and says so by the marker; without the marker the same bytes mean the opposite.
    jpeg = encoded(Image.new("CMYK", (16, 16), (255, 0, 0, 255)), "JPEG", quality=100)
    start = jpeg.index(b"\xff\xee")
    (length,) = struct.unpack(">H", jpeg[start + 2 : start + 4])
    bare = jpeg[:start] + jpeg[start + 2 + length :]
    assert np.abs(np.subtract(pixel(bare), (255, 0, 0))).max() <= 3


def test_ycbcr_and_lab() -> None:
    red = Image.new("RGB", (16, 16), (255, 0, 0))
    assert np.abs(np.subtract(to_rgb(red.convert("YCbCr")).getpixel((0, 0)), (255, 0, 0))).max() <= 3
    assert np.abs(np.subtract(pixel(encoded(Image.new("LAB", (8, 8), (255, 128, 128)), "TIFF")), 255)).max() <= 2
    assert np.abs(np.subtract(pixel(encoded(Image.new("LAB", (8, 8), (0, 128, 128)), "TIFF")), 0)).max() <= 2
