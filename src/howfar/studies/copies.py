"""Find equal and nearly equal images, and warn, leave them out, or raise an error."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from howfar.backbones import load_backbone
from howfar.backbones.handcrafted import NAME as HASH
from howfar.backbones.handcrafted import has_structure, mirrored
from howfar.data import Dataset
from howfar.distances.bit_agreement import agreement, best_match, usual_agreement
from howfar.errors import InputError
from howfar.options import LeakHandling
from howfar.protocols import Backbone
from howfar.results import Comparison, Features, Skipped
from howfar.results.comparison_result import COPIES, no_copies
from howfar.studies.study_inputs import at_rows

ALIKE: Final = 0.77
"""Share of equal bits from which two images are near duplicates, whatever their features, where they are not framed alike."""
ALIKE_AND_NEAR: Final = 0.67
"""The same where the one is among the nearest images of P in the features of the other; both as benchmarks/near_duplicates.py
chose them."""
NEAR: Final = 0.55
"""Share of P's self-distance within which an image's nearest one of P lies, if it is a near duplicate by features.

Endoscopies of two hospitals whose hashes agree in 0.70 lie at 0.68 and 0.72; altered copies at 0.4 or less, a few turned by 5
degrees at up to 0.75.
"""
SURE: Final = 0.96
"""Share of equal bits from which two images are near duplicates, however much alike all images of their datasets are."""
_NAMED: Final = 3


class CopySearch(NamedTuple):
    """Hold comparisons of the same datasets, and the primary's and secondaries' perceptual hashes or ready-made embeddings."""

    comparisons: tuple[Comparison, ...]
    features: tuple[Features, ...]


Images = Sequence[Dataset | Features]


def hashing(datasets: Images) -> list[Backbone]:
    """Load the perceptual-hash backbone; return [] for ready-made embeddings, which have no pictures."""
    return [load_backbone(HASH)] if all(isinstance(dataset, Dataset) for dataset in datasets) else []


def without_leaks(datasets: Images, measure: Callable[[Images], CopySearch], leaks: LeakHandling) -> tuple[Comparison, ...]:
    """Measure datasets, the primary first, and list near duplicates; with "drop", measure again without leaked images.

    A leak is an image of a secondary that is one of the primary's, or nearly so. Raises `InputError` where there is one and
    `leaks` is "refuse", or where "drop" would leave nothing of a secondary.
    """
    search = measure(datasets)
    copies = near_duplicates(search)
    leaked = copies["other_dataset"] == search.features[0].name
    if leaks == "refuse" and leaked.any():
        raise _refusal(copies[leaked], search.features[0].name)
    dropped = leaked & (leaks == "drop")
    copies = copies.assign(dropped=dropped.to_numpy(dtype=bool))
    if not dropped.any():
        return tuple(_with_copies(each, copies, ()) for each in search.comparisons)
    gone = copies[dropped]
    again = measure(_left(datasets, gone))
    reasons = tuple(
        Skipped(row["dataset"], row["path"] or row["image"], f"{_called(row['kind'])} {row['other']} of {row['other_dataset']}")
        for row in gone.drop_duplicates(["dataset", "image"]).to_dict("records")
    )
    return tuple(_with_copies(each, copies, reasons) for each in again.comparisons)


def near_duplicates(search: CopySearch) -> pd.DataFrame:
    """List equal or nearly equal images: for each secondary image, the most similar in P and in the secondaries.

    Equal images have the same bytes. Hashes of nearly equal ones agree in a share `ALIKE` of their bits, or in
    `ALIKE_AND_NEAR` where one of P is among the nearest in the features of the other (then the nearest counts, not the most
    alike); in more where the images of two datasets are framed alike (`usual_agreement`). Of two secondaries the later one's
    image is listed.
    """
    features, pairs = search.features, [_equal(search.features)]
    if features[0].identity.get("name") == HASH:
        pairs += [_by_hash(features), _by_features(search)]
    # The first pair counts for each image and other dataset.
    first: dict[tuple[int, int, int], _Pair] = {}
    for pair in chain.from_iterable(pairs):
        first.setdefault((pair.dataset, pair.row, pair.other_dataset), pair)
    if not first:
        return no_copies()
    frame = pd.DataFrame([_row(features, pair) for _, pair in sorted(first.items())], columns=list(COPIES)).astype(COPIES)
    # Leaks come first, then the more alike.
    others = frame["other_dataset"] != features[0].name
    order = frame.assign(_primary=others).sort_values(["_primary", "agreement"], ascending=[True, False], kind="stable")
    return frame.loc[order.index].reset_index(drop=True)


class _Pair(NamedTuple):
    """Hold a pair of images as dataset positions (0 is the primary) and rows."""

    dataset: int
    row: int
    other_dataset: int
    other_row: int
    found_by: str
    agreement: float
    mirrored: bool


def _row(features: Sequence[Features], pair: _Pair) -> dict[str, Any]:
    of, other = features[pair.dataset], features[pair.other_dataset]
    return {
        "dataset": of.name,
        "image": of.images[pair.row],
        "path": of.paths[pair.row],
        "other_dataset": other.name,
        "other": other.images[pair.other_row],
        "other_path": other.paths[pair.other_row],
        "kind": "equal" if pair.found_by == "content" else "near",
        "found_by": pair.found_by,
        "agreement": pair.agreement,
        "mirrored": pair.mirrored,
        "dropped": False,
    }


def _equal(features: Sequence[Features]) -> Iterator[_Pair]:
    counts = Counter(chain.from_iterable(each.contents for each in features))
    # Of each content that stands more than once, the first row of every dataset that has it so far.
    first: dict[str, dict[int, int]] = {content: {} for content, count in counts.items() if count > 1}
    for dataset, each in enumerate(features):
        for row, content in enumerate(each.contents):
            if (rows := first.get(content)) is None:
                continue
            rows.setdefault(dataset, row)
            for other, match in rows.items() if dataset else ():
                if dataset != other or match < row:
                    yield _Pair(dataset, row, other, match, "content", 1.0, False)


def _by_hash(features: Sequence[Features]) -> Iterator[_Pair]:
    signs = [each.to_array().astype(np.float32, copy=False) for each in features]
    seen = [np.flatnonzero(has_structure(each)) for each in signs]
    # Each secondary is searched for copies of P's images, of its own, and of those of earlier ones.
    for dataset, other in ((row, column) for row in range(1, len(features)) for column in range(row + 1)):
        if not len(seen[dataset]) or not len(seen[other]):
            continue
        a, b, own = signs[dataset][seen[dataset]], signs[other][seen[other]], dataset == other
        straight, flipped = best_match(a, b, earlier=own), best_match(mirrored(a), b, earlier=own)
        turned = flipped.agreement > straight.agreement
        best = np.where(turned, flipped.agreement, straight.agreement)
        rows = np.where(turned, flipped.rows, straight.rows)
        for at in np.flatnonzero(best >= _share_needed(a, b, best, ALIKE, own)):
            pair = int(seen[dataset][at]), other, int(seen[other][rows[at]])
            yield _Pair(dataset, *pair, "hash", float(best[at]), bool(turned[at]))


def _by_features(search: CopySearch) -> Iterator[_Pair]:
    primary, *secondaries = search.features
    row_of = {image: row for row, image in enumerate(primary.images)}
    p = primary.to_array().astype(np.float32, copy=False)
    for dataset, features in enumerate(secondaries, start=1):
        signs = features.to_array().astype(np.float32, copy=False)
        for column, near in _nearest(search.comparisons, features.name):
            nearest = np.array([row_of[str(name)] for name in column], dtype=np.intp)
            straight, flipped = agreement(signs, p[nearest]), agreement(mirrored(signs), p[nearest])
            alike, turned = np.maximum(straight, flipped), flipped > straight
            known = near & has_structure(signs) & has_structure(p[nearest])
            for row in np.flatnonzero(known & (alike >= _share_needed(signs, p, alike, ALIKE_AND_NEAR))):
                yield _Pair(dataset, int(row), 0, int(nearest[row]), "features", float(alike[row]), bool(turned[row]))


def _nearest(comparisons: Sequence[Comparison], name: str) -> Iterator[tuple[pd.Series, NDArray[np.bool_]]]:
    """Yield the names of a dataset's nearest images of P, nearest first, and which of them are as near as copies are."""
    for comparison in comparisons:
        images = comparison.images[comparison.images["dataset"] == name]
        own = next(dataset.self_distance for dataset in comparison.datasets if dataset.name == name)
        for column in nearest_columns(images):
            near = images[f"{column}_distance"].to_numpy() <= NEAR * (np.inf if own is None else own)
            yield images[column], near


