"""Image files to pictures: what is read, what is refused, and in which words."""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, features

from howfar.data import Decoded, content_hash, decode, images, read_bytes
from howfar.data.images import MAX_PIXELS, size, to_rgb, unused_bits
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


# Reading


def test_read_bytes_and_hash(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert read_bytes(tmp_path / "a") == b"abc"
    assert content_hash(b"abc") != content_hash(b"abd")
    assert len(content_hash(b"")) == 32


def test_read_bytes_reasons(tmp_path: Path) -> None:
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
            read_bytes(tmp_path / name)
        assert str(caught.value) == text


def test_read_bytes_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(b"x")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ImageError, match=r"^no read permission$"):
        read_bytes(tmp_path / "a.png")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_read_bytes_of_a_locked_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    (tmp_path / "a.png").chmod(0)
    with pytest.raises(ImageError, match=r"^no read permission$"):
        read_bytes(tmp_path / "a.png")


def test_read_bytes_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(b"12345")
    monkeypatch.setattr("howfar.data.image_bytes.MAX_BYTES", 4)
    with pytest.raises(ImageError, match="5 bytes: above the limit of 4"):
        read_bytes(tmp_path / "a.png")


# What comes with the pixels


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(form: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    smooth = noise(5, 7).resize((56, 40))
    data = encoded(smooth, form, exif=exif)
    plain = np.asarray(Image.open(io.BytesIO(encoded(smooth, form))).convert("RGB"))
    turned = {
        1: plain,
        2: plain[:, ::-1],
        3: plain[::-1, ::-1],
        4: plain[::-1],
        5: plain.transpose(1, 0, 2),
        6: plain[::-1].transpose(1, 0, 2),
        7: plain[::-1, ::-1].transpose(1, 0, 2),
        8: plain[:, ::-1].transpose(1, 0, 2),
    }[orientation]
    assert np.array_equal(np.asarray(decode(data).image), turned)
    assert np.array_equal(turned, np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")))


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


def test_other_warnings_are_heard_while_a_file_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def warn(_: object) -> Image.Image:
        warnings.warn("ours", stacklevel=1)
        return noise()

    monkeypatch.setattr(images, "to_rgb", warn)
    with pytest.warns(UserWarning, match="ours"):
        decode(encoded(noise(), "PNG"))


@pytest.mark.parametrize("form", ["GIF", "WEBP", "TIFF", "PNG"])
def test_the_first_of_several_frames(form: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if form == "WEBP" else {}
    found = decode(encoded(frames[0], form, save_all=True, append_images=frames[1:], **options))
    assert found.image.getpixel((0, 0)) == (255, 0, 0)
    assert found.note == "first of 3 frames"


def test_one_frame_has_no_note() -> None:
    assert isinstance(decode(encoded(noise(), "PNG")), Decoded)
    assert decode(encoded(noise(), "GIF")).note is None


# What is refused


# Pillow would hand an EPS file to Ghostscript.
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n%%EOF\n"


@pytest.mark.parametrize("data", [b"", b"hello", b"<html></html>", b"Python", b"BMW", b"\0" * 100, EPS[:24], EPS])
def test_not_an_image(data: bytes) -> None:
    assert reason(data) == "not an image that Pillow can read"


@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP", "TIFF", "PPM", "GIF"])
def test_truncated(form: str) -> None:
    data = encoded(noise(), form)
    assert reason(data[: len(data) // 2]) == "truncated image file"


@pytest.mark.parametrize("form", ["WEBP", "JPEG2000", pytest.param("AVIF", marks=WITH_AVIF)])
def test_cut_file_of_other_forms(form: str) -> None:
    data = encoded(noise(), form)
    assert reason(data[: len(data) // 2]).startswith(("truncated", "damaged"))


def test_tiff_whose_strips_do_not_cover_the_picture() -> None:
    data = bytearray(encoded(noise(), "TIFF"))
    height = data.index(struct.pack("<HHI", 257, 4, 1)) + 8
    data[height : height + 4] = struct.pack("<I", 400)
    assert reason(bytes(data)) == "damaged image file (its strips do not cover the picture)"


@pytest.mark.parametrize("options", [{"compression": "tiff_lzw"}, {"compression": "jpeg"}, {"strip_size": 500}])
def test_tiff_in_strips(options: dict[str, object]) -> None:
    assert decode(encoded(noise(), "TIFF", **options)).image.size == (56, 40)


@pytest.mark.parametrize("size", [(1, 1), (20000, 1), (3, 50), (50, 3)])
def test_a_side_that_carries_no_picture(size: tuple[int, int]) -> None:
    text = reason(encoded(Image.new("L", size), "PNG"))
    assert text == f"{size[0]}×{size[1]} pixels: a side under 4 px carries no picture"


def test_bomb_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    data = b"P5 20000 20000 255\n" + bytes(1000)
    assert reason(data) == "20000×20000 pixels: above the limit of 178,956,970"


def test_the_limit_is_ours_and_not_a_global_of_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    # Between Pillow's limit and twice that, Image.open warns, and warnings are errors here.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert decode(encoded(noise(), "PNG")).image.size == (56, 40)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert decode(encoded(noise(), "JPEG")).image.size == (56, 40)
    monkeypatch.setattr(images, "MAX_PIXELS", 2239)
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


BASES = [encoded(noise(24, 24), form) for form in ("JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP", "PPM", "JPEG2000")]
BASES.append(encoded(noise(24, 24).convert("P"), "PNG", transparency=3))
BASES.append(encoded(noise(24, 24), "GIF", save_all=True, append_images=[noise(24, 24).rotate(90)]))
FUZZ = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])


def only_pictures_and_reasons(data: bytes) -> None:
    try:
        picture = decode(data).image
    except ImageError as refused:
        text = str(refused)
    else:
        assert picture.mode == "RGB"
        assert min(picture.size) >= images.MIN_SIDE
        return
    assert text
    assert text.isprintable()


@FUZZ
@given(st.binary(max_size=200), st.sampled_from([b"", *(base[:12] for base in BASES)]))
def test_random_bytes(data: bytes, head: bytes) -> None:
    only_pictures_and_reasons(head + data)


@FUZZ
@given(st.sampled_from(BASES), st.data())
def test_damaged_files(base: bytes, data: st.DataObject) -> None:
    damaged = bytearray(base)
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, len(base) - 1), st.integers(0, 255)), max_size=12)):
        damaged[place] = value
    # Most faults of a form lie in its first bytes.
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(0, min(120, len(base) - 1)), st.integers(0, 255)), max_size=4)
    ):
        damaged[place] = value
    only_pictures_and_reasons(bytes(damaged[: data.draw(st.integers(1, len(base)))]))


