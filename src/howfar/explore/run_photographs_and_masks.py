"""Read a run's photographs, masks and predictions for the interactive page, small or at full size."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image

from howfar.data import Dataset, parse, read_bytes
from howfar.data.binary_masks import read_mask, resize_mask
from howfar.data.image_decoding import shown as for_display
from howfar.data.prediction_maps import read_prediction
from howfar.errors import HowfarError, ImageError
from howfar.explore.image_rows_and_positions import RunImages
from howfar.image_reading_options import reading_pixels
from howfar.io.file_location import is_url
from howfar.io.partial_results import KeptArrays, part_key

SHOWN = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}
QUALITY = 90


def photograph(path: str, side: int | None = None) -> Image.Image:
    """Read an image upright as RGB, at most `side` pixels a side; raise `ImageError` if it is unreadable."""
    if not path:
        raise ImageError("no file")
    image = for_display(read_bytes(path))
    if side is not None:
        image.thumbnail((side, side))
    return image


def mask(path: str, size: tuple[int, int] | None = None) -> Image.Image:
    """Read a mask as white on black, resized to (width, height) without losing thin lines; raise `ImageError`."""
    foreground = read_mask(path)
    if size is not None:
        foreground = resize_mask(foreground, size[1], size[0])
    return Image.fromarray(foreground.astype(np.uint8) * np.uint8(255))


def probabilities(path: str, size: tuple[int, int] | None = None) -> Image.Image:
    """Read a probability map as 8-bit grey, resized to (width, height) by the highest value in each pixel."""
    from howfar.figures.contact_sheets import highest, unit_values

    values: NDArray[np.float64] = unit_values(read_prediction(path).values)
    if size is not None:
        values = highest(values, size[1], size[0])
    return Image.fromarray(np.round(255 * values).astype(np.uint8))


def encoded(image: Image.Image, kind: str, quality: int = QUALITY, effort: int = 4) -> bytes:
    """Encode a picture as "WEBP", "PNG" or "JPEG"; higher `effort` makes WEBP slower and smaller."""
    buffer = io.BytesIO()
    options = {"quality": quality, "method": effort} if kind == "WEBP" else {"quality": quality} if kind == "JPEG" else {}
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def masks_of(sources: Mapping[str, str], reading: Mapping[str, Any] | None = None) -> dict[tuple[str, str], str]:
    """Find the masks of a run's images, by dataset and image, in datasets on this machine, read as the run's `reading` says."""
    found: dict[tuple[str, str], str] = {}
    for name, source in sources.items():
        if is_url(source) or not Path(source).exists():
            continue
        try:
            with reading_pixels(reading or {}):
                dataset = parse(source, name)
        except HowfarError:
            continue
        if isinstance(dataset, Dataset):
            found |= {(name, item.name): str(item.mask) for item in dataset.items if item.mask is not None}
    return found


WEBP_QUALITY: Final = 62
EFFORT: Final = 1
"""How long WebP looks for a smaller file, 0-6: at 4, its usual, the files are 8 % smaller and take three times as long."""
FOLDER: Final = ".thumbnails"
"""Within a run folder: the small photographs of its last report."""
_NAME: Final = "photographs"


class Small(NamedTuple):
    """Hold an image's small pictures as files, b"" if missing; `size` is the photograph's, `width`, `height` the image's."""

    photograph: bytes
    size: tuple[int, int]
    width: int
    height: int
    row: int = 0
    mask: bytes = b""
    predictions: tuple[bytes, ...] = (b"",)


def small_photographs(paths: Sequence[str], side: int, folder: Path | None = None) -> list[Small | None]:
    """Make photographs of at most `side` pixels a side, None if unreadable; `folder` keeps them until a file changes."""
    key = None if folder is None else _key(paths, side)
    kept = KeptArrays(None if folder is None or key is None else folder / FOLDER)
    found = _unpacked(kept.read(_NAME), key)
    if found is not None:
        return list(found)
    made: list[Small | None] = []
    for path in paths:
        try:
            image = photograph(path)
        except (HowfarError, OSError):
            made.append(None)
            continue
        width, height = image.size
        image.thumbnail((side, side))
        made.append(Small(encoded(image, "WEBP", WEBP_QUALITY, EFFORT), image.size, width, height))
    whole = [shown for shown in made if shown is not None]
    # A file that is refused now may be read the next time, though it is the same file.
    if len(whole) == len(made):
        kept.keep(_NAME, {"key": np.array(key), **_packed(whole)})
    return made


def _key(paths: Sequence[str], side: int) -> str | None:
    """Return a key of everything that small photographs depend on; None if a path is no local file."""
    try:
        stamps = [(path, (stamp := Path(path).stat()).st_size, stamp.st_mtime_ns) for path in paths]
    except (OSError, ValueError):
        return None
    return part_key(FOLDER, side, WEBP_QUALITY, EFFORT, PIL.__version__, stamps)


