"""A raster is a dataset of windows that are read one by one: placed, grouped by scene, without those that hold no data."""

import json
import sqlite3
import struct
import subprocess
import sys
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner

import howfar
from howfar.cli.main import app
from howfar.data import Dataset, parse, read_bytes
from howfar.data.image_decoding import picture
from howfar.data.raster_windows_and_outlines import geojson, outlines_of
from howfar.errors import InputError
from howfar.image_reading_options import reading_pixels
from sites_with_maps import assess_masks

rasterio = pytest.importorskip("rasterio")
PLACE: dict[str, Any] = {"crs": "EPSG:32633", "transform": Affine(10, 0, 500_000, 0, -10, 5_500_000)}
QUICK: dict[str, Any] = {"progress": False, "baselines": False, "rivals": False, "bootstrap": 0, "permutations": 0}
READING: dict[str, Any] = {"bands": "4,3,2", "range": "0:3000", "window": 32}


def scene(file: Path, seed: int = 0, shift: int = 0, height: int = 96, width: int = 80, **profile: Any) -> NDArray[Any]:
    """Write a georeferenced raster of four bands of 16 bits, and return its values (4, h, w)."""
    values = np.random.default_rng(seed).integers(1, 2000, (4, height, width)).astype(np.uint16) + np.uint16(shift)
    if profile.get("nodata") is not None:
        values[:, :40, :32] = profile["nodata"]
    write(file, values, **PLACE, **profile)
    return values