def _share_needed(
    a: NDArray[np.float32], b: NDArray[np.float32], best: NDArray[np.float64], least: float, same: bool = False
) -> float:
    """Return the share of bits in which copies must agree: `least`, or more if the datasets' images are usually alike."""
    if not ((best >= least) & (best < SURE)).any():
        return least
    return max(least, min(SURE, usual_agreement(a, b, mirrored(a), same=same)))


def nearest_columns(images: pd.DataFrame) -> list[str]:
    """List the columns that name each image's nearest images of P, nearest first."""
    return [name for name in (f"nearest{number}" for number in range(1, 100)) if name in images]


def _left(datasets: Images, gone: pd.DataFrame) -> list[Dataset | Features]:
    """Remove images from their datasets; raise `InputError` if a dataset would be empty."""
    left: list[Dataset | Features] = []
    for dataset in datasets:
        names = set(gone.loc[gone["dataset"] == dataset.name, "image"])
        images = [item.name for item in dataset.items] if isinstance(dataset, Dataset) else dataset.images
        kept = [name not in names for name in images]
        if not any(kept):
            remedy = "leave the dataset out, or pass leaks = warn"
            raise InputError.of("leaks", f"must leave an image of {dataset.name} that is no copy", "drop", remedy)
        left.append(dataset if all(kept) else at_rows(dataset, np.flatnonzero(kept).tolist()))
    return left


