"""Image files to pictures: what is read, what is refused, and in which words."""

import io
import os
import re
import struct
import sys
import warnings
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, features

from howfar import registry
from howfar.data import decode, image_decoding, parse, read_bytes, read_mask
from howfar.data import image_formats as formats
from howfar.data.bands_and_bit_depth import range_warning
from howfar.data.image_decoding import MAX_PIXELS, size, to_rgb
from howfar.errors import ImageError

WITH_AVIF = pytest.mark.skipif("avif" not in features.get_supported(), reason="this Pillow reads no AVIF")


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def noise(height: int = 40, width: int = 56) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


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


@pytest.mark.parametrize("read", [read_bytes, size])
def test_what_is_no_file_has_one_short_reason(read: Callable[[Path], object], tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "gone.png").symlink_to(tmp_path / "nothing")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    os.mkfifo(tmp_path / "pipe.png")
    expected = {
        "none.png": "no such file",
        "empty.png/below.png": "no such file",
        "empty.png": "empty file (0 bytes)",
        "gone.png": "broken link",
        "pipe.png": "not a regular file",
        ".": "a folder, not an image",
        "loop.png": "Too many levels of symbolic links",
    }
    for name, text in expected.items():
        with pytest.raises(ImageError) as caught:
            read(tmp_path / name)
        assert str(caught.value) == text


def test_files_without_permission_and_beyond_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(b"12345")
    monkeypatch.setattr("howfar.data.image_bytes.MAX_BYTES", 4)
    with pytest.raises(ImageError, match="5 bytes: above the limit of 4"):
        read_bytes(tmp_path / "a.png")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("howfar.data.image_bytes.MAX_BYTES", 9)
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ImageError, match=r"^no read permission$"):
        read_bytes(tmp_path / "a.png")


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_to_pixels_and_sizes(form: str, orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    smooth = noise(5, 7).resize((56, 40))
    data = encoded(smooth, form, exif=exif)
    plain = np.asarray(Image.open(io.BytesIO(encoded(smooth, form))).convert("RGB"))
    flipped = plain[:: -1 if orientation in (3, 4, 6, 7) else 1, :: -1 if orientation in (2, 3, 7, 8) else 1]
    turned = flipped.transpose(1, 0, 2) if orientation > 4 else flipped
    assert np.array_equal(np.asarray(decode(data).image), turned)
    assert np.array_equal(turned, np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")))
    (tmp_path / "a").write_bytes(data)
    assert size(tmp_path / "a") == ((56, 40) if orientation < 5 else (40, 56))


def test_damaged_exif_does_not_hide_the_picture() -> None:
    jpeg = encoded(Image.new("RGB", (16, 16), (200, 200, 200)), "JPEG")
    body = b"Exif\0\0II*\0\xff\xff\xff\xff"
    data = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]
    before = list(warnings.filters)
    with pytest.warns(UserWarning, match="Corrupt EXIF data"), Image.open(io.BytesIO(data)) as image:
        image.load()
    # Warnings are errors here, so Pillow's must not come through.
    assert pixel(data) == (200, 200, 200)
    assert warnings.filters == before
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(pixel, [data] * 200)) == {(200, 200, 200)}
    assert warnings.filters == before


