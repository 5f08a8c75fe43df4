"""Measure the distance of every dataset from every other, pair by pair; a run that was killed resumes."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Unpack

import pandas as pd

from howfar.backbones import BackboneArgument, as_loaded
from howfar.data import Dataset, DatasetsArgument
from howfar.errors import InputError
from howfar.io.checkpoint import digest, part_key
from howfar.keywords import BackboneOptions, CompareSettings, MatrixOptions
from howfar.memory import within
from howfar.options import DEFAULT_BACKBONE
from howfar.pipeline.memory_plan import check_plan
from howfar.progress import bar
from howfar.projection.cached import CachedRows
from howfar.results import BackboneSummary, Features, Provenance, Settings
from howfar.results.matrix import Matrix, MatrixDataset
from howfar.results.run_files import page_folder
from howfar.settings import checked, picked, with_options
from howfar.studies.comparison_caveats import matrix_notes
from howfar.studies.distance import features_of
from howfar.studies.matrix_journal import PairJournal, turned
from howfar.studies.matrix_pairs import in_one_space, in_own_spaces
from howfar.studies.run_folder import write_run
from howfar.studies.study_inputs import Execution, check_names, check_out, limited, parse_all, sources_of

if TYPE_CHECKING:
    from howfar.protocols import Runner

SUMS: Final = ".sums"
"""Folder of each dataset's own sums while pairs are measured."""
_STREAM: Final = 4
_FORMAT: Final = 2


@with_options(MatrixOptions)
def matrix(
    datasets: DatasetsArgument, backbone: BackboneArgument = DEFAULT_BACKBONE, **options: Unpack[MatrixOptions]
) -> Matrix:
    """Measure how far every dataset is from every other: no one of them is the primary one, each is in its turn.

    Parameters
    ----------
    datasets
        At least two, each as `howfar.compare` takes them: a list, or a mapping from name to dataset.
    backbone
        As `howfar.compare` takes it. Not used where all are embeddings.

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
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> sets = {"a": rng.normal(size=(50, 8)), "b": rng.normal(size=(40, 8)), "c": rng.normal(3, 1, size=(30, 8))}
    >>> matrix(sets, progress=False).square().round(2).loc["a"].tolist()
    [1.0, 1.0, 2.6]
    """
    given = checked(MatrixOptions, options)
    if given["projection"] == "primary":
        rule = "must be pair, joint or none in a matrix"
        raise InputError.of("projection", rule, given["projection"], "it has no primary dataset")
    own: CompareSettings = {**picked(CompareSettings, given), "permutations": 0, "rivals": False}
    settings = Settings(**checked(CompareSettings, own))
    read = _read(datasets)
    execution, loading, sources = Execution.of(given), picked(BackboneOptions, options), sources_of(read, datasets)
    # Absolute, since a cluster's tasks run in folders of their own.
    folder = page_folder("out", given["out"], Matrix.COMMAND)
    check_out(folder, read)
    with within(given["memory"]):
        drawn = [limited(dataset, settings) for dataset in read]
        features, name = features_of(drawn, backbone, loading, settings, execution)
    with within(given["memory"]), PairJournal.open(folder) as journal, _sums(folder) as sums:
        rows = _measured(features, settings, journal, sums, execution.runner, execution.progress)
        result = Matrix(
            datasets=tuple(MatrixDataset(dataset.name, len(dataset), sources.get(dataset.name, "")) for dataset in features),
            backbone=BackboneSummary(name, features[0].rows.shape[1], tuple(features[0].layers), features[0].identity),
            settings=settings,
            pairs=pd.DataFrame(rows),
            provenance=Provenance.now(),
            options={} if isinstance(drawn[0], Features) else as_loaded(backbone, loading),
            skipped=tuple(skipped for dataset in features for skipped in dataset.skipped),
            notes=tuple(matrix_notes(features, rows, settings)),
        )
        if folder is not None:
            write_run(result, folder)
            journal.forget(row["key"] for row in rows)
    return result


def _read(datasets: DatasetsArgument) -> list[Dataset | Features]:
    if isinstance(datasets, str) or not isinstance(datasets, (Mapping, Sequence)):
        raise InputError.of("datasets", "must be a list of datasets or a mapping from names", type(datasets).__name__)
    parsed = parse_all(datasets, "dataset") if len(datasets) > 1 else []
    if len(parsed) < 2:
        raise InputError.of("datasets", "must be at least two", len(parsed) or len(datasets))
    check_names(parsed)
    return parsed


def _measured(
    features: Sequence[Features], settings: Settings, journal: PairJournal, sums: Path, executor: Runner, progress: bool
) -> list[dict[str, Any]]:
    """Make a row for each two datasets, from the journal where it has the pair, else by measuring it once."""
    sizes = sorted(map(len, features))
    # The two largest take the most, where it is not all at once.
    together = sizes if settings.projection == "joint" else sizes[-2:]
    check_plan(together, features[0].rows.shape[1], len(features[0].layers), settings, executor=executor)
    digests = [digest(dataset.contents) for dataset in features]
    feature = {"identity": dict(features[0].identity), "layers": list(features[0].layers), "format": _FORMAT}
    chosen = [settings.components, settings.projection, settings.scale, settings.bootstrap]
    # In one space for all a pair depends on every dataset.
    shared = sorted(digests) if settings.projection == "joint" else []
    common = [feature, chosen, settings.seed if settings.bootstrap else 0, shared]
    # Of two datasets the one with the lower digest is the first, whatever the caller's order, so that another costs nothing.
    pairs = [sorted(pair, key=lambda k: digests[k]) for pair in combinations(range(len(features)), 2)]
    keys = [digest([digests[a], digests[b], *common]) for a, b in pairs]
    missing = {key: (a, b) for key, (a, b) in zip(keys, pairs, strict=True) if key not in journal}
    remembering = [
        replace(dataset, rows=CachedRows(dataset.rows, sums / part_key(own, feature)))
        for dataset, own in zip(features, digests, strict=True)
    ]
    # The draws depend on the two sets' images alone, not on names or companions.
    draws = {key: (settings.seed, *(int(digests[k][:8], 16) for k in two), _STREAM) for key, two in missing.items()}
    if settings.projection == "joint":
        rows = in_one_space(remembering, missing, draws, settings) if missing else iter(())
    else:
        rows = in_own_spaces(executor, remembering, missing, draws, settings)
    distinct = len(set(keys))
    with bar(progress=progress, total=distinct, initial=distinct - len(missing), unit="pair", desc="distances") as shown:
        for key, row in rows:
            journal.add(key, row)
            shown.update()
    orders = combinations(range(len(features)), 2)
    return [
        {"one": features[i].name, "other": features[j].name, **turned(journal[key], turn), "key": key, "turned": turn}
        for (i, j), key, turn in ((order, key, pair != [*order]) for order, pair, key in zip(orders, pairs, keys, strict=True))
    ]


@contextmanager
def _sums(folder: Path | None) -> Iterator[Path]:
    """Give a folder for the datasets' own sums while pairs are measured: it stays after a kill, and goes at the end."""
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="howfar-") as scratch:
            yield Path(scratch)
        return
    (folder / SUMS).mkdir(parents=True, exist_ok=True)
    yield folder / SUMS
    shutil.rmtree(folder / SUMS, ignore_errors=True)