def test_threads_agree() -> None:
    alone = [np.asarray(decode(base).image) for base in BASES]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda base: np.asarray(decode(base).image), BASES * 20))
    for index, picture in enumerate(together):
        assert np.array_equal(picture, alone[index % len(BASES)])


# Fewer bits than the file has


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
    assert unused_bits("xray", deep(tmp_path, top, ending=ending)) == (
        f"xray has 16-bit images that use {bits} bits (no value above {top:,} in 8 of them), and are read as nearly black: "
        f"multiply the values by {factor}, in all datasets alike"
    )


def test_images_of_all_bits_or_of_eight_are_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert unused_bits("none", []) == ""
    assert unused_bits("black", deep(tmp_path, 0, 3)) == ""
    assert unused_bits("bright", [*deep(tmp_path, 4095)[1:], deep(tmp_path, 40000, 1)[0]]) == ""
    assert "use 12 bits (no value above 4,095 in 1 of them)" in unused_bits("xray", deep(tmp_path, 4095, 1))
    paths = deep(tmp_path, 4095)
    Image.new("L", (8, 8)).save(tmp_path / "0.png")
    assert unused_bits("first", paths) == ""
    reads: list[object] = []
    monkeypatch.setattr("howfar.data.images.opened_file", reads.append)
    assert unused_bits("photographs", [tmp_path / "1.jpg", *paths]) == unused_bits("memory", ["python://0a/1"]) == ""
    assert not reads


# What the pixels of each kind of file become


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(depth: int, colour: int, rows: NDArray[np.uint16], size: tuple[int, int] | None = None, extra: bytes = b"") -> bytes:
    """A PNG written by hand: Pillow writes no 16-bit colour."""
    width, height = size or (rows.shape[1], rows.shape[0])
    raw = b"".join(b"\0" + row.astype(">u2" if depth == 16 else "u1").tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


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


# Sizes of images by their headers: those of the pictures that are decoded, whatever the format, without decoding any

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
