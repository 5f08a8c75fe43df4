"""Describe each image format that howfar or a plug-in reads: file extensions, Pillow plugin, and memory for decoding."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from PIL import Image

from howfar import registry


@dataclass(frozen=True)
class ImageFormat:
    """Describe one raster format that howfar reads.

    Importing the module `plugin` adds the format to `PIL.Image.OPEN`; its files cannot be read where the module is absent.
    `names` are Pillow's names of the format, that of its opener first; `endings` those of its files, in lower case. Decoded
    pixels of a `lossy` format may differ from those that were saved, so that masks of the format are unsafe. `deep`: a pixel
    may be one number of 16 bits. `decoder_bytes` are held for each pixel beside Pillow's picture. `short_magic`: two letters
    begin a file, so that plain text may begin like one.
    """

    plugin: str
    names: tuple[str, ...]
    endings: tuple[str, ...]
    lossy: bool = False
    deep: bool = False
    decoder_bytes: int = 0
    short_magic: bool = False


# Only raster formats: Pillow opens an EPS file, whatever its name, by running Ghostscript on it.
JPEG = ImageFormat("PIL.JpegImagePlugin", ("JPEG", "MPO"), (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"), lossy=True)
PNG = ImageFormat("PIL.PngImagePlugin", ("PNG",), (".png", ".apng"), deep=True)
BMP = ImageFormat("PIL.BmpImagePlugin", ("BMP",), (".bmp",), short_magic=True)
GIF = ImageFormat("PIL.GifImagePlugin", ("GIF",), (".gif",))
TIFF = ImageFormat("PIL.TiffImagePlugin", ("TIFF",), (".tif", ".tiff"), deep=True)
WEBP = ImageFormat("PIL.WebPImagePlugin", ("WEBP",), (".webp",), lossy=True, decoder_bytes=8)
PPM = ImageFormat("PIL.PpmImagePlugin", ("PPM",), (".pbm", ".pgm", ".ppm", ".pnm", ".pfm"), deep=True, short_magic=True)
JPEG2000 = ImageFormat(
    "PIL.Jpeg2KImagePlugin",
    ("JPEG2000",),
    (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
    lossy=True,
    deep=True,
    decoder_bytes=16,
)
AVIF = ImageFormat("PIL.AvifImagePlugin", ("AVIF",), (".avif",), lossy=True, decoder_bytes=12)  # came with Pillow 11.3


@cache
def image_formats() -> tuple[ImageFormat, ...]:
    """Return the registered formats in the order in which they are tried on a file."""
    return tuple(registry.load("image_formats", name) for name in registry.ordered("image_formats"))


@cache
def format_named(name: str | None) -> ImageFormat | None:
    """Return the format with this Pillow name; None for an unknown name."""
    return next((each for each in image_formats() if name in each.names), None)


@cache
def openers() -> tuple[tuple[ImageFormat, Callable[..., Any], Callable[[bytes], Any]], ...]:
    """Return the installed formats, each with Pillow's functions that open a file and that accept a file's first bytes."""
    for each in image_formats():
        with suppress(ModuleNotFoundError):
            import_module(each.plugin)
    known = ((each, *Image.OPEN[each.names[0]]) for each in image_formats() if each.names[0] in Image.OPEN)
    return tuple((each, factory, accept) for each, factory, accept in known if accept is not None)


@cache
def image_endings(deep: bool = False) -> frozenset[str]:
    """Return the endings of image files in lower case, of all formats or of those whose pixels may be of 16 bits."""
    return frozenset(ending for each in image_formats() if each.deep or not deep for ending in each.endings)


def is_lossy(name: str | None) -> bool:
    """Return whether the format with this Pillow name alters values."""
    return (kind := format_named(name)) is not None and kind.lossy
