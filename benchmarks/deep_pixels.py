"""Time how howfar reads windows, slices and frames beside plain loops of rasterio, nibabel, pydicom and PyAV; and memory.

The plain loops open a raster, volume or clip once and read each image in turn, and let go of it before the next. howfar's reads
also map 16-bit values to 8, lay bands side by side, and give the bytes that are hashed: each loop is timed alone and with the
same mapping by NumPy. All take turns, rasters with GDAL's cache of 64 MiB; seconds are the processor's. Listing a clip is timed
apart: its frames are decoded to drop near-duplicates.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any, TypeAlias

import av
import nibabel
import numpy as np
import pydicom
import rasterio
from affine import Affine
from pydicom.data import get_testdata_file
from pydicom.pixels import apply_rescale
from rasterio.windows import Window
from record import leave, parser, spread

from howfar.data import parse, read_bytes
from howfar.image_reading_options import reading_pixels

Values: TypeAlias = np.ndarray[Any, Any]
SIDE = 512
EMBED = """
import json, sys, time
import howfar
from howfar.memory import peak_mib
start = time.perf_counter()
features = howfar.embed(
    sys.argv[1], "colour_moments", sys.argv[2], progress=False, window=512, bands="1,2,3", range="0:4095", workers=2
)
print(json.dumps([len(features), time.perf_counter() - start, round(peak_mib() * 2**20)]))
"""


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--gigabytes", type=float, default=4.0, help="size of the raster whose memory is measured; 0: none")
    options.add_argument("--timed", type=int, default=4096, help="side of the raster that is timed; 0: none")
    options.add_argument("--slices", type=int, default=96, help="slices of a volume or series, and seconds of a clip")
    options.add_argument("--repeats", type=int, default=5)
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = {
            "windows": {
                compress: timed(Path(folder) / f"{compress}.tif", compress, arguments.timed, arguments.repeats)
                for compress in ("deflate", "lzw", "none")
                if arguments.timed
            },
            "slices and frames": {
                kind: stack(Path(folder), kind, arguments.slices, arguments.repeats)
                for kind in ("nii.gz", "nii", "DICOM", "DICOM, RLE", "clip")
            },
            "memory": memory(Path(folder) / "large.tif", arguments.gigabytes) if arguments.gigabytes else {},
            "peers": {name: metadata.version(name) for name in ("rasterio", "nibabel", "pydicom", "av")},
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

    def plain() -> Iterator[Values]:
        with rasterio.Env(GDAL_CACHEMAX=64 << 20), rasterio.open(file) as raster:
            for row in range(0, side, SIDE):
                for column in range(0, side, SIDE):
                    yield np.moveaxis(raster.read([3, 2, 1], window=Window(column, row, SIDE, SIDE)), 0, -1)

    return beside(file, {"window": SIDE, "bands": "3,2,1", "range": "0:4095"}, plain, "rasterio", repeats)


def stack(folder: Path, kind: str, count: int, repeats: int) -> dict[str, Any]:
    """Time the reading of a volume, a series or a clip."""
    if kind == "clip":
        file = write_clip(folder / "clip.mp4", count)
        return beside(file, {"frames": "1/s"}, lambda: decode_clip(file), "PyAV", repeats)
    if kind.startswith("nii"):
        volume = np.random.default_rng(0).normal(300, 80, (256, 256, count)).clip(0).astype(np.int16)
        file = folder / f"volume.{kind}"
        nibabel.Nifti1Image(volume, np.diag([-1, -1, 1, 1])).to_filename(file)
        return beside(file, {"range": "0:600"}, lambda: decode_volume(file), "nibabel", repeats)
    files = write_series(folder / kind, count, is_packed=kind.endswith("RLE"))
    return beside(
        files[0].parent,
        {"range": "-1000:1000"},
        lambda: (apply_rescale((tags := pydicom.dcmread(each)).pixel_array, tags) for each in files),
        "pydicom",
        repeats,
    )


def decode_volume(file: Path) -> Iterator[Values]:
    voxels = np.asanyarray(nibabel.load(file).dataobj)
    for number in range(voxels.shape[2]):
        yield np.ascontiguousarray(voxels[..., number])


def decode_clip(file: Path) -> Iterator[Values]:
    """Decode a clip from beginning to end, and take a frame of each second."""
    with av.open(str(file)) as container:
        container.streams.video[0].thread_type = "AUTO"
        due = 0.0
        for frame in container.decode(video=0):
            if frame.time >= due:
                yield frame.to_ndarray(format="rgb24")
                due += 1


def write_clip(file: Path, seconds: int) -> Path:
    """Write a clip of a pattern that moves, 640 × 360 pixels at 25 frames a second."""
    rng = np.random.default_rng(0)
    scene = rng.integers(0, 255, (36, 512, 3), dtype=np.uint8).repeat(10, axis=0).repeat(10, axis=1)
    with av.open(str(file), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for number in range(25 * seconds):
            left = (number * 2) % (scene.shape[1] - 640)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(scene[:, left : left + 640]), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file


def write_series(folder: Path, count: int, is_packed: bool) -> list[Path]:
    """Write a series of a CT's slices, 512 × 512 pixels of 12 bits."""
    folder.mkdir()
    base = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    files = []
    for number in range(count):
        values = np.random.default_rng(number).normal(1000, 60, (512, 512)).astype(np.int16)
        base.Rows, base.Columns, base.PixelData = 512, 512, values.tobytes()
        base.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        base["PixelData"].VR, base["PixelData"].is_undefined_length = "OW", False
        if is_packed:
            base.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
        files.append(folder / f"{number}.dcm")
        base.save_as(files[-1])
    return files


