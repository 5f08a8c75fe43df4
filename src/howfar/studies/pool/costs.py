"""Measure what a model costs: its parameters, and the seconds that it takes for an image on this machine."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from howfar.backbones.torch_backbone import resolve_device
from howfar.cores import available_cores
from howfar.data import Dataset, decode, read_bytes
from howfar.pipeline.prediction import load_model
from howfar.progress import bar
from howfar.results.pool import SECONDS
from howfar.segmenters.checkpoint import Checkpoint

IMAGES: Final = 3
ROUNDS: Final = 5
_ENOUGH_ROUNDS: Final = 2
_PATIENCE: Final = 120.0
"""Seconds after which no further round is begun."""


def costs_of(files: Mapping[str, Path]) -> tuple[pd.DataFrame, dict[str, Checkpoint]]:
    """Count the parameters of each model's network, and return the checkpoints that they were counted from.

    `files` are the checkpoints by model. The table has a row a model: model, segmenter, size (side of the square input in
    pixels), parameters, trained (those that training changes; the encoder of ``adsam`` is frozen).
    """
    checkpoints = {model: Checkpoint.load(file) for model, file in files.items()}
    rows = []
    for model, checkpoint in checkpoints.items():
        network, card = checkpoint.build(), checkpoint.card
        sizes = [(parameter.numel(), parameter.requires_grad) for parameter in network.parameters()]
        counts = {"parameters": sum(n for n, _ in sizes), "trained": sum(n for n, changes in sizes if changes)}
        rows.append({"model": model, "segmenter": card.segmenter, "size": card.size, **counts})
    return pd.DataFrame(rows), checkpoints


def timings_of(checkpoints: Mapping[str, Checkpoint], dataset: Dataset, device: str, *, progress: bool) -> pd.DataFrame:
    """Time each model on the first images of a dataset, one image at a time, the models in turn.

    Reading and decoding are not timed; resizing to the network's input, the network and resizing its map are. One image by
    each model beforehand is not counted. Models take turns, so that whatever else the machine does meets all of them. There are
    five rounds over three images, or fewer (no less than two) where they take more than two minutes.

    Returns a row a model, image and round: model, image, round, seconds_per_image.
    """
    items = dataset.items[:IMAGES]
    pictures = [(item.name, np.asarray(decode(read_bytes(item.path)).image)) for item in items]
    predictors = {model: load_model(checkpoint, device=device).predictor for model, checkpoint in checkpoints.items()}
    for predictor in predictors.values():
        predictor.maps([pictures[0][1]])
    rows, begun = [], time.perf_counter()
    for number in bar(range(ROUNDS), progress=progress, patient=True, desc="timing models", unit="round"):
        if number >= _ENOUGH_ROUNDS and time.perf_counter() - begun > _PATIENCE:
            break
        for name, picture in pictures:
            for model, predictor in predictors.items():
                seconds = _seconds(predictor, picture)
                rows.append({"model": model, "image": name, "round": number, SECONDS: seconds})
    return pd.DataFrame(rows)


def _seconds(predictor: Any, picture: NDArray[np.uint8]) -> float:
    begun = time.perf_counter()
    # The map is an array in memory when this returns, so that a GPU's work is waited for.
    predictor.maps([picture])
    return time.perf_counter() - begun


def hardware(device: str) -> dict[str, str | int]:
    """Describe what models are timed on: processor, cores that may be used, torch's threads, and the device."""
    where = resolve_device(device)
    name = torch.cuda.get_device_name(where) if where.type == "cuda" else "CPU"
    return {"processor": _processor(), "cores": available_cores(), "threads": torch.get_num_threads(), "device": name}


def _processor() -> str:
    """Read the processor's name, where the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8", errors="replace").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
