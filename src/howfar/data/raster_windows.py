"""Cut rasters larger than memory into windows (`Raster`), with longitude and latitude, and describe windows as GeoJSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from howfar.data.bands import NO_DATA, opened_raster, raster_values
from howfar.data.image_folder import stem
from howfar.data.image_stacks import WHOLE, opened, part, place
from howfar.data.item import Item
from howfar.errors import ImageError, InputError, one_line
from howfar.pixel_options import PixelReading, file_and_reading

_MOST_EMPTY: Final = 0.5
_DATE_TAG: Final = "TIFFTAG_DATETIME"
_WGS84: Final = "EPSG:4326"


class Raster:
    """Cut an open raster into windows, each with its place and date; all windows of one raster are a group."""

    owner = None

    def __init__(self, file: Path | str) -> None:
        with opened_raster(file) as checked:  # names what is wrong with it
            driver = checked.driver
        import rasterio

        self.raster = rasterio.open(file, driver=driver)

    def close(self) -> None:
        """Close the file."""
        self.raster.close()

    def items(self, item: Item, reading: PixelReading) -> Iterator[Item]:
        """Yield the windows of the raster, row by row."""
        raster = self.raster
        if raster.subdatasets:
            raise ImageError("a file of several pages is not cut: leave out --window, or save its pages as bands")
        rows, columns = (_starts(side, reading) for side in (raster.height, raster.width))
        date = str(raster.tags().get(_DATE_TAG, ""))[:10].replace(":", "-")
        centres = _centres(raster, rows, columns, reading.window)
        for row in rows:
            for column in columns:
                at = PixelReading(at=f"{row},{column}", window=reading.window)
                places = centres.get((row, column), {})
                yield part(item, f"r{row}-c{column}", at, scene=stem(item.name), date=date, **places)

    def values(self, reading: PixelReading) -> NDArray[Any]:
        """Return a window's values, masked where the raster has no data; raise `ImageError` where few has any."""
        window = _window(self.raster, reading)
        try:
            values = raster_values(self.raster, reading.bands, window)
            empty = None if reading.at.endswith(WHOLE) else _empty(self.raster, values, window)
        except ImageError:
            raise
        except Exception as error:  # GDAL's drivers fail in their own ways over damaged blocks
            raise ImageError(f"damaged image file ({one_line(error, 100)})") from error
        if empty is None or not empty.any():
            return values
        if empty.mean() > _MOST_EMPTY:
            raise ImageError(NO_DATA)
        return np.ma.masked_array(values, np.broadcast_to(empty[..., None], values.shape))


def _starts(side: int, reading: PixelReading) -> list[int]:
    """Return where windows begin along a side: every pixel is in one, and all are whole where the side is long enough."""
    last = max(0, side - reading.window)
    return sorted({*range(0, last, reading.window - reading.overlap), last})


def _centres(raster: Any, rows: Sequence[int], columns: Sequence[int], window: int) -> dict[tuple[int, int], dict[str, str]]:
    """Return the longitude and latitude of each window's centre in degrees; nothing for a raster without a place."""
    if raster.crs is None:
        return {}
    places = [(row, column) for row in rows for column in columns]
    half = np.array([min(window, raster.width), min(window, raster.height)]) / 2
    points = [(column + half[1], row + half[0]) for row, column in places]
    longitudes, latitudes = _degrees(raster, points) or ((), ())
    return {
        place: {"longitude": f"{x:.6f}", "latitude": f"{y:.6f}"}
        for place, x, y in zip(places, longitudes, latitudes, strict=bool(longitudes))
    }


def _degrees(raster: Any, points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]] | None:
    """Return the longitudes and latitudes of points (column, row) of a raster; None where its place is none on earth."""
    from rasterio.warp import transform

    a, b, c, d, e, f = raster.transform[:6]
    places = [(a * x + b * y + c, d * x + e * y + f) for x, y in points]
    if a * e == b * d:
        return None
    try:
        longitudes, latitudes = transform(raster.crs, _WGS84, *zip(*places, strict=True))
    except Exception:  # the errors of GDAL and PROJ share no public class
        return None
    return longitudes, latitudes


def _window(raster: Any, reading: PixelReading) -> Any:
    from rasterio.windows import Window

    if (corner := place(reading, 2)) is None or not reading.window:
        raise ImageError(f"{reading.at} is no window of a raster")
    row, column = corner
    height, width = min(reading.window, raster.height - row), min(reading.window, raster.width - column)
    if height < 1 or width < 1:
        raise ImageError(f"it has {raster.height}×{raster.width} pixels, and no window at row {row}, column {column}")
    return Window(column, row, width, height)


def _empty(raster: Any, values: NDArray[Any], window: Any) -> NDArray[np.bool_] | None:
    """Return which pixels (h, w) of a window hold no data in any band; None where the raster does not tell."""
    from rasterio.enums import MaskFlags

    nothing = raster.nodatavals[0]
    gaps: NDArray[np.bool_] | None = np.isnan(values).all(axis=-1) if values.dtype.kind == "f" else None
    if nothing is not None and not np.isnan(nothing):
        same: NDArray[np.bool_] = (values == nothing).all(axis=-1)
        return same if gaps is None else same | gaps
    if gaps is not None and gaps.any():
        return gaps
    if MaskFlags.all_valid in raster.mask_flag_enums[0]:
        return None
    return np.asarray(raster.dataset_mask(window=window) == 0)


def geojson(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """Return windows, given by their locations and properties, as GeoJSON (RFC 7946: longitude and latitude in degrees).

    Raises `InputError` where none is a window of a raster with a place.
    """
    features = []
    for location, properties in rows:
        file, reading = file_and_reading(Path(location))
        if not reading.window:
            continue
        raster = opened(file, True).raster
        if raster.crs is None:
            continue
        window = _window(raster, reading)
        (top, left), (bottom, right) = (
            (window.row_off, window.col_off),
            (window.row_off + window.height, window.col_off + window.width),
        )
        # Anticlockwise, as the format wants an outer ring.
        corners = [(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)]
        if (places := _degrees(raster, corners)) is None:
            continue
        ring = zip(*places, strict=True)
        shape = {"type": "Polygon", "coordinates": [[[round(x, 7), round(y, 7)] for x, y in ring]]}
        features.append({"type": "Feature", "geometry": shape, "properties": dict(properties)})
    if not features:
        raise InputError("no image is a window of a raster that has a place: cut rasters by --window 512")
    return {"type": "FeatureCollection", "features": features}