def _packed(photographs: Sequence[Small]) -> dict[str, NDArray[Any]]:
    """Pack files into one array, with their lengths and sizes."""
    numbers = [(len(each.photograph), *each.size, each.width, each.height) for each in photographs]
    files = np.frombuffer(b"".join(each.photograph for each in photographs), dtype=np.uint8)
    return {"numbers": np.array(numbers, dtype=np.int64).reshape(-1, 5), "files": files}


def _unpacked(arrays: Mapping[str, NDArray[Any]] | None, key: str | None) -> list[Small] | None:
    """Rebuild photographs from packed arrays; None if these are missing or have another key."""
    if arrays is None or str(arrays.get("key")) != key:
        return None
    numbers, files = (np.asarray(arrays.get(name)) for name in ("numbers", "files"))
    if numbers.dtype != np.int64 or numbers.shape[1:] != (5,) or files.dtype != np.uint8:
        return None
    stream = io.BytesIO(files.tobytes())
    return [Small(stream.read(length), (wide, high), *whole) for length, wide, high, *whole in numbers.tolist()]


BUDGET = 2_200_000
"""Bytes of all small pictures of a report, which the page's base64 makes a third more of."""
MOST_ROWS = 2_000
SIDES = ((192, 9_000), (144, 5_500), (112, 3_400), (88, 2_200), (64, 1_000))
"""Pixels of the longer side, and the bytes that an image with its mask and prediction takes at the most at that size."""


def thumbnails(
    points: RunImages, masks: Mapping[tuple[str, str], str], budget: int = BUDGET, folder: Path | None = None
) -> list[Small]:
    """Make small pictures of the images, or of a sample of 2,000, within `budget` bytes; `folder` keeps the photographs."""
    # A study has several predictions of each image, all of which are read.
    chosen = sample(points, MOST_ROWS // max(1, len(points.models)))
    # Each further prediction takes about a third of what an image with its mask and one prediction does.
    share = 1 + max(0, len(points.models) - 1) / 3
    side = next((side for side, cost in SIDES if cost * share * len(chosen) <= budget), SIDES[-1][0])
    paths, keys = points.rows["path"].tolist(), list(zip(points.rows["dataset"], points.rows["image"], strict=True))
    photographs = small_photographs([str(paths[row]) for row in chosen], side, folder)
    predictions: list[Sequence[str]] = [model.predictions for model in points.models]
    predictions = predictions or [points.rows["prediction"].tolist()]
    made, spent = [], 0
    for row, shown in zip(chosen, photographs, strict=True):
        if shown is None:
            continue
        truth = _beside(masks.get(keys[row], ""), shown.size, "mask")
        of_models = tuple(_beside(str(files[row]), shown.size, "prediction") for files in predictions)
        spent += len(shown.photograph) + len(truth) + sum(map(len, of_models))
        if spent > budget:
            break
        made.append(shown._replace(row=row, mask=truth, predictions=of_models))
    return made


def sample(points: RunImages, most: int) -> list[int]:
    """Choose at most `most` rows with files, most informative first: listed, farthest, then evenly drawn."""
    rows = np.flatnonzero([bool(path) for path in points.rows["path"]])
    if len(rows) <= most:
        return [int(row) for row in rows]
    values = {column.name: column.values for column in points.columns}
    distance = np.nan_to_num(np.asarray(values["distance"], dtype=np.float64), nan=-np.inf)
    secondary = rows[rows < points.secondary_count]
    listed = secondary[values["listed"][secondary] == 1] if "listed" in values else secondary[:0]
    groups = [listed[np.argsort(-distance[listed], kind="stable")], secondary[np.argsort(-distance[secondary], kind="stable")]]
    chosen = dict.fromkeys(int(row) for group in groups for row in group[: most // 6])
    # The rest are drawn from each dataset in turn, the primary among them.
    rng, names = np.random.default_rng(0), points.rows["dataset"].to_numpy()[rows]
    drawn = [list(rng.permutation(rows[names == name])) for name in points.datasets]
    while any(drawn) and len(chosen) < most:
        for pile in drawn:
            if pile and len(chosen) < most:
                chosen.setdefault(int(pile.pop()))
    return list(chosen)


def _beside(path: str, size: tuple[int, int], kind: str) -> bytes:
    """Make an image's small mask or prediction in its small photograph's size; b"" if missing or unreadable."""
    if not path:
        return b""
    try:
        if kind == "mask":
            return encoded(mask(path, size).convert("1"), "PNG")
        return encoded(probabilities(path, size), "WEBP", WEBP_QUALITY, EFFORT)
    except (HowfarError, OSError):
        return b""
