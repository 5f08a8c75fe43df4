"""Time how howfar reads windows of a raster beside a plain loop of rasterio's, and measure peak memory on a large one.

The plain loop opens the raster once and reads each window's bands; howfar's reads also map 16-bit values to 8, lay the bands
side by side, and give the bytes that are hashed. Both have GDAL's cache of 64 MiB and take turns; seconds are the processor's.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.windows import Window
from record import leave, parser, spread

from howfar.data import parse, read_bytes
from howfar.pixel_reading import reading_pixels

SIDE = 512
EMBED = """
import json, resource, sys, time
import howfar
start = time.perf_counter()
features = howfar.embed(
    sys.argv[1], "colour_moments", sys.argv[2], progress=False, window=512, bands="1,2,3", range="0:4095", workers=2
)
print(json.dumps([len(features), time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024]))
"""


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--gigabytes", type=float, default=4.0, help="size of the raster whose memory is measured")
    options.add_argument("--timed", type=int, default=4096, help="side of the raster that is timed")
    options.add_argument("--repeats", type=int, default=5)
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = {
            "windows": {
                compress: timed(Path(folder) / f"{compress}.tif", compress, arguments.timed, arguments.repeats)
                for compress in ("deflate", "lzw", "none")
            },
            "memory": memory(Path(folder) / "large.tif", arguments.gigabytes),
            "peers": {"rasterio": metadata.version("rasterio")},
        }
    leave("deep_pixels", results, arguments.json)


def write(file: Path, height: int, width: int, **profile: Any) -> None:
    """Write a tiled raster of three bands of 12 bits, a smooth scene with noise that is repeated."""
    rng = np.random.default_rng(0)
    rows = np.linspace(0, 20, SIDE)
    scene = 2000 + 1000 * np.sin(rows[:, None]) * np.cos(rows) + rng.normal(0, 60, (3, SIDE, SIDE))
    block = np.clip(scene, 0, 4095).astype(np.uint16)
    place = {"crs": "EPSG:32633", "transform": Affine(10, 0, 500_000, 0, -10, 5_500_000)}
    tiles = {"tiled": True, "blockxsize": 256, "blockysize": 256, "BIGTIFF": "IF_SAFER"}
    shape: dict[str, Any] = {"count": 3, "height": height, "width": width, "dtype": "uint16"}
    with rasterio.open(file, "w", driver="GTiff", **shape, **place, **tiles, **profile) as raster:
        for row in range(0, height, SIDE):
            for column in range(0, width, SIDE):
                raster.write(np.roll(block, row + column, axis=2), window=Window(column, row, SIDE, SIDE))


def timed(file: Path, compress: str, side: int, repeats: int) -> dict[str, Any]:
    write(file, side, side, **({} if compress == "none" else {"compress": compress}))
    with reading_pixels({"window": SIDE, "bands": "3,2,1", "range": "0:4095"}):
        items = list(parse(file).items)

    def plain() -> None:
        with rasterio.Env(GDAL_CACHEMAX=64 << 20), rasterio.open(file) as raster:
            for row in range(0, side, SIDE):
                for column in range(0, side, SIDE):
                    raster.read([3, 2, 1], window=Window(column, row, SIDE, SIDE))

    def by_howfar() -> None:
        # Written anew, the raster is opened anew, so that no block is cached.
        file.touch()
        for item in items:
            read_bytes(item.path)

    seconds: dict[str, list[float]] = {"rasterio": [], "howfar": []}
    for _ in range(repeats + 1):
        for name, loop in (("rasterio", plain), ("howfar", by_howfar)):
            start = time.process_time()
            loop()
            seconds[name].append(time.process_time() - start)
    ratios = [own / other for own, other in zip(seconds["howfar"][1:], seconds["rasterio"][1:], strict=True)]
    return {
        "windows": len(items),
        **{f"{name}, CPU seconds": spread(values[1:]) for name, values in seconds.items()},
        "times rasterio's": spread(ratios),
    }


def memory(file: Path, gigabytes: float) -> dict[str, Any]:
    """Embed a raster in a process of its own, and return its peak memory beside that on a raster of a single window."""
    width = 80 * SIDE if gigabytes >= 1 else 4 * SIDE
    height = max(SIDE, int(gigabytes * 1e9 / (width * 6)) // SIDE * SIDE)
    write(file, height, width)
    small = file.with_name("small.tif")
    write(small, SIDE, SIDE)
    peaks = {}
    for name, path in (("one window", small), ("raster", file)):
        command = [sys.executable, "-c", EMBED, str(path), str(file.with_name(f"store-{name}"))]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        windows, seconds, peak = json.loads(printed)
        peaks[name] = {"bytes": path.stat().st_size, "windows": windows, "seconds": seconds, "peak bytes": peak}
    file.unlink()
    return peaks


if __name__ == "__main__":
    main()
