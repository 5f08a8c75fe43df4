"""Find duplicate and near-duplicate images between datasets, and warn, leave duplicates out, or stop."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array, group_numbers
from howfar.backbones import load_backbone
from howfar.backbones.handcrafted_features import NAME as HASH
from howfar.backbones.handcrafted_features import has_structure, mirrored
from howfar.data import Dataset
from howfar.errors import InputError
from howfar.options import LeakHandling
from howfar.pipeline.pair_measurement import NAMED
from howfar.protocols import Backbone
from howfar.results import Comparison, Features, Skipped
from howfar.results.comparison_result import COPIES
from howfar.studies.study_inputs import at_rows

PAIRS_PER_TILE = 1 << 22
SPREADS = 3.4
"""Images that agree in more than median + SPREADS × (median − tenth percentile) of all pairs count as copies.

benchmarks/near_duplicates.py chose it on photographs of eyes, which are framed alike.
"""
FEWEST = 30
"""With fewer pairs nothing is known of how far images usually agree."""
_SPACED = 512


class Match(NamedTuple):
    """Hold each hash's best match (row, or −1 without a match) and the share of equal bits."""

    rows: NDArray[np.intp]
    agreement: Float64Array


def best_match(a: ArrayLike, b: ArrayLike, *, earlier: bool = False, groups: NDArray[np.int64] | None = None) -> Match:
    """Find for each hash of `a`, (m, B), the hash of `b`, (n, B), with the most equal bits; ties go to the first.

    Hashes are signs ±1, so the share of equal bits is (1 + a·b / B) / 2, on average 0.5 for unrelated hashes. `earlier`
    searches a dataset for copies of its own images: only rows of `b` before the row of `a` count, and with `groups` only those
    of another group, as tiles of a photograph or frames of a clip are alike without being copies.
    """
    left, right = np.asarray(a, np.float32), np.asarray(b, np.float32)
    rows, best = np.full(len(left), -1, np.intp), np.full(len(left), -np.inf, np.float32)
    height = max(1, min(len(left), PAIRS_PER_TILE // max(1, min(len(right), 4096))))
    for top in range(0, len(left), height):
        block = slice(top, top + height)
        for start in range(0, len(right), 4096):
            products = left[block] @ right[start : start + 4096].T
            if earlier:
                later = np.arange(start, start + products.shape[1]) >= np.arange(top, top + len(products))[:, None]
                products[later] = -np.inf
                if groups is not None:
                    products[groups[block, None] == groups[start : start + 4096]] = -np.inf
            nearest = products.argmax(axis=1)
            value = products[np.arange(len(products)), nearest]
            better = value > best[block]
            best[block] = np.where(better, value, best[block])
            rows[block] = np.where(better, nearest + start, rows[block])
    agreement = np.where(rows >= 0, (1.0 + best.astype(np.float64) / left.shape[1]) / 2.0, 0.0)
    return Match(rows, agreement)


def agreement(a: ArrayLike, b: ArrayLike) -> Float64Array:
    """Compute the share of equal bits between matching rows of two arrays of hashes."""
    return np.asarray((np.asarray(a) == np.asarray(b)).mean(axis=1, dtype=np.float64))


def usual_agreement(a: ArrayLike, b: ArrayLike, flipped: ArrayLike, *, same: bool = False, spreads: float = SPREADS) -> float:
    """Estimate the highest hash agreement of images that are no copies: median + 3.4 (median − tenth percentile); 0 if unknown.

    Copies move both numbers little while they are few: a tenth of copies raises the limit of unrelated hashes from 0.63 to
    0.65, half to 0.85. The best match of each row, which may be a copy, is left out. `flipped` are hashes of the mirrored
    images of `a`.
    """
    left, right, turned = (np.asarray(signs, np.float32) for signs in (a, b, flipped))
    rows, columns = _spaced(left), _spaced(right)
    # Of rows of B signs ±1 the share of equal bits is (1 + a·b / B) / 2.
    products = np.maximum(*(signs[rows] @ right[columns].T for signs in (left, turned)))
    shares = np.asarray((1.0 + products.astype(np.float64) / left.shape[1]) / 2.0)
    if same:
        np.fill_diagonal(shares, -1.0)
    shares[np.arange(len(shares)), shares.argmax(axis=1)] = -1.0
    pairs = shares[shares >= 0]
    if len(pairs) < FEWEST:
        return 0.0
    low, middle = np.quantile(pairs, (0.1, 0.5))
    return float(middle + spreads * (middle - low))


def _spaced(signs: NDArray[np.float32]) -> NDArray[np.intp]:
    """Return positions of evenly spaced distinct rows; of equal rows the first is kept."""
    every = np.arange(0, len(signs), max(1, -(-len(signs) // _SPACED)))
    return every[np.unique(signs[every], axis=0, return_index=True)[1]]


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
    copies, primary = near_duplicates(search), search.features[0].name
    leaked = copies["other_dataset"] == primary
    if leaks == "refuse" and leaked.any():
        rows = copies[leaked].to_dict("records")
        shown = [f"{row['dataset']}: {row['image']} is {_called(row['kind'])} {row['other']}" for row in rows]
        more = f" and {len(shown) - _NAMED} more" if len(shown) > _NAMED else ""
        received = f"{len(shown)} ({'; '.join(shown[:_NAMED])}{more})"
        remedy = "pass leaks = drop to leave them out"
        raise InputError.of("secondaries", f"must hold no image of {primary}", received, remedy)
    dropped = leaked & (leaks == "drop")
    copies = copies.assign(dropped=dropped.to_numpy(dtype=bool))
    if not dropped.any():
        return tuple(_with_copies(each, copies, ()) for each in search.comparisons)
    gone = copies[dropped]
    left: list[Dataset | Features] = []
    for dataset in datasets:
        names = set(gone.loc[gone["dataset"] == dataset.name, "image"])
        images = [item.name for item in dataset.items] if isinstance(dataset, Dataset) else dataset.images
        kept = [name not in names for name in images]
        if not any(kept):
            remedy = "leave the dataset out, or pass leaks = warn"
            raise InputError.of("leaks", f"must leave an image of {dataset.name} that is no copy", "drop", remedy)
        left.append(dataset if all(kept) else at_rows(dataset, np.flatnonzero(kept).tolist()))
    again = measure(left)
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
    rows = []
    # Leaks come first, then the more alike.
    for _, pair in sorted(first.items(), key=lambda each: (each[1].other_dataset > 0, -each[1].agreement, each[0])):
        of, other = features[pair.dataset], features[pair.other_dataset]
        row = {
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
        rows.append(row)
    return pd.DataFrame(rows, columns=list(COPIES)).astype(COPIES)


class _Pair(NamedTuple):
    """Hold a pair of images as dataset positions (0 is the primary) and rows."""

    dataset: int
    row: int
    other_dataset: int
    other_row: int
    found_by: str
    agreement: float
    mirrored: bool


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
        groups = group_numbers(features[dataset].groups) if own else None
        groups = None if groups is None else groups[seen[dataset]]
        straight, flipped = (best_match(signs, b, earlier=own, groups=groups) for signs in (a, mirrored(a)))
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
        for comparison in search.comparisons:
            images = comparison.images[comparison.images["dataset"] == features.name]
            own = next(summary.self_distance for summary in comparison.datasets if summary.name == features.name)
            # The nearest images of P, nearest first, where they are as near as copies are.
            for column in (name for name in (f"nearest{number}" for number in range(1, NAMED + 1)) if name in images):
                near = images[f"{column}_distance"].to_numpy() <= NEAR * (np.inf if own is None else own)
                nearest = np.array([row_of[str(name)] for name in images[column]], dtype=np.intp)
                straight, flipped = agreement(signs, p[nearest]), agreement(mirrored(signs), p[nearest])
                alike, turned = np.maximum(straight, flipped), flipped > straight
                known = near & has_structure(signs) & has_structure(p[nearest])
                for row in np.flatnonzero(known & (alike >= _share_needed(signs, p, alike, ALIKE_AND_NEAR))):
                    yield _Pair(dataset, int(row), 0, int(nearest[row]), "features", float(alike[row]), bool(turned[row]))


def _share_needed(
    a: NDArray[np.float32], b: NDArray[np.float32], best: NDArray[np.float64], least: float, same: bool = False
) -> float:
    """Return the share of bits in which copies must agree: `least`, or more if the datasets' images are usually alike."""
    if not ((best >= least) & (best < SURE)).any():
        return least
    return max(least, min(SURE, usual_agreement(a, b, mirrored(a), same=same)))


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
