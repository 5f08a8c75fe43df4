"""The distances of every dataset from every other: pair by pair, kept as they are measured, gone on with after a kill."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from itertools import combinations, groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from howfar.data import parse
from howfar.errors import InputError
from howfar.pipeline import check_work
from howfar.pipeline.pairs import projector_of, quietly
from howfar.pipeline.symmetric import Between, between
from howfar.progress import bar
from howfar.projection import Projection
from howfar.projection.remembered import Remembered
from howfar.results import BackboneSummary, Features, Provenance, Settings
from howfar.results.matrix import Matrix, MatrixDataset
from howfar.studies.distance import DEFAULT, Config, features_of
from howfar.studies.inputs import Work, limited, read_datasets
from howfar.studies.journal import JOURNAL, PairJournal
from howfar.studies.notes import FEW_IMAGES, UNEQUAL

if TYPE_CHECKING:
    from howfar.protocols import Backbone
    from howfar.store import Store

SUMS: Final = ".sums"
"""Each dataset's own sums, for the time of the work."""
SHOWN: Final = 5
"""Pairs of datasets that are named for sharing images."""
_STREAM: Final = 4
_FORMAT: Final = 1


def matrix(
    datasets: Any,
    backbone: str | Backbone = DEFAULT,
    *,
    out: str | Path | None = None,
    store: Store | str | Path | None = None,
    runner: str = "local",
    batch_size: int | None = None,
    workers: int | None = None,
    progress: bool = True,
    components: int = 25,
    projection: str = "pair",
    scale: str = "none",
    seed: int = 0,
    bootstrap: int = 0,
    limit: int | None = None,
    **options: Any,
) -> Matrix:
    """Measure how far every dataset is from every other: no one of them is the primary one, each is in its turn.

    Parameters
    ----------
    datasets
        At least two, each as `howfar.compare` takes them: a list, or a mapping from name to dataset.
    backbone, store, runner, batch_size, workers, progress, limit, options
        As `howfar.compare`.
    out
        A folder in which pairs are kept as they are measured, and where the result is written: run again, only what is missing,
        or what has changed, is measured. None keeps nothing on disk.
    components, scale, seed
        As `howfar.compare`.
    projection
        ``pair``: each two datasets in a space of their own, so that a pair's numbers depend on no other dataset. ``joint``: all
        in one space, so that distances of different pairs can be compared. ``none``: all dimensions.
    bootstrap
        Resamples behind intervals; none by default, as pairs are many.

    Returns
    -------
    Matrix
        ``.square("relative")``, ``.pairs``, ``.plot``, ``.save(folder)``.

    Raises
    ------
    HowfarError
        As `howfar.compare`; or fewer than two datasets, or projection "primary", which treats two sets differently.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> sets = {"a": rng.normal(size=(50, 8)), "b": rng.normal(size=(40, 8)), "c": rng.normal(3, 1, size=(30, 8))}
    >>> found = matrix(sets, progress=False)
    >>> found.square().round(2).loc["a"].tolist()
    [0.0, 0.02, 0.6]
    """
    if projection == "primary":
        raise InputError.of("projection", "must be pair, joint or none in a matrix", projection, "it has no primary dataset")
    settings = Config.checked(
        components=components,
        projection=projection,
        scale=scale,
        seed=seed,
        bootstrap=bootstrap,
        permutations=0,
        rivals=False,
        limit=limit,
    )
    check_work(runner, batch_size, workers)
    found = [limited(one, settings) for one in _read(datasets)]
    features, name = features_of(found, backbone, options, settings, Work(store, runner, batch_size, workers, progress))
    folder = None if out is None else Path(out)
    with _sums(folder) as sums, PairJournal(folder) as journal:
        rows = list(_measured(features, settings, journal, sums, progress))
    result = Matrix(
        datasets=tuple(MatrixDataset(one.name, len(one), _folder(one)) for one in features),
        backbone=BackboneSummary(name, features[0].rows.shape[1], tuple(features[0].layers), features[0].identity),
        settings=settings,
        pairs=pd.DataFrame(rows),
        provenance=Provenance.now(),
        skipped=tuple(skipped for one in features for skipped in one.skipped),
        notes=tuple(_notes(features, rows, settings)),
    )
    if folder is not None:
        result.save(folder)
        (folder / JOURNAL).unlink(missing_ok=True)
    return result


def _read(datasets: Any) -> Sequence[Any]:
    if isinstance(datasets, Mapping):
        datasets = [parse(argument, name=str(name)) for name, argument in datasets.items()]
    if isinstance(datasets, str) or not isinstance(datasets, Sequence) or len(datasets) < 2:
        raise InputError.of("datasets", "must be at least two", datasets if isinstance(datasets, str) else len(datasets))
    first, *rest = datasets
    return read_datasets(first, rest)