@pytest.mark.parametrize("form", ["GIF", "WEBP", "TIFF", "PNG"])
def test_the_first_of_several_frames(form: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if form == "WEBP" else {}
    found = decode(encoded(frames[0], form, save_all=True, append_images=frames[1:], **options))
    assert (found.image.getpixel((0, 0)), found.note) == ((255, 0, 0), "first of 3 frames")
    assert decode(encoded(frames[0], form)).note is None


# Pillow would hand an EPS file to Ghostscript.
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n%%EOF\n"

SLIVERS = [(1, 1), (20000, 1), (3, 50), (50, 3)]


@pytest.mark.parametrize("data", [b"", b"hello", b"<html></html>", b"Python", b"BMW", b"\0" * 100, EPS[:24], EPS])
def test_not_an_image(data: bytes) -> None:
    assert reason(data) == "not an image that Pillow can read"


@pytest.mark.parametrize(
    "form", ["JPEG", "PNG", "BMP", "TIFF", "PPM", "GIF", "WEBP", "JPEG2000", pytest.param("AVIF", marks=WITH_AVIF)]
)
def test_cut_files_are_refused(form: str) -> None:
    data = encoded(noise(), form)
    told = reason(data[: len(data) // 2])
    assert told == "truncated image file" or (form in ("WEBP", "JPEG2000", "AVIF") and told.startswith("damaged"))


def test_strips_of_tiff_must_cover_the_picture() -> None:
    for options in ({"compression": "tiff_lzw"}, {"compression": "jpeg"}, {"strip_size": 500}):
        assert decode(encoded(noise(), "TIFF", **options)).image.size == (56, 40)
    data = bytearray(encoded(noise(), "TIFF"))
    height = data.index(struct.pack("<HHI", 257, 4, 1)) + 8
    data[height : height + 4] = struct.pack("<I", 400)
    assert reason(bytes(data)) == "damaged image file (its strips do not cover the picture)"


ABOVE = (
    "above the limit of 178,956,970 pixels that no option lifts: cut it into tiles (a raster: --window 512), or make it smaller"
)


def test_bombs_and_slivers_are_refused_before_they_are_decoded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines = {
        encoded(Image.new("L", (w, h)), "PNG"): f"{w}×{h} pixels: a side under 4 px carries no picture" for w, h in SLIVERS
    }
    lines[b"P5 20000 20000 255\n" + bytes(1000)] = f"400,000,000 pixels (20000×20000), {ABOVE}"
    lines[f"P4\n{MAX_PIXELS} 8\n".encode()] = f"{8 * MAX_PIXELS:,} pixels ({MAX_PIXELS}×8), {ABOVE}"

    def load(_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    for data, line in lines.items():
        assert reason(data) == line
        (tmp_path / "a").write_bytes(data)
        with pytest.raises(ImageError, match=re.escape(line)):
            size(tmp_path / "a")


def test_the_limit_is_ours_and_not_a_global_of_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    # Between Pillow's limit and twice that, Image.open warns, and warnings are errors here.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert decode(encoded(noise(), "PNG")).image.size == (56, 40)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert decode(encoded(noise(), "JPEG")).image.size == (56, 40)
    monkeypatch.setattr(image_decoding, "MAX_PIXELS", 2239)
    assert "above the limit" in reason(encoded(noise(), "PNG"))


def test_an_error_of_any_kind_becomes_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(noise(), "PNG")
    for error, text in (
        (MemoryError(), "too large for the memory at hand"),
        (RuntimeError("several\nlines " + "x" * 200), "damaged image file (several lines xxx"),
        (KeyError(), "damaged image file (KeyError)"),
    ):

        def load(_: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(ImageFile.ImageFile, "load", load)
        assert reason(data).startswith(text)


def deep(folder: Path, top: int, count: int = 12, ending: str = "png") -> list[Path]:
    rng = np.random.default_rng(0)
    paths = [folder / f"{number}.{ending}" for number in range(count)]
    for path in paths:
        values = rng.integers(0, top, (16, 16), endpoint=True).astype(np.uint16)
        values[0, 0] = top
        Image.fromarray(values).save(path)
    return paths


@pytest.mark.parametrize("ending", ["png", "tif"])
@pytest.mark.parametrize(("top", "bits", "factor"), [(4095, 12, 16), (1023, 10, 64), (16383, 14, 4), (200, 8, 256)])
def test_images_of_fewer_bits_than_their_files_are_told(tmp_path: Path, top: int, bits: int, factor: int, ending: str) -> None:
    assert range_warning("xray", deep(tmp_path, top, ending=ending)) == (
        f"xray has 16-bit images that use {bits} bits (no value above {top:,} in 8 of them), and are read as nearly black: "
        f"pass --range 0:{65536 // factor - 1}, which all datasets are read by"
    )


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(depth: int, colour: int, rows: NDArray[np.uint16], size: tuple[int, int] | None = None, extra: bytes = b"") -> bytes:
    """A PNG written by hand: Pillow writes no 16-bit colour."""
    width, height = size or (rows.shape[1], rows.shape[0])
    raw = b"".join(b"\0" + row.astype(">u2" if depth == 16 else "u1").tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


LOSSLESS = {"PNG": {}, "BMP": {}, "TIFF": {}, "PPM": {}, "WEBP": {"lossless": True}, "JPEG2000": {"irreversible": False}}


@pytest.mark.parametrize("form", LOSSLESS)
def test_lossless_forms_come_back_as_they_were(form: str) -> None:
    picture = noise()
    assert np.array_equal(np.asarray(decode(encoded(picture, form, **LOSSLESS[form])).image), np.asarray(picture))


def palette(colour: tuple[int, int, int]) -> Image.Image:
    """A picture of the second of two colours, but for one pixel."""
    picture = Image.new("P", (8, 8), 1)
    picture.putpalette([0, 0, 0, *colour])
    picture.putpixel((1, 0), 0)
    return picture


@pytest.mark.parametrize(
    ("picture", "form", "transparency", "shown"),
    [
        (Image.new("L", (8, 8), 77), "PNG", None, (77, 77, 77)),
        (Image.new("1", (8, 8), 1), "PNG", None, (255, 255, 255)),
        (Image.new("1", (8, 8), 0), "TIFF", None, (0, 0, 0)),
        (palette((10, 200, 30)), "PNG", None, (10, 200, 30)),
        (palette((10, 200, 30)), "GIF", None, (10, 200, 30)),
        (palette((0, 0, 0)), "PNG", 1, (255, 255, 255)),
        (palette((0, 0, 0)), "PNG", bytes([255, 128]), (127, 127, 127)),
        (Image.new("RGBA", (8, 8), (255, 0, 0, 128)), "PNG", None, (255, 127, 127)),
        (Image.new("RGBA", (8, 8), (9, 9, 9, 0)), "PNG", None, (255, 255, 255)),
        (Image.new("LA", (8, 8), (0, 128)), "PNG", None, (127, 127, 127)),
        (Image.new("L", (8, 8), 5), "PNG", 5, (255, 255, 255)),
        (Image.new("RGB", (8, 8), (1, 2, 3)), "PNG", (1, 2, 3), (255, 255, 255)),
        (Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "TIFF", None, (255, 0, 0)),
    ],
)
def test_pixels_become_rgb_on_white(picture: Image.Image, form: str, transparency: object, shown: tuple[int, ...]) -> None:
    data = encoded(picture, form, **({} if transparency is None else {"transparency": transparency}))
    assert pixel(data) == shown
    assert picture.mode != "P" or pixel(data, 1) == (0, 0, 0)


def test_sixteen_bit_grey_is_scaled() -> None:
    values = np.tile(np.array([0, 257, 32768, 65535], np.uint16), (4, 1))
    for data in (
        png(16, 0, values),
        encoded(Image.fromarray(values), "TIFF"),
        encoded(Image.fromarray(values.astype(np.int32)), "TIFF"),
        b"P5 4 4 65535\n" + values.astype(">u2").tobytes(),
    ):
        assert np.asarray(decode(data).image)[0, :, 1].tolist() == [0, 1, 128, 255]
    clear = png(16, 0, values, extra=chunk(b"tRNS", struct.pack(">H", 257)))
    assert np.asarray(decode(clear).image)[0, :, 1].tolist() == [0, 255, 128, 255]


def test_sixteen_bit_colour() -> None:
    values = np.zeros((4, 4, 3), np.uint16)
    values[..., 0] = 65535
    assert pixel(png(16, 2, values)) == (255, 0, 0)
    assert pixel(png(16, 6, np.dstack([values, np.zeros((4, 4), np.uint16)]))) == (255, 255, 255)


REMEDY = "say which become 0 to 255, as --range 0:3000"


def test_values_without_an_agreed_meaning_are_refused() -> None:
    assert pixel(encoded(Image.fromarray(np.full((4, 4), 0.5, np.float32)), "TIFF")) == (128, 128, 128)
    for value, kind, line in (
        (300, np.float32, f"floating values from 300 to 300: only 0 to 1 has an agreed meaning: {REMEDY}"),
        (np.nan, np.float32, "floating values that are not finite"),
        (70000, np.int32, f"32-bit values from 70000 to 70000: only 0 to 65535 has an agreed meaning: {REMEDY}"),
        (-5, np.int32, f"32-bit values from -5 to -5: only 0 to 65535 has an agreed meaning: {REMEDY}"),
    ):
        assert reason(encoded(Image.fromarray(np.full((4, 4), value, kind)), "TIFF")) == line


def test_cmyk_ycbcr_and_lab() -> None:
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    assert np.abs(np.subtract(pixel(encoded(red, "JPEG", quality=100)), (255, 0, 0))).max() <= 3
    assert min(pixel(encoded(Image.new("CMYK", (16, 16)), "JPEG"))) >= 252
    # Pillow writes the ink inverted and says so by Adobe's marker; without the marker the same bytes mean the opposite.
    jpeg = encoded(Image.new("CMYK", (16, 16), (255, 0, 0, 255)), "JPEG", quality=100)
    start = jpeg.index(b"\xff\xee")
    (length,) = struct.unpack(">H", jpeg[start + 2 : start + 4])
    assert np.abs(np.subtract(pixel(jpeg[:start] + jpeg[start + 2 + length :]), (255, 0, 0))).max() <= 3
    assert np.abs(np.subtract(to_rgb(red.convert("RGB").convert("YCbCr")).getpixel((0, 0)), (255, 0, 0))).max() <= 3
    for level in (255, 0):
        lab = encoded(Image.new("LAB", (8, 8), (level, 128, 128)), "TIFF")
        assert np.abs(np.subtract(pixel(lab), level)).max() <= 2


FORMS = ("JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP", "PPM", "JPEG2000")


@pytest.mark.parametrize("form", FORMS)
def test_sizes_are_read_without_decoding_a_pixel(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(encoded(noise(), form))
    decoded: list[object] = []
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: decoded.append(image))
    assert size(tmp_path / "a") == (56, 40)
    assert not decoded
    if form in ("JPEG", "PNG", "BMP"):  # a cut file has a size
        (tmp_path / "a").write_bytes(encoded(noise(), form)[:-500])
        assert size(tmp_path / "a") == (56, 40)


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
    for remembered in (formats.image_formats, formats.format_named, formats.openers, formats.image_endings):
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


def write_heif(file: Path) -> None:
    file.parent.mkdir(parents=True)
    Image.fromarray(np.full((8, 8), 255, np.uint8)).save(file.with_suffix(".png"))
    file.write_bytes(b"heif" + file.with_suffix(".png").read_bytes())
    file.with_suffix(".png").unlink()


@pytest.mark.usefixtures("heif")
def test_a_format_of_another_package_is_read(tmp_path: Path) -> None:
    for folder in ("images", "masks"):
        write_heif(tmp_path / "roads" / folder / "1.heic")
    (item,) = parse(tmp_path / "roads").items
    assert decode(read_bytes(item.path)).image.getpixel((0, 0)) == (255, 255, 255)
    assert item.mask is not None
    assert read_mask(item.mask).all()


def test_without_the_package_such_a_file_is_skipped(tmp_path: Path) -> None:
    write_heif(tmp_path / "roads" / "images" / "1.heic")
    Image.new("L", (8, 8)).save(tmp_path / "roads" / "images" / "2.png")
    (skipped,) = parse(tmp_path / "roads").skipped
    assert skipped.reason == "the format .heic is not read: convert it to PNG or JPEG"
    with pytest.raises(ImageError, match="not an image that Pillow can read"):
        decode(read_bytes(tmp_path / "roads" / "images" / "1.heic"))
