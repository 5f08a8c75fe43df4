"""Read chosen bands of images of any bit depth, scale them to 8 bits, and warn of bands, pages or alpha that are ignored.

Pillow reads what it holds whole, so that an 8-bit picture keeps its values; rasterio (the extra ``geo``) reads other rasters:
more than four bands, and colours of more than 8 bits.
"""

import io
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path, PurePath
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from howfar.data import image_stacks
from howfar.data.compact_item_table import Item, ItemTable
from howfar.data.image_bytes import read_bytes
from howfar.data.image_decoding import (
    NAME_RANGE,
    UNKNOWN_BANDS,
    check_size,
    check_strips,
    damage_named,
    decoding,
    decoding_bytes,
    is_wide,
    open_image,
    reason_added,
    to_rgb,
    upright,
)
from howfar.data.image_encoding import netpbm
from howfar.data.image_formats import image_endings
from howfar.errors import ImageError, InputError, needing
from howfar.image_reading_options import AUTO, DTYPE, PixelReading, by_reading, file_and_reading, range_learnt, reading_asked
from howfar.io.file_location import is_in_memory
from howfar.results import Skipped

MODES: Final = frozenset({"L", "LA", "RGB", "RGBA", "RGBX", "I", "F"})
"""Pillow's modes whose bands are those of the file; a picture of another mode is read as RGB."""
SAMPLE: Final = 32
"""Images that a range is learnt from, spread evenly over the first dataset."""
LOOKED_AT: Final = 8
"""Images of a dataset that are looked at for what is left out."""
NO_DATA: Final = "no data in more than half of this window"
"""Why a window is left out; such windows are counted, not listed."""
CACHE: Final = 64 << 20
"""Bytes of decoded blocks that GDAL keeps, so that neighbouring windows do not decode a block twice."""
_FEW_BITS: Final = 14
"""Most bits that a 16-bit file leaves others unused with: sensors have 10, 12 or 14."""
_POINTS: Final = 1 << 14
_PERCENTILES: Final = (0.5, 99.5)
_SAMPLES_TAG: Final = 277
_TIFF: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_DRIVERS: Final = {
    **dict.fromkeys(_TIFF, "GTiff"),
    **dict.fromkeys((b"\0\0\0\x0cjP", b"\xff\x4f\xff\x51"), "JP2OpenJPEG"),
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
}
"""GDAL's driver that may open a file, by how the file begins: others read what a file names, also from the network."""


def picture_bytes(file: Path | str, reading: PixelReading) -> bytes:
    """Return an image's chosen bands as a netpbm file of 8 bits (PGM, PPM or PAM); raise `ImageError` with a reason."""
    values = file_values(file, reading)
    if isinstance(values, np.ma.MaskedArray):
        if values.mask.all():
            raise ImageError("no pixel of it holds data")
        values = values.filled(reading.limits[0] if reading.limits else 0)
    if values.dtype.kind == "f" and np.isnan(values).all():
        raise ImageError("no pixel of it holds a number")
    levels = to_levels(values, reading)
    check_size(levels.shape[1], levels.shape[0])
    return netpbm(levels)


def file_values(file: Path | str, reading: PixelReading) -> NDArray[Any]:
    """Return the chosen values of a file, (h, w, bands) in the file's own type, masked where pixels have no data."""
    if reading.at:
        return image_stacks.values(file, reading)
    data = read_bytes(file)
    with damage_named():
        failed: Exception | None = None
        try:
            if (values := _by_pillow(data, reading.bands)) is not None:
                return values
        except Exception as error:  # Pillow fails in many ways over bands and types that GDAL reads
            if not data.startswith(_TIFF) or (UNKNOWN_BANDS not in str(error) and find_spec("rasterio") is None):
                raise
            failed = error
        try:
            with rasters_read() as rasterio, rasterio.MemoryFile(data) as held, held.open(driver=driver_of(data[:8])) as raster:
                return raster_values(raster, reading.bands)
        except ImageError as error:
            if failed is None or "band" in str(error) or UNKNOWN_BANDS in str(failed):
                raise
            raise failed from error


