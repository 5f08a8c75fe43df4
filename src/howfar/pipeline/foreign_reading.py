"""Settle how a foreign network is fed and read: by the range of its values, and by the masks of a few labelled images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from howfar.data import Dataset, decode, read_bytes
from howfar.data.item import Item
from howfar.data.masks import read_mask, resize_mask
from howfar.errors import ImageError, InputError
from howfar.metrics import Counts, SegmentationScore, count, stack, summarise
from howfar.results.records import NetworkReading
from howfar.segmenters.predictor import Predictor, resized, resized_map
from howfar.segmenters.probability_models import BYTE, ForeignNetwork, Output, Reading
from howfar.weights.hub import IMAGENET_MEAN, IMAGENET_STD

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


@dataclass(frozen=True)
class Settled:
    """Hold a predictor whose reading is settled, the record of it, and a warning where another reading does better."""

    predictor: Predictor
    reading: NetworkReading
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Sample:
    picture: NDArray[np.float32]
    mask: NDArray[np.bool_] | None


@dataclass
class _Trial:
    """Hold what a network gives for the samples by one normalisation: range of its values, and counts by output and channel."""

    reading: Reading
    channels: int = 1
    low: float = np.inf
    high: float = -np.inf
    counts: dict[tuple[Output, int], list[Counts]] = field(default_factory=dict)
    faults: dict[tuple[Output, int], InputError] = field(default_factory=dict)

    @property
    def within(self) -> bool:
        return self.low >= -_EPSILON and self.high <= 1 + _EPSILON

    def scores(self, output: Output) -> Iterator[tuple[int, SegmentationScore]]:
        for (read_as, channel), counts in self.counts.items():
            if read_as == output and (read_as, channel) not in self.faults:
                yield channel, summarise(stack(counts))


def settled(predictor: Predictor, images: Dataset) -> Settled | None:
    """Settle how a foreign network is fed and read, from a few images of a dataset; None where none of them can be read.

    What the caller did not say of its output follows from the values: all within 0-1 are probabilities. Where images have
    masks, the normalisations of ImageNet, 0 to 1, 0 to 255 and -1 to 1 (and either of two channels) are compared by the best F
    of the summed counts, and by the soft F, which falls where maps are too bright or too dark throughout.

    Raises
    ------
    InputError
        Another reading is clearly better than a default one, or the network gives what is no map.
    """
    network = predictor.network
    assert isinstance(network, ForeignNetwork)  # for the type checker: the caller has asked
    samples = _samples(images, predictor)
    if not samples:
        return None
    trials = [_trial(replace(network, reading=reading), samples, predictor.batch) for reading in _readings(network)]
    within = all(trial.within for trial in trials)
    output: Output = "probabilities" if within and "output" not in network.explicit else network.reading.output
    channel, channels = network.reading.channel_of(trials[0].channels), trials[0].channels
    if (output, channel) in trials[0].faults:
        raise trials[0].faults[output, channel]
    network = replace(network, reading=replace(network.reading, output=output, channel=channel))
    used = _record(network, predictor.size, network.reading, channels)
    warnings = [_read_as_logits(trials[0], network.name)] if within and output == "logits" else []
    if samples[0].mask is not None:
        warnings += _better(network, used, trials, f"{len(samples)} labelled images of {images.name}")
    return Settled(replace(predictor, network=network), used, tuple(warnings))


def _readings(network: ForeignNetwork) -> list[Reading]:
    """List the reading in use, and it with every other normalisation; a network of 8-bit numbers has one alone."""
    own = network.reading
    if network.dtype == "uint8":
        return [own]
    others = [(mean, std) for mean, std in _NORMALISATIONS if (mean, std) != (tuple(own.mean), tuple(own.std))]
    return [own, *(replace(own, mean=mean, std=std) for mean, std in others)]


def _trial(network: ForeignNetwork, samples: Sequence[_Sample], batch: int) -> _Trial:
    trial = _Trial(network.reading)
    for start in range(0, len(samples), batch):
        chunk = samples[start : start + batch]
        values = network.outputs(np.stack([sample.picture for sample in chunk]))
        trial.channels = values.shape[1]
        trial.low, trial.high = min(trial.low, float(values.min())), max(trial.high, float(values.max()))
        own = network.reading.channel_of(trial.channels)
        for channel in (1, 0) if trial.channels == 2 else (own,):
            for output in _OUTPUTS:
                reading = replace(network.reading, output=output, channel=channel)
                try:
                    maps = reading.foreground(values)
                except InputError as fault:
                    trial.faults[output, channel] = fault
                    continue
                counts = trial.counts.setdefault((output, channel), [])
                counts += [_count(p, sample.mask) for p, sample in zip(maps, chunk, strict=True) if sample.mask is not None]
    return trial


def _count(p: NDArray[np.float32], mask: NDArray[np.bool_]) -> Counts:
    return count(resized_map(p, *mask.shape), mask)


def _better(network: ForeignNetwork, used: NetworkReading, trials: Sequence[_Trial], where: str) -> list[str]:
    """Name the options of a clearly better reading: in a warning where the caller chose otherwise, else in an error."""
    output = network.reading.output
    scores = {(at, channel): score for at, trial in enumerate(trials) for channel, score in trial.scores(output)}
    own = scores[0, used.channel]
    better = {
        key: score for key, score in scores.items() if score.ods > own.ods + MARGIN and _soft(score) > _soft(own) + MARGIN
    }
    if not better:
        return []
    (at, channel), best = max(better.items(), key=lambda entry: entry[1].ods)
    other = _record(network, used.size, replace(trials[at].reading, output=output, channel=channel), used.channels)
    chosen = bool(network.explicit & ({"mean", "std"} if at else {"channel"}))
    line = (
        f"{network.name} seems to be fed or read otherwise than it was trained: on {where} it scores F {own.ods:.2f} "
        f"{'with the options given' if chosen else 'by default'} and {best.ods:.2f} with {' '.join(other.options())}"
    )
    if chosen:
        return [line]
    raise InputError(f"{line}: pass these options (to keep the default, pass {' '.join(used.options())})")


def _soft(score: SegmentationScore) -> float:
    """Compute the soft F, 2Σpy / (Σp + Σy): Σp and Σpy are means over the thresholds of predicted pixels and of hits."""
    counts = score.counts
    hits, predicted = (values.mean(axis=1).sum() for values in (counts.hits_predicted, counts.predicted))
    return float(2 * hits / (predicted + counts.true.sum()))


def _read_as_logits(trial: _Trial, name: str) -> str:
    low, high = (1 / (1 + np.exp(-value)) for value in (trial.low, trial.high))
    return (
        f"all values of {name} lie within 0-1 and are read as logits, so that its maps hold {low:.2f} to {high:.2f} alone: "
        "pass --output probabilities"
    )


def _record(network: ForeignNetwork, size: int, reading: Reading, channels: int) -> NetworkReading:
    mean, std = tuple(map(float, reading.mean)), tuple(map(float, reading.std))
    channel = reading.channel_of(channels)
    return NetworkReading(network.name, size, network.layout, network.dtype, mean, std, reading.output, channel, channels)


def _samples(images: Dataset, predictor: Predictor) -> list[_Sample]:
    """Take a few images with masks that hold foreground, drawn with a fixed seed; without any, a few images."""
    labelled = [item for item in images.items if item.mask is not None]
    samples = _taken(labelled, predictor, LABELLED)
    return samples or [replace(sample, mask=None) for sample in _taken(images.items, predictor, UNLABELLED, blank=True)]


def _taken(items: Sequence[Item], predictor: Predictor, most: int, blank: bool = False) -> list[_Sample]:
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
            samples.append(_sample(picture, mask, predictor))
    return samples


def _sample(picture: NDArray[np.uint8], mask: NDArray[np.bool_] | None, predictor: Predictor) -> _Sample:
    """Resize an image and its mask to the network's square; with tiles, cut a tile around foreground first."""
    side = predictor.size
    if predictor.tiled:
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
    return _Sample(np.ascontiguousarray(square, np.float32) / np.float32(255), shrunk)