def _with_copies(comparison: Comparison, copies: pd.DataFrame, dropped: tuple[Skipped, ...]) -> Comparison:
    notes = (*comparison.notes, *copy_notes(copies, comparison.primary.name))
    return replace(comparison, near_duplicates=copies, skipped=(*comparison.skipped, *dropped), notes=notes)


def copy_notes(copies: pd.DataFrame, primary: str) -> Iterator[str]:
    """Yield a sentence for each pair of datasets with copies: their number, and whether they were left out."""
    for (dataset, other, dropped), rows in copies.groupby(["dataset", "other_dataset", "dropped"], sort=False):
        near, equal = int((rows["kind"] == "near").sum()), int((rows["kind"] == "equal").sum())
        are = "is" if near == 1 else "are"
        if dropped:
            was, copies_of = ("was", "a copy") if len(rows) == 1 else ("were", "copies")
            counts = f"({equal} equal, {near} nearly so)"
            yield f"{_images(len(rows))} of {dataset} {was} left out as {copies_of} of {other} {counts}"
        elif near and dataset == other:
            yield f"{_images(near)} of {dataset} {are} nearly equal to others in it, so that it is smaller than it looks"
        elif near:
            effect = ", which makes it look nearer: --leaks drop leaves them out" if other == primary else ""
            yield f"{_images(near)} of {dataset} {are} nearly equal to images of {other}{effect}"


def _images(count: int) -> str:
    return f"{count} image{'' if count == 1 else 's'}"


def _called(kind: str) -> str:
    return "equal to" if kind == "equal" else "nearly equal to"


def _refusal(leaked: pd.DataFrame, primary: str) -> InputError:
    shown = [f"{row['dataset']}: {row['image']} is {_called(row['kind'])} {row['other']}" for row in leaked.to_dict("records")]
    more = f" and {len(shown) - _NAMED} more" if len(shown) > _NAMED else ""
    received = f"{len(shown)} ({'; '.join(shown[:_NAMED])}{more})"
    return InputError.of("secondaries", f"must hold no image of {primary}", received, "pass leaks = drop to leave them out")