def mapped(values: Values, limits: str) -> bytes:
    """Return the bytes of values whose range, ``low:high``, becomes 0 to 255; of frames, which have no range, as they are."""
    if not limits:
        return values.tobytes()
    low, high = map(float, limits.split(":"))
    if values.dtype.kind == "f":
        return levels(values, low, high).tobytes()
    return np.take(table(values.dtype.name, low, high), values.view(np.uint16), mode="clip").tobytes()


def levels(values: Values, low: float, high: float) -> Values:
    """Map values to 0-255: v ↦ round(255 · (v − low) / (high − low)), cut at both ends."""
    return np.rint(np.clip((values - low) * (255 / (high - low)), 0, 255)).astype(np.uint8)


@lru_cache
def table(kind: str, low: float, high: float) -> Values:
    """Return the level of every value of a type of 16 bits."""
    return levels(np.arange(1 << 16).astype(np.uint16).view(kind), low, high)


def beside(
    file: Path, reading: dict[str, Any], plain: Callable[[], Iterator[Values]], peer: str, repeats: int
) -> dict[str, Any]:
    """Time howfar's reads of all images of a file or folder beside a peer's, in turns."""
    started = time.process_time()
    with reading_pixels(reading):
        items = list(parse(file).items)
    listed = time.process_time() - started

    def by_howfar() -> None:
        # Written anew, the file is opened anew, so that nothing of it is cached.
        if file.is_file():
            file.touch()
        for item in items:
            read_bytes(item.path)

    with_mapping = f"{peer} and the same mapping"
    loops: dict[str, Callable[[], Any]] = {
        peer: lambda: deque(plain(), 0),
        with_mapping: lambda: deque((mapped(values, reading.get("range", "")) for values in plain()), 0),
        "howfar": by_howfar,
    }
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(repeats + 1):
        for name, loop in loops.items():
            start = time.process_time()
            loop()
            seconds[name].append(time.process_time() - start)
    ratios = {
        name: [own / other for own, other in zip(seconds["howfar"][1:], seconds[name][1:], strict=True)]
        for name in (peer, with_mapping)
    }
    return {
        "images": len(items),
        "listing, CPU seconds": listed,
        **{f"{name}, CPU seconds": spread(values[1:]) for name, values in seconds.items()},
        f"times {peer}'s": spread(ratios[peer]),
        f"times that of {with_mapping}": spread(ratios[with_mapping]),
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
