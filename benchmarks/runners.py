"""Compare the time of `howfar embed` by the local runner and by Ray on one machine, and whether the stores agree.

A smaller number of images is embedded too: the two times tell what a command takes before any image, and what each one adds.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

import numpy as np
from PIL import Image
from record import leave, parser, spread

import howfar

RUNNERS = ("local", "ray")


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--images", type=int, default=6000)
    options.add_argument("--fewer", type=int, default=1000, help="images of the smaller number")
    options.add_argument("--size", type=int, nargs=2, default=(320, 240), metavar=("WIDTH", "HEIGHT"))
    options.add_argument("--backbone", default="efficientnet_lite0")
    options.add_argument("--repeats", type=int, default=3)
    arguments = options.parse_args()
    if not 0 < arguments.fewer < arguments.images:
        options.error(f"--fewer must be at least 1 and below --images ({arguments.images}), got {arguments.fewer}")
    seconds: dict[str, list[float]] = {runner: [] for runner in RUNNERS}
    of_fewer: dict[str, list[float]] = {runner: [] for runner in RUNNERS}
    with tempfile.TemporaryDirectory() as scratch:
        images = photographs(Path(scratch) / "images", arguments.images, tuple(arguments.size))
        fewer = linked(images, Path(scratch) / "fewer", arguments.fewer)
        for runner in RUNNERS:  # a warm-up: the network is exported, files are in the system's cache
            run(images, arguments.backbone, runner, Path(scratch) / f"warm-{runner}")
        for repeat in range(arguments.repeats):
            for runner in RUNNERS:
                seconds[runner].append(run(images, arguments.backbone, runner, Path(scratch) / f"{runner}-{repeat}"))
                of_fewer[runner].append(run(fewer, arguments.backbone, runner, Path(scratch) / f"fewer-{runner}-{repeat}"))
        stores = [Path(scratch) / f"{runner}-0" for runner in RUNNERS]
        here, there = (howfar.embed(images, arguments.backbone, store, progress=False).to_array() for store in stores)
        same = bool(np.array_equal(here, there))
    found, at_fewer = ({runner: spread(values) for runner, values in each.items()} for each in (seconds, of_fewer))
    an_image = {
        runner: (found[runner]["median"] - at_fewer[runner]["median"]) / (arguments.images - arguments.fewer)
        for runner in RUNNERS
    }
    results = {
        "images": arguments.images,
        "size": list(arguments.size),
        "backbone": arguments.backbone,
        "ray": metadata.version("ray"),
        "seconds": found,
        "fewer images": arguments.fewer,
        "seconds of fewer": at_fewer,
        "seconds an image adds": an_image,
        "seconds of no image": {runner: at_fewer[runner]["median"] - arguments.fewer * an_image[runner] for runner in RUNNERS},
        "images a second": {runner: arguments.images / values["median"] for runner, values in found.items()},
        "ray over local": found["ray"]["median"] / found["local"]["median"],
        "features equal bit for bit": same,
    }
    leave("runners", results, arguments.json)


def photographs(folder: Path, count: int, size: tuple[int, int]) -> Path:
    """Write JPEG files of smooth noise, seeded."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for k in range(count):
        coarse = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(folder / f"{k:05d}.jpg", quality=92)
    return folder


def linked(images: Path, folder: Path, count: int) -> Path:
    """Link the first images of a folder into another."""
    folder.mkdir()
    for file in sorted(images.iterdir())[:count]:
        os.link(file, folder / file.name)
    return folder


def run(images: Path, backbone: str, runner: str, store: Path) -> float:
    begun = time.perf_counter()
    command = [str(Path(sys.executable).with_name("howfar")), "embed", str(images), "--backbone", backbone]
    subprocess.run([*command, "--runner", runner, "--store", str(store)], capture_output=True, check=True)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
