"""Cut rasters larger than memory into windows (`Raster`), and write the windows' outlines as GeoJSON or GeoPackage."""

import sqlite3
import struct
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from howfar.data.bands_and_bit_depth import NO_DATA, driver_of, raster_values, rasters_read
from howfar.data.compact_item_table import Item
from howfar.data.image_and_mask_folders import counted, stem
from howfar.data.image_stacks import WHOLE, Stack, opened, part, place
from howfar.errors import ImageError, InputError
from howfar.image_reading_options import PixelReading, file_and_reading

_MOST_EMPTY: Final = 0.5
_DATE_TAG: Final = "TIFFTAG_DATETIME"
_WGS84: Final = "EPSG:4326"


class Raster(Stack):
    """Cut an open raster into windows, each with its place and date; all windows of one raster are a group."""

    def __init__(self, file: Path | str) -> None:
        with rasters_read() as rasterio:
            with Path(file).open("rb") as opened_file:
                driver = driver_of(opened_file.read(8))
            self.raster = rasterio.open(file, driver=driver)

    def close(self) -> None:
        """Close the file."""
        self.raster.close()

    def items(self, item: Item, reading: PixelReading) -> Iterator[Item]:
        """Yield the windows of the raster, row by row."""
        raster = self.raster
        if raster.subdatasets:
            raise ImageError("a file of several pages is not cut: leave out --window, or save its pages as bands")
        corners = list(product(_starts(raster.height, reading), _starts(raster.width, reading)))
        date = str(raster.tags().get(_DATE_TAG, ""))[:10].replace(":", "-")
        for (row, column), centre in zip(corners, _centres(raster, corners, reading.window), strict=True):
            at = PixelReading(at=f"{row},{column}", window=reading.window)
            yield part(item, f"r{row}-c{column}", at, scene=stem(item.name), date=date, **centre)

    def values(self, reading: PixelReading) -> NDArray[Any]:
        """Return a window's values, masked where the raster has no data; raise `ImageError` where few has any."""
        window = _window(self.raster, reading)
        values = raster_values(self.raster, reading.bands, window)
        empty = None if reading.at.endswith(WHOLE) else _empty(self.raster, values, window)
        if empty is None or not empty.any():
            return values
        if empty.mean() > _MOST_EMPTY:
            raise ImageError(NO_DATA)
        return np.ma.masked_array(values, np.broadcast_to(empty[..., None], values.shape))


def _starts(side: int, reading: PixelReading) -> list[int]:
    """Return where windows begin along a side: every pixel is in one, and all are whole where the side is long enough."""
    last = max(0, side - reading.window)
    return sorted({*range(0, last, reading.window - reading.overlap), last})


def _centres(raster: Any, corners: Sequence[tuple[int, int]], window: int) -> list[dict[str, str]]:
    """Return the longitude and latitude of each window's centre in degrees; nothing for a raster without a place."""
    half = np.array([min(window, raster.width), min(window, raster.height)]) / 2
    points = [(column + half[0], row + half[1]) for row, column in corners]
    places = None if raster.crs is None else _degrees(raster, points)
    if places is None:
        return [{} for _ in corners]
    return [{"longitude": f"{x:.6f}", "latitude": f"{y:.6f}"} for x, y in zip(*places, strict=True)]


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
    return (longitudes, latitudes) if np.isfinite([longitudes, latitudes]).all() else None


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