def _by_pillow(data: bytes, bands: Sequence[int]) -> NDArray[Any] | None:
    """Read the bands of a file, counted over its pages; None where Pillow would drop a band or bits."""
    image = open_image(io.BytesIO(data))
    check_size(*image.size)
    check_strips(image)
    own = len(image.getbands()) if image.mode in MODES or is_wide(image) else 3
    raw = [tile[3] for tile in getattr(image, "tile", ()) if len(tile) > 3]
    names = [str(each[0] if isinstance(each, tuple) and each else each) for each in raw]
    deep = image.format in ("TIFF", "PNG") and any("16" in name or "32" in name for name in names)
    if (image.mode in MODES and _samples(image) > own) or (own > 1 and deep):
        return None
    pages, wanted = getattr(image, "n_frames", 1), [number - 1 for number in bands or range(1, min(own, 3) + 1)]
    wanted = wanted if bands or own != 2 else [0]
    _check_bands(max(wanted) + 1, own * pages)
    read: dict[int, NDArray[Any]] = {}
    with decoding((1 + len(wanted)) * decoding_bytes(image), f"{image.width}×{image.height} pixels"):
        for page in dict.fromkeys(number // own for number in wanted):
            image.seek(page)
            image.load()
            whole = upright(image)
            plain = whole if whole.mode in MODES or is_wide(whole) else to_rgb(whole)
            values = np.asarray(plain)
            values = values[..., None] if values.ndim == 2 else values
            if values.shape[2] != own:
                raise ImageError(f"page {page + 1} has {values.shape[2]} bands, and the first has {own}")
            read |= {page * own + band: values[..., band] for band in range(own) if page * own + band in wanted}
        if len({band.shape for band in read.values()}) > 1:
            raise ImageError("its pages differ in size")
        return np.stack([read[number] for number in wanted], axis=-1)


def _check_bands(last: int, count: int) -> None:
    if last > count:
        raise ImageError(f"it has {count} band{'s' if count > 1 else ''}, and --bands asks for band {last}")


def driver_of(head: bytes) -> str:
    """Return GDAL's driver for a file by its first bytes; raise `ImageError` for another kind of file."""
    driver = next((name for magic, name in _DRIVERS.items() if head.startswith(magic)), None)
    if driver is None:
        raise ImageError("damaged image file (it does not begin as a TIFF, PNG, JPEG or JPEG 2000 file)")
    return driver


@contextmanager
def rasters_read() -> Iterator[Any]:
    """Yield rasterio; raise `ImageError` where it is missing, or for a raster that it cannot read in the block."""
    with needing("needs rasterio: pip install 'howfar[geo]'", ImageError):
        import rasterio
        from rasterio.errors import NotGeoreferencedWarning, RasterioError
    warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)
    with reason_added("damaged image file", RasterioError):
        yield rasterio


def raster_values(raster: Any, bands: Sequence[int], window: Any = None) -> NDArray[Any]:
    """Return the bands (h, w, bands) of an open raster or of its window."""
    import rasterio

    height, width = (raster.height, raster.width) if window is None else (window.height, window.width)
    check_size(width, height)
    if not bands and raster.count > 3:
        choice = ",".join(map(str, range(1, raster.count + 1)))
        raise ImageError(f"it has {raster.count} bands: choose those to read, as --bands 3,2,1 or --bands {choice}")
    chosen = list(bands) or [1, 2, 3][: 1 if raster.count < 3 else 3]
    _check_bands(max(chosen), raster.count)
    needed = 2 * width * height * len(chosen) * np.dtype(raster.dtypes[0]).itemsize
    # GDAL asks for the size of its cache at the first block that it reads, so this must stand around each.
    with rasterio.Env(GDAL_CACHEMAX=CACHE), decoding(needed, f"{width}×{height} pixels of {len(chosen)} bands"):
        # Of a window `howfar.data.raster_windows_and_outlines` asks which pixels hold data.
        masked = window is None and any(nothing is not None for nothing in raster.nodatavals)
        return np.moveaxis(raster.read(chosen, window=window, masked=masked), 0, -1)


