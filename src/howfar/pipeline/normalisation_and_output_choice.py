"""Choose how images are normalised for a network that howfar did not train, and its outputs read, by trying a few images."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from howfar.data import Dataset, decode, read_bytes
from howfar.data.binary_masks import read_mask, resize_mask
from howfar.data.compact_item_table import Item
from howfar.errors import ImageError, InputError
from howfar.metrics import SegmentationScore, count, stack, summarise
from howfar.results.display_and_shared_records import NetworkReading
from howfar.segmenters.predictor import ForeignNetwork, Output, Predictor, Reading, resized, resized_map
from howfar.weights.hub_downloads import IMAGENET_MEAN, IMAGENET_STD
from howfar.weights.onnx_network import BYTE

LABELLED, UNLABELLED = 8, 2
"""So many images are fed in every plausible way, with masks and without."""
LOOKED_AT: Final = 64
"""Of so many images at most those are taken that can be read, and whose masks hold foreground."""
MARGIN: Final = 0.05
"""A reading is clearly worse than another by more than this of the best F and of the soft F.

A crack segmenter of three normalisations was tried on cracks, vessels, polyps and nuclei: either alone named a wrong reading
on some dataset that the network cannot segment, both together on none.
"""
_EPSILON: Final = 1e-6
_OUTPUTS: Final[tuple[Output, ...]] = ("logits", "probabilities")
_NORMALISATIONS: Final = (
    (IMAGENET_MEAN, IMAGENET_STD),
    ((0.0,) * 3, (1.0,) * 3),
    ((0.0,) * 3, (BYTE,) * 3),
    ((0.5,) * 3, (0.5,) * 3),
)
"""Mean and std of ImageNet, of images left at 0 to 1, at 0 to 255, and at -1 to 1."""


_Sample: TypeAlias = tuple[NDArray[np.float32], NDArray[np.bool_] | None]
"""A picture as the network is fed it, before it is normalised, and its mask where it has one."""


class _Trial(NamedTuple):
    """Hold how a network does on the samples with one normalisation: range of values, and by output and channel a score.

    In place of a score stands why the values cannot be read so. Without masks there are no scores.
    """

    reading: Reading
    channels: int
    low: float
    high: float
    scores: Mapping[tuple[Output, int], SegmentationScore | InputError]


def choose_reading(
    predictor: Predictor, network: ForeignNetwork, images: Dataset
) -> tuple[Predictor, NetworkReading, tuple[str, ...]] | None:
    """Choose how a foreign network is fed and read, by trying a few images of a dataset; None if none is readable.

    The predictor returned does so, with a record of it and warnings of readings that do better. Values all within 0-1 are
    probabilities, unless the caller says otherwise. Where images have masks, the normalisations of ImageNet, 0 to 1, 0 to
    255 and -1 to 1 (and either of two channels) are compared by the best F of the summed counts, and by the soft F, which falls
    where maps are too bright or too dark throughout. Raises `InputError` where another reading is clearly better than a
    default.
    """
    # Drawn with a fixed seed, with masks that hold foreground where there are such.
    samples = _taken([item for item in images.items if item.mask is not None], predictor, LABELLED)
    samples = samples or _taken(images.items, predictor, UNLABELLED, blank=True)
    if not samples:
        return None
    own = network.reading
    others = [(mean, std) for mean, std in _NORMALISATIONS if (mean, std) != (tuple(own.mean), tuple(own.std))]
    # A uint8 network has no normalisation.
    readings = [own, *(replace(own, mean=mean, std=std) for mean, std in others if network.dtype != "uint8")]
    trials = [_trial(replace(network, reading=reading), samples, predictor.batch) for reading in readings]
    within = all(trial.low >= -_EPSILON and trial.high <= 1 + _EPSILON for trial in trials)
    output: Output = "probabilities" if within and "output" not in network.explicit else network.reading.output
    channel, channels = network.reading.channel_of(trials[0].channels), trials[0].channels
    if isinstance(fault := trials[0].scores.get((output, channel)), InputError):
        raise fault
    network = replace(network, reading=replace(network.reading, output=output, channel=channel))
    used = _record(network, predictor.size, network.reading, channels)
    warnings = []
    if within and output == "logits":
        low, high = (1 / (1 + np.exp(-value)) for value in (trials[0].low, trials[0].high))
        warnings.append(
            f"all values of {network.name} lie within 0-1 and are read as logits, so that its maps hold {low:.2f} to "
            f"{high:.2f} alone: pass --output probabilities"
        )
    if samples[0][1] is not None:
        warnings += _better(network, used, trials, f"{len(samples)} labelled images of {images.name}")
    return replace(predictor, network=network), used, tuple(warnings)


def _trial(network: ForeignNetwork, samples: Sequence[_Sample], batch: int) -> _Trial:
    chunks = [samples[start : start + batch] for start in range(0, len(samples), batch)]
    values = torch.cat([network.outputs(np.stack([picture for picture, _ in chunk])) for chunk in chunks])
    channels, scores = values.shape[1], dict[tuple[Output, int], SegmentationScore | InputError]()
    own = network.reading.channel_of(channels)
    for output, channel in itertools.product(_OUTPUTS, (1, 0) if channels == 2 else (own,)):
        try:
            maps = replace(network.reading, output=output, channel=channel).foreground(values)
        except InputError as fault:
            scores[output, channel] = fault
            continue
        pairs = zip(maps, samples, strict=True)
        counts = [count(resized_map(p, *mask.shape), mask) for p, (_, mask) in pairs if mask is not None]
        if counts:
            scores[output, channel] = summarise(stack(counts))
    return _Trial(network.reading, channels, float(values.min()), float(values.max()), scores)


def _better(network: ForeignNetwork, used: NetworkReading, trials: Sequence[_Trial], where: str) -> list[str]:
    """Name the options of a clearly better reading, as a warning if the caller chose the reading, otherwise as an error."""
    output = network.reading.output
    scores = {
        (at, channel): score
        for at, trial in enumerate(trials)
        for (read_as, channel), score in trial.scores.items()
        if read_as == output and not isinstance(score, InputError)
    }
    own = scores[0, used.channel]
    better = {
        key: score for key, score in scores.items() if score.ods > own.ods + MARGIN and _soft(score) > _soft(own) + MARGIN
    }
    if not better:
        return []
    top = max(score.ods for score in better.values())
    # So few images do not tell these apart: the more usual one stands first.
    alike = [(key, score) for key, score in better.items() if score.ods >= top - MARGIN]
    options = [
        _record(network, used.size, replace(trials[at].reading, output=output, channel=channel), used.channels).options()
        for (at, channel), _ in alike
    ]
    told = [f"{score.ods:.2f} with {' '.join(each)}" for (_, score), each in zip(alike, options, strict=True)]
    chosen = bool(network.explicit & ({"mean", "std"} if alike[0][0][0] else {"channel"}))
    line = (
        f"{network.name} seems to be fed or read otherwise than it was trained: on {where} it scores F {own.ods:.2f} "
        f"{'with the options given' if chosen else 'by default'} and {' or '.join(told)}"
    )
    line += f": pass {'these options' if len(alike) == 1 else 'those that it was trained with'}"
    if chosen:
        return [line]
    raise InputError(f"{line} (to keep the default, pass {' '.join(used.options())})")


def _soft(score: SegmentationScore) -> float:
    """Compute the soft F, 2Σpy / (Σp + Σy), where Σp and Σpy are mean predicted pixels and mean hits over thresholds."""
    counts = score.counts
    hits, predicted = (values.mean(axis=1).sum() for values in (counts.hits_predicted, counts.predicted))
    return float(2 * hits / (predicted + counts.true.sum()))


def _record(network: ForeignNetwork, size: int, reading: Reading, channels: int) -> NetworkReading:
    mean, std = tuple(map(float, reading.mean)), tuple(map(float, reading.std))
    channel = reading.channel_of(channels)
    return NetworkReading(network.name, size, network.layout, network.dtype, mean, std, reading.output, channel, channels)


def _taken(items: Sequence[Item], predictor: Predictor, most: int, blank: bool = False) -> list[_Sample]:
    """Read images and masks at random, and resize them to the network's square."""
    samples: list[_Sample] = []
    for place in np.random.default_rng(0).permutation(len(items))[:LOOKED_AT]:
        if len(samples) == most:
            break
        item = items[int(place)]
        try:
            picture = np.asarray(decode(read_bytes(item.path)).image)
            mask = None if item.mask is None or blank else read_mask(item.mask)
        except ImageError:
            continue
        if mask is None or (mask.any() and mask.shape == picture.shape[:2]):
            side = predictor.size
            if predictor.tiled:
                # A tile of the network's size around foreground.
                rows, columns = np.nonzero(np.ones(picture.shape[:2]) if mask is None else mask)
                middle = len(rows) // 2
                top, left = (
                    min(max(int(where[middle]) - side // 2, 0), max(length - side, 0))
                    for where, length in zip((rows, columns), picture.shape, strict=False)
                )
                picture = picture[top : top + side, left : left + side]
                mask = None if mask is None else mask[top : top + side, left : left + side]
            square = resized(np.ascontiguousarray(picture), side).transpose(2, 0, 1)
            shrunk = None if mask is None else resize_mask(mask, side, side)
            samples.append((np.ascontiguousarray(square, np.float32) / np.float32(255), shrunk))
    return samples