def write(file: Path, values: NDArray[Any], **profile: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = values.shape
    with rasterio.open(file, "w", driver="GTiff", count=count, height=height, width=width, dtype=values.dtype, **profile) as to:
        to.write(values)
        to.update_tags(TIFFTAG_DATETIME="2024:05:06 10:00:00")


def windows(place: Path, **reading: Any) -> Dataset:
    with reading_pixels({**READING, **reading}):
        dataset = parse(place)
    assert isinstance(dataset, Dataset)
    return dataset


def test_windows_cover_the_raster_and_hold_its_values(tmp_path: Path) -> None:
    values = scene(tmp_path / "a.tif")
    dataset = windows(tmp_path / "a.tif")
    assert [item.name for item in dataset.items][:3] == ["a/r0-c0", "a/r0-c32", "a/r0-c48"]
    seen = np.zeros(values.shape[1:], bool)
    for item in dataset.items:
        row, column = (int(part[1:]) for part in item.name.removeprefix("a/").split("-"))
        wanted = np.moveaxis(values[[3, 2, 1], row : row + 32, column : column + 32], 0, -1) * (255 / 3000)
        np.testing.assert_array_equal(np.asarray(picture(read_bytes(item.path))), np.rint(wanted))
        seen[row : row + 32, column : column + 32] = True
    assert seen.all()
    assert len(windows(tmp_path / "a.tif", overlap=16).items) == 20


def test_windows_know_their_scene_place_and_date(tmp_path: Path) -> None:
    for name in ("a", "b"):
        scene(tmp_path / "site" / f"{name}.tif")
    dataset = windows(tmp_path / "site")
    assert dataset.groups == ["a"] * 9 + ["b"] * 9
    columns = dict(dataset.items[0].further)
    assert (columns["scene"], columns["date"]) == ("a", "2024-05-06")
    # Zone 33's central meridian is 15° E at an easting of 500 km.
    assert 15.0 < float(columns["longitude"]) < 15.01
    assert 49.6 < float(columns["latitude"]) < 49.7
    # A window is cut to a raster narrower than it: its centre lies 4 pixels from the left edge, not 16.
    write(tmp_path / "narrow.tif", np.ones((3, 64, 8), np.float32), **PLACE)
    narrow = dict(windows(tmp_path / "narrow.tif", bands="1,2,3", range="0:1").items[0].further)
    assert 4 * (float(narrow["longitude"]) - 15) == pytest.approx(float(columns["longitude"]) - 15, rel=0.01)
    assert narrow["latitude"] == columns["latitude"]


@pytest.mark.parametrize("nodata", [0, 65535])
def test_windows_without_data_are_left_out_and_counted(tmp_path: Path, nodata: int) -> None:
    scene(tmp_path / "a.tif", nodata=nodata)
    features = howfar.embed(tmp_path / "a.tif", "pixels", tmp_path / "store", progress=False, **READING)
    assert len(features) == 8
    assert list(features.notes) == ["a: 1 windows are left out, which hold no data in more than half of their pixels"]
    assert not features.skipped
    # A quarter of the window below has none: those pixels are black.
    below = features.images.index("a/r32-c0")
    assert np.asarray(picture(read_bytes(features.paths[below])))[:8].max() == 0


def test_damaged_rasters_are_skipped_with_a_reason(tmp_path: Path) -> None:
    scene(tmp_path / "site" / "a.tif")
    whole = (tmp_path / "site" / "a.tif").read_bytes()
    (tmp_path / "site" / "b.tif").write_bytes(whole[:2000])
    # GDAL would read what such a file names, from anywhere.
    (tmp_path / "site" / "c.tif").write_text(f"<VRTDataset><SourceFilename>{tmp_path}/a.tif</SourceFilename></VRTDataset>")
    dataset = windows(tmp_path / "site")
    assert dataset.groups == ["a"] * 9
    assert [Path(fault.path).name for fault in dataset.skipped] == ["b.tif", "c.tif"]
    assert "TIFFReadDirectory" in dataset.skipped[0].reason
    assert "does not begin as a TIFF" in dataset.skipped[1].reason
    (tmp_path / "site" / "a.tif").unlink()
    with pytest.raises(InputError, match=r"site holds no image that can be read: 2 files were skipped; the first: .*b\.tif"):
        windows(tmp_path / "site")


def test_a_range_is_learnt_from_windows_with_data_alone(tmp_path: Path) -> None:
    scene(tmp_path / "p.tif", nodata=65535)
    scene(tmp_path / "s.tif", 1, shift=900)
    result = howfar.compare(
        tmp_path / "p.tif",
        tmp_path / "s.tif",
        "colour_moments",
        store=tmp_path / "store",
        **{**READING, "range": "auto"},
        **QUICK,
    )
    low, high = map(float, result.backbone.identity["reading"]["range"].split(":"))
    assert (1 <= low < 40, 1960 < high <= 2000) == (True, True)
    assert all(f"range={result.backbone.identity['reading']['range']}" in path for path in result.images["path"])
    assert result.datasets[0].relative > 1.5


def test_windows_of_no_number_or_place_and_pages_are_told_apart(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((3, 64, 64)).astype(np.float32)
    values[:, :32] = np.nan
    write(tmp_path / "gaps" / "a.tif", values, **PLACE)
    found = howfar.embed(
        tmp_path / "gaps", "colour_moments", store=tmp_path / "s", bands="1,2,3", range="0:1", window=32, progress=False
    )
    assert [name.partition("/")[2] for name in found.images] == ["r32-c0", "r32-c32"]
    left_out = "gaps: 2 windows are left out, which hold no data in more than half of their pixels"
    assert (found.skipped, left_out in found.notes) == ((), True)
    # A place beyond the projection is none; the pixels are sound.
    for name, transform in (("far", Affine(10, 0, 9e15, 0, -10, 9e15)), ("flat", Affine(0, 0, 500_000, 0, 0, 5_500_000))):
        write(tmp_path / name / "a.tif", values, crs="EPSG:32633", transform=transform)
        placed = windows(tmp_path / name, bands="1,2,3", range="0:1")
        assert (len(placed.items), "longitude" in dict(placed.items[0].further)) == (4, False)
        with pytest.raises(InputError, match="no image is a window of a raster that has a place"):
            outlines_of((str(item.path), {}) for item in placed.items)
    mixed = [(str(item.path), {}) for item in (*placed.items, *windows(tmp_path / "gaps", bands="1,2,3", range="0:1").items)]
    with pytest.warns(UserWarning, match="4 images have no place on earth: left out of the map"):
        assert len(geojson(outlines_of(mixed))["features"]) == len(mixed) - 4
    pages = [Image.fromarray(np.full((64, 64), page, np.uint8)) for page in range(3)]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(InputError, match="a file of several pages is not cut: leave out --window"):
        windows(tmp_path / "pages.tif")


def assert_same_windows(file: Path, features: list[dict[str, Any]]) -> None:
    """Read a GeoPackage by the tables and the binary form of its standard, and compare it with the features of a GeoJSON."""
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("PRAGMA application_id").fetchone()[0].to_bytes(4, "big") == b"GPKG"
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
        (system,) = database.execute("SELECT definition FROM gpkg_spatial_ref_sys WHERE srs_id = 4326").fetchone()
        assert rasterio.crs.CRS.from_wkt(system) == rasterio.crs.CRS.from_epsg(4326)
        columns = [row[1:3] for row in database.execute("PRAGMA table_info(windows)")]
        assert columns[:2] == [("fid", "INTEGER"), ("geom", "POLYGON")]
        assert dict(columns)["relative"] == "REAL"
        rows = database.execute("SELECT * FROM windows").fetchall()
        extent = database.execute("SELECT min_x, min_y, max_x, max_y FROM gpkg_contents").fetchone()
    rings = []
    for (_, geometry, *values), feature in zip(rows, features, strict=True):
        assert dict(zip([name for name, _ in columns[2:]], values, strict=True)) == feature["properties"]
        assert struct.unpack_from("<2sBBi", geometry) == (b"GP", 0, 1, 4326)
        order, kind, count, points = struct.unpack_from("<BIII", geometry, 8)
        assert (order, kind, count, len(geometry)) == (1, 3, 1, 21 + 16 * points)
        rings.append(np.frombuffer(geometry, "<f8", offset=21).reshape(points, 2))
        np.testing.assert_array_equal(rings[-1], feature["geometry"]["coordinates"][0])
    corners = np.concatenate(rings)
    assert extent == (*corners.min(axis=0), *corners.max(axis=0))


def test_scores_become_geojson_and_geopackage_by_one_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene(tmp_path / "p.tif", height=192, width=192)
    write(tmp_path / "unplaced.tif", scene(tmp_path / "new.tif", 1, shift=900), transform=PLACE["transform"])
    howfar.profile(tmp_path / "p.tif", "colour_moments", store=tmp_path / "store", progress=False, **READING).save(
        tmp_path / "p.howfar"
    )
    monkeypatch.chdir(tmp_path)
    files = ["new.tif", "unplaced.tif", "--geojson", "new.geojson", "--geopackage", "new.gpkg"]
    with pytest.warns(UserWarning, match="9 images have no place on earth") as warned:
        made = CliRunner().invoke(app, ["score", "p.howfar", *files])
    assert (made.exit_code, len(warned)) == (0, 1), made.output
    document = json.loads((tmp_path / "new.geojson").read_text())
    assert len(document["features"]) == 9
    assert all(feature["properties"]["relative"] > 1.5 for feature in document["features"])
    # Of one scene no p-value can call a window far.
    assert not any(feature["properties"]["flag"] for feature in document["features"])
    ring = document["features"][0]["geometry"]["coordinates"][0]
    assert ring[0] == ring[-1]
    # Anticlockwise, as RFC 7946 asks: the signed area is positive.
    assert sum(x * v - u * y for (x, y), (u, v) in pairwise(ring)) > 0
    assert_same_windows(tmp_path / "new.gpkg", document["features"])
    with pytest.raises(InputError, match="--window 512"):
        outlines_of([(str(tmp_path / "new.tif"), {})])
    before = (tmp_path / "new.tif").read_bytes()
    for option, ending in (("--geojson", ".geojson"), ("--geopackage", ".gpkg")):
        refused = CliRunner().invoke(app, ["score", "p.howfar", "new.tif", option, "new.tif"])
        assert str(refused.exception).startswith(f"{option[2:]} must end in {ending}, got 'new.tif'")
    assert (tmp_path / "new.tif").read_bytes() == before


def test_a_place_beyond_the_earth_is_none(tmp_path: Path) -> None:
    beyond = {**PLACE, "transform": Affine(1, 0, 1e12, 0, -1, 1e12)}
    write(tmp_path / "a.tif", np.full((3, 64, 64), 9, np.uint16), **beyond)
    items = windows(tmp_path / "a.tif", bands="1,2,3", range="0:9").items
    assert not any("longitude" in dict(item.further) for item in items)
    with pytest.raises(InputError, match="no image is a window of a raster that has a place on earth"):
        outlines_of([(str(items[0].path), {})])


@pytest.mark.usefixtures("without_figures")
def test_a_site_of_rasters_with_masks_is_assessed_by_one_command(tmp_path: Path) -> None:
    for number, name in enumerate(("p", "a", "b")):
        for part in range(2):
            values = scene(tmp_path / name / "images" / f"{part}.tif", 10 * number + part, shift=100 * number)
            mask = np.where(values[:1] > 1500, 255, 0).astype(np.uint8)
            write(tmp_path / name / "masks" / f"{part}.tif", mask, nodata=0, **PLACE)
    assess_masks(tmp_path, windows, **READING)

    place, maps, out = tmp_path / "a", tmp_path / "maps" / "a", tmp_path / "to-certify"
    drawn = howfar.certify(place, maps, k=3, out=out, progress=False, **READING, overlap=0)
    assert drawn.site.reading == {"bands": [4, 3, 2], "range": "0:3000", "window": 32}
    checked = {check.what: check.status for check in howfar.verify(out, maps, images=place).checks}
    assert {checked[what] for what in ("images", "predictions", "predicted performance", "draw")} == {"agrees"}


LARGE = """
import resource, sys
import howfar
features = howfar.embed(sys.argv[1], "colour_moments", sys.argv[2], progress=False, workers=1, window=256, bands="1,2,3")
print(len(features), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_raster(tmp_path: Path) -> None:
    peaks = []
    for side in (512, 5120):
        file = tmp_path / f"{side}.tif"
        with rasterio.open(
            file, "w", driver="GTiff", count=3, height=side, width=side, dtype="uint16", tiled=True, **PLACE
        ) as to:
            block = np.random.default_rng(0).integers(0, 65535, (3, 512, 512)).astype(np.uint16)
            for row in range(0, side, 512):
                for column in range(0, side, 512):
                    to.write(block, window=rasterio.windows.Window(column, row, 512, 512))
        command = [sys.executable, "-c", LARGE, str(file), str(tmp_path / "store")]
        count, peak = map(int, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
        assert count == (side // 256) ** 2
        peaks.append(peak * (1 if sys.platform == "darwin" else 1024))
    # The larger raster holds 157 MB, of which GDAL keeps 64 MiB of decoded blocks.
    assert peaks[1] - peaks[0] < 100 << 20