def to_levels(values: NDArray[Any], reading: PixelReading) -> NDArray[np.uint8]:
    """Map values (h, w, c) to 0-255: v ↦ round(255 · (v − low) / (high − low)), cut at both ends; not-a-number becomes 0."""
    kind, (low, high) = values.dtype, _limits(values, reading)
    if kind == np.uint8 and (low, high) == (0, 255):
        return values
    if kind not in (np.uint8, np.uint16, np.int16):
        scaled = np.clip((values.astype(np.float64) - low) * (255.0 / (high - low)), 0, 255)
        return np.rint(np.nan_to_num(scaled, nan=0.0)).astype(np.uint8)
    levels, bits = _levels_of(kind.name, low, high), values.view(f"u{kind.itemsize}")
    if bits.flags.c_contiguous:
        return levels(bits)
    return np.stack([levels(band) for band in np.moveaxis(bits, -1, 0)], axis=-1)


@lru_cache(maxsize=16)
def _levels_of(kind: str, low: float, high: float) -> Callable[[NDArray[Any]], NDArray[np.uint8]]:
    """Return a function that looks up the levels of values, given as bits, by Arrow, the quickest way."""
    import pyarrow

    bits = np.arange(1 << (8 * np.dtype(kind).itemsize)).astype(f"u{np.dtype(kind).itemsize}")
    scaled = np.clip((bits.view(kind).astype(np.float64) - low) * (255.0 / (high - low)), 0, 255)
    table = pyarrow.array(np.rint(scaled).astype(np.uint8))
    return lambda values: table.take(pyarrow.array(values.reshape(-1))).to_numpy().reshape(values.shape)


def _limits(values: NDArray[Any], reading: PixelReading) -> tuple[float, float]:
    kind = values.dtype
    if reading.limits is not None:
        return reading.limits
    if reading.range == AUTO:
        raise ImageError("its range is auto, and was learnt from no dataset: give the range, as --range 0:3000")
    if reading.range == DTYPE:
        return (0, 1) if kind.kind == "f" else (float(np.iinfo(kind).min), float(np.iinfo(kind).max))
    if kind in (np.uint8, np.uint16):
        return 0, float(np.iinfo(kind).max)
    top = 1 if kind.kind == "f" else 65535
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= top):
        raise ImageError(f"{kind} values from {low:g} to {high:g}: only 0 to {top} has an agreed meaning: {NAME_RANGE}")
    return 0, top


def read_so(dataset: str, items: Sequence[Item]) -> tuple[ItemTable, tuple[Skipped, ...]]:
    """Record in each image's location how its pixels are read; cut files of many images, and also return skipped images."""
    asked, skipped = reading_asked(), list[Skipped]()
    if asked.window or image_stacks.among(items):
        items = ItemTable.of(image_stacks.cut(dataset, items, skipped))
    # A range `auto` is learnt from these images if none is known.
    reading = range_learnt(_learnt(dataset, items, asked)) if asked.range == AUTO and items else asked

    def completed(image: Path | str) -> Path | str:
        # A window that says only where it lies is read with the bands and the range asked for.
        file, own = file_and_reading(image)
        if own.at and not (own.bands or own.range):
            return by_reading(file, replace(own, bands=reading.bands, range=reading.range))
        return by_reading(image, replace(reading, window=0, frames=""))

    return ItemTable.of(replace(item, path=completed(item.path)) for item in items), tuple(skipped)