_Ring: TypeAlias = list[tuple[float, float]]
_Outline: TypeAlias = tuple[_Ring, dict[str, Any]]
_TYPES: Final = {bool: "BOOLEAN", int: "INTEGER", float: "REAL"}
_GEOPACKAGE: Final = """
PRAGMA application_id = 0x47504B47;
PRAGMA user_version = 10300;
CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT NOT NULL, srs_id INTEGER PRIMARY KEY, organization TEXT NOT NULL,
  organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT);
CREATE TABLE gpkg_contents (table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT UNIQUE,
  description TEXT DEFAULT '', last_change DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')), min_x DOUBLE,
  min_y DOUBLE, max_x DOUBLE, max_y DOUBLE, srs_id INTEGER REFERENCES gpkg_spatial_ref_sys (srs_id));
CREATE TABLE gpkg_geometry_columns (table_name TEXT NOT NULL UNIQUE REFERENCES gpkg_contents (table_name),
  column_name TEXT NOT NULL, geometry_type_name TEXT NOT NULL, srs_id INTEGER NOT NULL REFERENCES gpkg_spatial_ref_sys (srs_id),
  z TINYINT NOT NULL, m TINYINT NOT NULL, PRIMARY KEY (table_name, column_name));
INSERT INTO gpkg_spatial_ref_sys VALUES ('Undefined Cartesian', -1, 'NONE', -1, 'undefined', NULL),
  ('Undefined geographic', 0, 'NONE', 0, 'undefined', NULL), ('WGS 84', 4326, 'EPSG', 4326, '{wgs84}', NULL);
INSERT INTO gpkg_contents (table_name, data_type, identifier, min_x, min_y, max_x, max_y, srs_id)
  VALUES ('windows', 'features', 'windows', {extent}, 4326);
INSERT INTO gpkg_geometry_columns VALUES ('windows', 'geom', 'POLYGON', 4326, 0, 0);
CREATE TABLE windows (fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, geom POLYGON{columns});
"""
"""The tables of a GeoPackage with one layer of polygons (OGC 12-128r17)."""


def outlines_of(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> list[_Outline]:
    """Return windows, by location, as closed anticlockwise outlines in degrees with properties; raise `InputError` for none."""
    rows, outlines = list(rows), []
    for location, properties in rows:
        file, reading = file_and_reading(Path(location))
        if not reading.window:
            continue
        raster = opened(file, True).raster
        if raster.crs is None:
            continue
        (top, bottom), (left, right) = _window(raster, reading).toranges()
        corners = [(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)]
        if (places := _degrees(raster, corners)) is not None:
            outlines.append(([(round(x, 7), round(y, 7)) for x, y in zip(*places, strict=True)], dict(properties)))
    if not outlines:
        raise InputError("no image is a window of a raster that has a place on earth: pass georeferenced ones and --window 512")
    if len(rows) > len(outlines):
        without = counted(len(rows) - len(outlines), "image has", "images have")
        warnings.warn(f"{without} no place on earth: left out of the map", UserWarning, stacklevel=2)
    return outlines


def geojson(outlines: Iterable[_Outline]) -> dict[str, Any]:
    """Return outlines of windows as GeoJSON (RFC 7946: longitude and latitude in degrees)."""
    features = [
        {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": properties}
        for ring, properties in outlines
    ]
    return {"type": "FeatureCollection", "features": features}


def geopackage(outlines: Sequence[_Outline]) -> bytes:
    """Return outlines of windows as the layer ``windows`` of a GeoPackage (OGC 12-128r17), which is an SQLite file."""
    from rasterio.crs import CRS

    columns = {name: [properties.get(name) for _, properties in outlines] for name in outlines[0][1]}
    types = [next((_TYPES.get(type(one), "TEXT") for one in column if one is not None), "TEXT") for column in columns.values()]
    declared = "".join(f', "{name}" {kind}' for name, kind in zip(columns, types, strict=True))
    points = np.array([ring for ring, _ in outlines])
    extent = ", ".join(map(repr, (*points.min(axis=(0, 1)).tolist(), *points.max(axis=(0, 1)).tolist())))
    lines = zip((_polygon(ring) for ring, _ in outlines), *columns.values(), strict=True)
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript(_GEOPACKAGE.format(wgs84=CRS.from_epsg(4326).to_wkt(), extent=extent, columns=declared))
        database.executemany(f"INSERT INTO windows VALUES (NULL{', ?' * (1 + len(columns))})", lines)
        database.commit()
        return database.serialize()


def _polygon(ring: _Ring) -> bytes:
    """Return a polygon as a GeoPackage holds it: a header of its own, then well-known binary (OGC 06-103r4)."""
    head = struct.pack("<2sBBi", b"GP", 0, 1, 4326)
    return head + struct.pack(f"<BIII{2 * len(ring)}d", 1, 3, 1, len(ring), *(side for point in ring for side in point))
