"""Write the caveats of a comparison or a matrix: shared images, small datasets, undefined distances or p-values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from howfar.pipeline import MeasuredPair
from howfar.results import Features, Leak, Settings

FEW_IMAGES = 10
# Most datasets, or pairs of them, that are named in one note.
NAMED = 5
UNEQUAL = 2
# With fewer images of the primary dataset no conformal p-value can reach 0.05.
CONFORMAL = 19
SIGNIFICANCE = 0.05
# No embedding of an image lies so many times as far from the primary dataset as others of its dataset do.
ABSURD = 1e6
# The trivial backbones are measured on at most so many images of each dataset.
BASELINE_IMAGES = 1000


def notes(
    features: Sequence[Features], measured: Sequence[MeasuredPair], leaks: Sequence[Leak], settings: Settings, baselines: bool
) -> Iterator[str]:
    """Yield a sentence for each weakness of a comparison, whose primary's features come first, and each undefined value."""
    primary, *secondaries = features
    yield from _about_store(features)
    # Equal embeddings may be of unlike images, where a backbone sees no difference or rounding took it.
    what = "images" if any(primary.paths) else "embeddings"
    if leaks:
        names = sorted({leak.dataset for leak in leaks})
        yield f"{primary.name} holds {what} of {', '.join(names)} too ({len(leaks)}): they make those sets look nearer"
    for dataset in features:
        if copies := len(dataset) - len(set(dataset.contents)):
            yield f"{dataset.name} holds {copies} exact {'copy' if copies == 1 else 'copies'} of its own {what}"
    yield from _about_primary(primary, measured)
    for dataset, pair in zip(secondaries, measured, strict=True):
        yield from _absurd(dataset, pair)
    yield from _about_size(primary, secondaries, settings)
    short = [s.name for s, pair in zip(secondaries, measured, strict=True) if pair.components < settings.components]
    if short and settings.projection != "none":
        most = min(pair.components for pair in measured)
        yield f"{settings.components} components were asked for, and no more than {most} can be had of {', '.join(short)}"
    if settings.permutations and len(secondaries) > SIGNIFICANCE * (settings.permutations + 1):
        least = len(secondaries) / (settings.permutations + 1)
        yield f"{settings.permutations} permutations cannot give {len(secondaries)} secondaries a corrected p below {least:.2g}"
    if settings.permutations and settings.projection == "primary":
        yield "the p-values test the energy distance in the pair projection: one fitted on P alone does not treat both alike"
    if baselines and max(map(len, features)) > BASELINE_IMAGES:
        yield f"the trivial backbones were measured on at most {BASELINE_IMAGES} images of each dataset"


def _about_store(features: Sequence[Features]) -> Iterator[str]:
    """Yield the store's notes on damage, without repetitions."""
    yield from dict.fromkeys(note for dataset in features for note in dataset.notes)


def _about_primary(primary: Features, measured: Sequence[MeasuredPair]) -> Iterator[str]:
    n = len(primary)
    if n == 1:
        yield f"{primary.name} is a single image: it has no self-distance, so relative distances are undefined"
    elif any(pair.found.relative is None for pair in measured):
        # Unlike images may have features that differ by rounding alone, as beside an offset that all have in common.
        apart = len(set(primary.contents)) > 1
        yield (
            f"the features of {primary.name} do not differ{' by more than rounding' if apart else ''}: it has no self-distance "
            f"to be relative to{', and other distances may be rounding too' if apart else ''}"
        )
    if 1 < n < CONFORMAL:
        yield f"{primary.name} has {n} images: with fewer than {CONFORMAL} no image can be called farther than 95 % of them"


def _absurd(dataset: Features, pair: MeasuredPair) -> Iterator[str]:
    """Note an image so much farther than its dataset's others that it alone determines mean and interval."""
    distances = pair.found.i_dist
    row, typical = int(np.argmax(distances)), float(np.median(distances))
    if distances[row] > ABSURD * typical > 0:
        column = int(np.abs(dataset.rows.rows(row, row + 1)[0]).argmax())
        yield (
            f"{dataset.images[row]} of {dataset.name} is {distances[row] / typical:.1g} times as far as its others usually "
            f"are, by column {column}: the dataset's mean and interval tell of that cell alone: drop or mend it"
        )


def _about_size(primary: Features, secondaries: Sequence[Features], settings: Settings) -> Iterator[str]:
    small = [s for s in secondaries if len(s) < FEW_IMAGES]
    if len(small) > NAMED:
        yield f"{_listed([s.name for s in small])} have fewer than {FEW_IMAGES} images: their intervals and p-values say little"
    else:
        for s in small:
            yield f"{s.name} has {len(s)} image{'s' if len(s) > 1 else ''}: its interval and p-value say little"
    if settings.neighbours > len(primary):
        yield f"{settings.neighbours} neighbours were asked for, and {primary.name} has {len(primary)} images to be near to"
    sizes = [len(dataset) for dataset in secondaries]
    if settings.projection == "pair" and max(sizes) > UNEQUAL * min(sizes) and min(sizes) >= FEW_IMAGES:
        yield (
            f"the secondaries hold {min(sizes)} to {max(sizes)} images, and a small one has little say in the components that "
            f"it shares with {primary.name}, which moves its relative distance: "
            f"limit={min(sizes)} (--limit {min(sizes)}) measures all at one size"
        )


def matrix_notes(features: Sequence[Features], rows: Sequence[Mapping[str, Any]], settings: Settings) -> Iterator[str]:
    """Yield a sentence for each weakness of a matrix and each undefined value."""
    yield from _about_store(features)
    few = [dataset.name for dataset in features if len(dataset) < FEW_IMAGES]
    if few:
        verb = "has" if len(few) == 1 else "have"
        yield f"{_listed(few)} {verb} fewer than {FEW_IMAGES} images: what is near to such a set is little more than chance"
    holders: dict[str, list[str]] = {}
    for dataset in features:
        for content in dict.fromkeys(dataset.contents):
            holders.setdefault(content, []).append(dataset.name)
    for names, count in Counter(tuple(names) for names in holders.values() if len(names) > 1).most_common(NAMED):
        yield f"{' and '.join(names)} share {count} image{'s' if count > 1 else ''}, which brings them nearer"
    sizes = [len(dataset) for dataset in features]
    if max(sizes) > UNEQUAL * min(sizes):
        say = ", and in a pair's space it has little say" if settings.projection == "pair" else ""
        cure = f": limit={min(sizes)} (--limit {min(sizes)}) measures all at one size" if min(sizes) >= FEW_IMAGES else ""
        yield (
            f"the datasets hold {min(sizes)} to {max(sizes)} images, and a small sample is never quite like a large one of its "
            f"kind{say}{cure}"
        )
    most = min(int(row["components"]) for row in rows)
    if most < settings.components and settings.projection != "none":
        yield f"{settings.components} components were asked for, and no more than {most} can be had of some pairs"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"