def _learnt(dataset: str, items: Sequence[Item], reading: PixelReading) -> str:
    """Return the 0.5th to 99.5th percentile of the chosen bands' values in some images of a dataset, as ``low:high``."""
    values = []
    first = ""
    for row in _spread(len(items), SAMPLE):
        try:
            file, own = file_and_reading(items[row].path)
            read = np.ma.compressed(file_values(file, replace(own, bands=own.bands or reading.bands, range=AUTO)))
        except ImageError as error:
            first = first or f"; the first: {items[row].path}: {error}"
            continue
        read = read[:: max(1, len(read) // _POINTS)]
        values.append(read[np.isfinite(read)].astype(np.float64))
    if not any(map(len, values)):
        raise InputError(f"--range auto needs images of {dataset} that can be read{first}: give the range, as --range 0:3000")
    low, high = np.percentile(np.concatenate(values), _PERCENTILES)
    if np.issubdtype(read.dtype, np.integer):
        low, high = np.floor(low), np.ceil(high)
    high = high if high > low else low + 1
    # As few digits as leave the range its width.
    texts = ((f"{low:.{digits}g}", f"{high:.{digits}g}") for digits in range(5, 18))
    close = (":".join(each) for each in texts if float(each[1]) - float(each[0]) > 0.99 * (high - low))
    return next(close, f"{low!r}:{high!r}")


def range_warning(dataset: str, paths: Sequence[Path | str]) -> str:
    """Return a warning on images beyond the range that is read (of one colour) or of few of 16 bits (nearly black); else ""."""
    limits = file_and_reading(paths[0])[1].limits if len(paths) else None
    if limits is None:
        return _unused_bits(dataset, paths)
    beyond, places = 0, _spread(len(paths), LOOKED_AT)
    for place in places:
        with suppress(ImageError):
            values = file_values(*file_and_reading(paths[place]))
            beyond += bool(values.max() <= limits[0] or values.min() >= limits[1])
    if not beyond:
        return ""
    what = f"{beyond} of {len(places)} images looked at have no pixel in the range {limits[0]:g}:{limits[1]:g}"
    return f"{dataset}: {what}, and are read as one colour: pass a range that holds their values, or --range auto"


def _unused_bits(dataset: str, paths: Sequence[Path | str]) -> str:
    """Return a warning if some 16-bit images of a dataset use so few bits that they read as nearly black; else ""."""
    tops = []
    for place in _spread(len(paths), LOOKED_AT):
        file, reading = file_and_reading(paths[place])
        if is_in_memory(file) or PurePath(str(file)).suffix.lower() not in image_endings(deep=True) or reading.range:
            return ""
        try:
            values = file_values(file, reading)
        except ImageError:
            continue
        if values.dtype == np.uint8:
            return ""
        tops.append(0 if values.dtype.kind == "f" else int(values.max()))
    bits = max(tops, default=0).bit_length()
    if not 0 < bits <= _FEW_BITS:
        return ""
    most = f"no value above {max(tops):,} in {len(tops)} of them"
    remedy = f"pass --range 0:{(1 << bits) - 1}, which all datasets are read by"
    return f"{dataset} has 16-bit images that use {bits} bits ({most}), and are read as nearly black: {remedy}"


def _spread(count: int, sample: int) -> list[int]:
    """Return the places of some of `count` images, spread evenly."""
    return sorted({place * (count - 1) // (sample - 1) for place in range(sample)}) if count else []


def left_out(dataset: str, paths: Sequence[Path | str]) -> Iterator[str]:
    """Yield a sentence on each kind of content of a dataset's images that is not read: further bands, frames, transparency."""
    found, places = Counter[str](), _spread(len(paths), LOOKED_AT)
    for place in places:
        file, reading = file_and_reading(paths[place])
        if not reading.bands and not reading.at:
            found.update(_left_out(file, bool(reading)))
    for part, count in found.items():
        yield f"{dataset}: {part}, in {count} of {len(places)} images looked at: --bands chooses what is read"


def no_data(dataset: str, count: int) -> list[str]:
    """Return a note on windows of a dataset that are left out since they hold no data."""
    return [f"{dataset}: {count} windows are left out, which hold no data in more than half of their pixels"] if count else []


def _left_out(path: Path | str, ranged: bool) -> list[str]:
    """Describe the bands, values and pages of an image file that are ignored without `--bands`."""
    try:
        data = read_bytes(path)
        with damage_named():
            image = open_image(io.BytesIO(data))
            frames, samples = getattr(image, "n_frames", 1), _samples(image)
            own = 3 if image.mode in ("RGB", "RGBX") else len(image.getbands())
            parts = [f"the first of {frames} frames or pages is read alone"] if frames > 1 else []
            further = f"bands {own + 1} to {samples} are" if samples > own + 1 else f"band {samples} is"
            parts += [f"{further} left out"] if samples > own else []
            if image.has_transparency_data:
                with decoding(decoding_bytes(image), f"{image.width}×{image.height} pixels"):
                    lowest, _ = image.convert("RGBA").getchannel("A").getextrema()
                words = "transparency is left out" if ranged else "transparent pixels are laid on white"
                parts += [words] if cast("float", lowest) < 255 else []
            return parts
    except ImageError:
        return []


def _samples(image: Image.Image) -> int:
    """Return how many bands a TIFF file says that it has; of other files those of Pillow's picture."""
    return int((getattr(image, "tag_v2", None) or {}).get(_SAMPLES_TAG, len(image.getbands())))