def _measured(
    features: Sequence[Features], settings: Settings, journal: PairJournal, sums: Path, progress: bool
) -> Iterator[dict[str, Any]]:
    """A row for each two datasets, those that the journal knows from there."""
    digests = [_hash(one.contents) for one in features]
    # In one space for all a pair depends on every dataset.
    shared = digests if settings.projection == "joint" else []
    common = [asdict(settings), _FORMAT, dict(features[0].identity), shared]
    pairs = list(combinations(range(len(features)), 2))
    keys = [_hash([digests[i], digests[j], *common]) for i, j in pairs]
    missing = [pair for pair, key in zip(pairs, keys, strict=True) if key not in journal]
    remembered = [replace(one, rows=Remembered(one.rows, sums / name)) for one, name in zip(features, digests, strict=True)]
    projected = _projected(remembered, missing, settings)
    with bar(progress=progress, total=len(pairs), initial=len(pairs) - len(missing), unit="pair", desc="distances") as shown:
        for (i, j), key in zip(pairs, keys, strict=True):
            if key not in journal:
                # The draws depend on the two sets' names alone, not on their companions.
                draw = (settings.seed, *(zlib.crc32(features[k].name.encode()) for k in (i, j)), _STREAM)
                journal.add(key, _row(between(next(projected), settings.bootstrap, draw)))
                shown.update()
            yield {"one": features[i].name, "other": features[j].name, **journal[key], "key": key}


def _projected(features: Sequence[Features], pairs: Sequence[tuple[int, int]], settings: Settings) -> Iterator[Projection]:
    """Each pair in turn, in a space of its own or in the one that all share."""
    if not pairs:
        return
    if settings.projection == "joint":
        first, *others = features
        spaces = list(quietly(projector_of(first, settings).project([one.rows for one in others], "joint")))
        scores = [spaces[0].primary, *(space.secondary for space in spaces)]
        yield from (replace(spaces[0], primary=scores[i], secondary=scores[j]) for i, j in pairs)
        return
    for i, own in groupby(pairs, key=itemgetter(0)):
        rows = [features[j].rows for _, j in own]
        yield from quietly(projector_of(features[i], settings).project(rows, settings.projection))


def _row(found: Between) -> dict[str, Any]:
    """A pair's numbers as one flat row; nan where one is undefined."""
    row = {}
    for name, value in asdict(found).items():
        if name.endswith("_ci"):
            row[f"{name}_low"], row[f"{name}_high"] = value or (np.nan, np.nan)
        else:
            row[name] = np.nan if value is None else value
    return row


@contextmanager
def _sums(folder: Path | None) -> Iterator[Path]:
    """Where the datasets' own sums are kept while pairs are measured: after a kill they are there still, after the end not."""
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="howfar-") as scratch:
            yield Path(scratch)
        return
    yield folder / SUMS
    shutil.rmtree(folder / SUMS, ignore_errors=True)


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


def _folder(features: Features) -> str:
    """The folder that all images lie in; nothing for ready-made embeddings, and where there is none."""
    folders = {Path(path).parent for path in features.paths if path}
    try:
        return os.path.commonpath(folders) if folders else ""
    except ValueError:
        return ""


def _notes(features: Sequence[Features], rows: Sequence[Mapping[str, Any]], settings: Settings) -> Iterator[str]:
    """What weakens the result or explains an undefined value."""
    for one in features:
        if len(one) < FEW_IMAGES:
            yield f"{one.name} has {len(one)} image{'s' if len(one) > 1 else ''}: what is near to it is little more than chance"
    twins: dict[str, list[str]] = {}
    for one in features:
        for content in set(one.contents):
            twins.setdefault(content, []).append(one.name)
    shared = Counter(tuple(names) for names in twins.values() if len(names) > 1)
    for names, count in shared.most_common(SHOWN):
        yield f"{' and '.join(names)} share {count} image{'s' if count > 1 else ''}, which brings them nearer"
    sizes = [len(one) for one in features]
    if max(sizes) > UNEQUAL * min(sizes):
        yield (
            f"the datasets hold {min(sizes)} to {max(sizes)} images: a small sample is never quite like a large one of its "
            f"kind, and in a pair's space it has little say; limit = {min(sizes)} measures all at one size"
        )
    kept = min(int(row["components"]) for row in rows)
    if kept < settings.components and settings.projection != "none":
        yield f"{settings.components} components were asked for, and no more than {kept} can be had of some pairs"
