"""Compute a UMAP of a run's images (positions in a 2-D plot), and keep it in the run folder for report and explorer."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, get_args

import numpy as np
import pandas as pd

from howfar.arrays import Float64Array
from howfar.backbones import load_backbone
from howfar.data import parse
from howfar.errors import InputError, MissingExtraError, MissingPathError, StoreError
from howfar.image_reading_options import READING, reading_pixels
from howfar.options import Maps, Stored
from howfar.pipeline.pair_measurement import KEPT, projector_of
from howfar.results import Comparison, Features, Settings
from howfar.results.comparison_result import ImageMap
from howfar.results.display_and_shared_records import Provenance
from howfar.studies.study_inputs import Execution, at_rows, drawn, views

NEIGHBOURS: Final = 15
"""Images that make up the surroundings of one, UMAP's own default."""
_SPREAD: Final = 10.0
_AGAIN: Final = "run howfar compare again with --map umap and --out"


def check_map(chosen: Maps | None, folder: Path | None) -> None:
    """Check before any computation that the map is known, umap-learn is installed, and a folder can keep the map."""
    if chosen is None:
        return
    if chosen not in get_args(Maps):
        raise InputError.of("map", f"must be {' or '.join(get_args(Maps))}", chosen)
    if folder is None:
        raise InputError.of("map", "is kept in a run folder, and there is none", chosen, "name one (out)")
    if chosen == "umap":
        _check_installed()


def keep_map(
    comparison: Comparison, chosen: Maps | None, features: Callable[[], Sequence[Features]] | None = None, store: Stored = None
) -> None:
    """Choose the map that a run's pages open with, made if missing; `features` are by default read again, with `store`."""
    folder = comparison.folder
    if chosen is None or folder is None:
        return
    try:
        known = ImageMap.of(comparison)
    except (StoreError, MissingPathError):  # damaged, or lost in part: it is made anew, as the line about it says
        ImageMap.discard(folder)
        known = None
    if known is not None and known.first != chosen:
        replace(known, first=chosen).made_from(comparison).save(folder)
    elif known is None and chosen == "umap":
        image_map(comparison, features or (lambda: _again(comparison, store))).save(folder)


def image_map(comparison: Comparison, features: Callable[[], Sequence[Features]]) -> ImageMap:
    """Make a UMAP of a run's images from the components in which distances were measured; one per pair's own subspace.

    It begins at the two first components (Kobak and Linderman 2021, https://doi.org/10.1038/s41587-020-00809-z), and one
    thread draws it with the run's seed, so that it is the same each time. UMAP: McInnes, Healy and Melville 2018,
    https://arxiv.org/abs/1802.03426. Raises `InputError` where the compared features cannot be had again.
    """
    _check_installed()
    frames = [comparison.primary_images.drop_duplicates("image")]
    frames += [comparison.images[comparison.images["dataset"] == dataset.name] for dataset in comparison.datasets]
    chosen = []
    # The compared images in their order.
    for frame, dataset in zip(frames, features(), strict=True):
        row_of = {key: row for row, key in enumerate(zip(dataset.images, dataset.contents, strict=True))}
        rows = [row_of.get(key) for key in zip(frame["image"], frame["content"], strict=True)]
        known = [row for row in rows if row is not None]
        if len(known) < len(rows):
            received = f"{dataset.name}, where {rows.count(None)} of {len(rows)} images are not there or have changed"
            raise InputError.of("map", "needs the images that were compared", received, _AGAIN)
        chosen.append(dataset if known == list(range(len(dataset))) else at_rows(dataset, known))
    settings, count = comparison.settings, comparison.datasets[0].components
    if count > KEPT:
        raise InputError.of("map", f"needs images of at most {KEPT:,} components", count, "compare with --projection pair")
    panels, frames = list(_panels(chosen, settings)), []
    for against, datasets, scores in panels:
        images = [(against, dataset.name, image) for dataset in datasets for image in dataset.images]
        x, y = umap_of(scores, settings.seed).T
        frames.append(pd.DataFrame(images, columns=["against", "dataset", "image"]).assign(x=x, y=y))
    return ImageMap(
        places=pd.concat(frames, ignore_index=True),
        panelled=settings.projection == "pair",
        components=max(scores.shape[1] for _, _, scores in panels),
        neighbours=NEIGHBOURS,
        seed=settings.seed,
        provenance=Provenance.now(),
    ).made_from(comparison)


def umap_of(scores: Float64Array, seed: int) -> Float64Array:
    """Place rows (n, z) in a plane, (n, 2), by UMAP started from the first two columns; fewer than four rows keep these."""
    begin = np.zeros((len(scores), 2))
    begin[:, : min(2, scores.shape[1])] = scores[:, :2]
    if len(scores) <= 3:
        return begin
    largest = np.abs(begin).max()
    begin *= _SPREAD / largest if largest > 0 else 1.0
    # Only this and scikit-learn need it.
    from threadpoolctl import threadpool_limits

    # Numba, which it computes by, leaves torch as many threads as there are cores, and a training after it other digits.
    with threadpool_limits(limits=None), warnings.catch_warnings():
        # It warns of what is not installed, that one seed means one thread, and of what libraries below it will change.
        warnings.simplefilter("ignore")
        from umap import UMAP

        made = UMAP(n_neighbors=min(NEIGHBOURS, len(scores) - 1), init=begin, random_state=seed, n_jobs=1)
        return np.asarray(made.fit_transform(scores.astype(np.float32)), dtype=np.float64)


def _check_installed() -> None:
    if find_spec("umap") is None:
        raise MissingExtraError("a UMAP needs umap-learn: pip install 'howfar[umap]'")


def _again(comparison: Comparison, store: Any) -> Sequence[Features]:
    """Return a run's features again, from the store or recomputed from the images."""
    names = [comparison.primary.name, *(dataset.name for dataset in comparison.datasets)]
    lacking = [name for name in names if name not in comparison.sources]
    if lacking:
        raise InputError.of("map", "needs datasets that can be read again", ", ".join(lacking), _AGAIN)
    settings = comparison.settings
    with reading_pixels(comparison.backbone.identity.get(READING, {})):
        datasets = [drawn(parse(comparison.sources[name], name), settings.limit, settings.seed) for name in names]
        ready = [dataset for dataset in datasets if isinstance(dataset, Features)]
        if ready:
            return ready
        if not comparison.options:
            raise InputError.of("map", "needs a backbone that can be loaded again", comparison.backbone.name, _AGAIN)
        execution = Execution.of({"store": store, "runner": "local", "batch_size": None, "workers": None, "progress": True})
        return views(datasets, [load_backbone(**comparison.options)], [], settings, execution)[0]


def _panels(features: list[Features], settings: Settings) -> Iterator[tuple[str, list[Features], Float64Array]]:
    """Yield each panel's name, datasets, and components: P with one secondary, or all datasets in a joint space."""
    primary, *others = features
    pairs = projector_of(primary, settings).project([other.rows for other in others], settings.projection)
    shared: list[Float64Array] = []
    for other, pair in zip(others, pairs, strict=True):
        theirs = np.asarray(pair.secondary, dtype=np.float64)
        if settings.projection == "pair":
            yield other.name, [primary, other], np.concatenate([np.asarray(pair.primary, dtype=np.float64), theirs])
        else:
            shared += [theirs] if shared else [np.asarray(pair.primary, dtype=np.float64), theirs]
    if shared:
        yield "", features, np.concatenate(shared)
