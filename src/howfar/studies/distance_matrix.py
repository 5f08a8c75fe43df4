"""Measure the distance between every pair of datasets (`howfar matrix`), and resume an interrupted run."""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import combinations, groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, Self, TypeAlias, Unpack

import pandas as pd

from howfar.backbones import BackboneArgument, as_loaded
from howfar.data import DatasetsArgument
from howfar.data.image_groups_and_variations import grouped
from howfar.errors import InputError
from howfar.io.atomic_writes import replace_text
from howfar.io.embedded_checksum import SEAL, UNSEALED, is_intact, sealed
from howfar.io.file_locks import alone
from howfar.io.partial_results import digest, part_key
from howfar.io.untrusted_parquet import read_frame
from howfar.memory import within
from howfar.option_checks_and_signatures import checked, picked, with_options
from howfar.options import DEFAULT_BACKBONE
from howfar.options_by_function import BackboneOptions, CompareSettings, MatrixOptions
from howfar.pipeline.distance_bootstrap import PairGroups
from howfar.pipeline.pair_measurement import bare, between, check_plan, grouping, projector_of
from howfar.progress import bar
from howfar.projection.pca_cache import CachedRows
from howfar.protocols import Runner
from howfar.results import BackboneSummary, Features, Provenance, Settings
from howfar.results.checksums_and_overwrite_guard import check_table, page_folder
from howfar.results.matrix_result import PAIRS, Matrix, MatrixDataset
from howfar.studies.compare_datasets import features_of, matrix_notes
from howfar.studies.run_report import write_run
from howfar.studies.study_inputs import Execution, check_names, check_out, drawn, parse_all, sources_of

JOURNAL: Final = "pairs.jsonl"
"""A line for each pair that is not in the folder's result."""
LOCK: Final = ".lock"
SYNCED: Final = 5.0
"""Seconds of work that a power cut may cost."""


class PairJournal:
    """Hold the measured pairs by key, from the folder's result and its journal."""

    def __init__(self, folder: Path) -> None:
        self._path, self._synced = folder / JOURNAL, time.monotonic()
        self.rows: dict[str, dict[str, Any]] = {}
        if (folder / PAIRS).is_file():
            # Another table, or a damaged one, is measured, and written, anew; over a damaged file Arrow may raise anything.
            with suppress(Exception):
                check_table(folder / PAIRS)
                frame = read_frame(folder / PAIRS).drop(columns=["one", "other"])
                plain = ({str(name): value for name, value in row.items()} for row in frame.to_dict("records"))
                self.rows = {str(row.pop("key")): turned(row, bool(row.pop("turned"))) for row in plain}
        if self._path.is_file():
            for line in self._path.read_bytes().splitlines():
                # A line may have been cut short by a kill.
                with suppress(ValueError, TypeError, KeyError, RecursionError):
                    row, intact = dict(json.loads(line)), is_intact(line)
                    marked = row.pop(SEAL, None) is not None
                    # Earlier versions wrote no checksum.
                    if intact or (intact is None and not marked):
                        self.rows[str(row.pop("key"))] = row
        self._rewrite()

    @classmethod
    @contextmanager
    def open(cls, folder: Path) -> Iterator[Self]:
        """Open the journal of a folder; raise `InputError` if another process uses it (where file locks work)."""
        folder.mkdir(parents=True, exist_ok=True)
        with alone(folder / LOCK) as free:
            if not free:
                rule = "must be a folder that no other howfar matrix is at work in"
                raise InputError.of("out", rule, str(folder), "wait, or name another")
            yield cls(folder)
            (folder / LOCK).unlink(missing_ok=True)

    def add(self, key: str, row: dict[str, Any]) -> None:
        """Add a measured pair to the journal."""
        self.rows[key] = row
        with self._path.open("a", encoding="utf-8") as file:
            file.write(_line(key, row))
            file.flush()
            if time.monotonic() - self._synced > SYNCED:
                os.fsync(file.fileno())
                self._synced = time.monotonic()

    def forget(self, keys: Iterable[str]) -> None:
        """Remove the pairs that the folder's result now holds; pairs of other settings stay."""
        for key in keys:
            self.rows.pop(key, None)
        self._rewrite()
        if not self.rows:
            self._path.unlink()

    def _rewrite(self) -> None:
        """Rewrite the journal atomically, so that a kill leaves the old version or the new one."""
        replace_text(self._path, "".join(_line(key, row) for key, row in self.rows.items()))


def turned(row: Mapping[str, Any], turn: bool) -> dict[str, Any]:
    """Swap the two datasets of a row if `turn`: ``self_one`` and ``self_other`` exchange values."""
    if not turn:
        return dict(row)
    other = {name: name.replace("_one", "_other") if "_one" in name else name.replace("_other", "_one") for name in row}
    return {name: row[other[name]] for name in row}


def _line(key: str, row: Mapping[str, Any]) -> str:
    return sealed(json.dumps({"key": key, **row, SEAL: UNSEALED}).encode()).decode() + "\n"


GROUP: Final = 8
"""Pairs of one task, which have their first dataset in common."""
Pair: TypeAlias = tuple[str, int, int]
"""A pair's key, and the positions of its datasets."""
Row: TypeAlias = tuple[str, dict[str, Any]]
"""A pair's key and numbers."""


@dataclass(frozen=True, eq=False)
class MatrixPairs:
    """Measure pairs of datasets; the task holds all datasets so that groups of pairs stay small."""

    features: Sequence[Features]
    settings: Settings
    draws: Mapping[str, tuple[int, ...]]

    def __call__(self, group: Sequence[Pair]) -> list[Row]:
        """Measure a group of pairs as one task."""
        return list(self.measured(group))

    def rows(self, missing: Sequence[Pair], executor: Runner) -> Iterator[Row]:
        """Measure pairs in the executor's processes on one core each, or in this process on all cores."""
        if self.settings.projection == "joint":
            yield from self.measured(missing)
            return
        groups, size = list[list[Pair]](), GROUP if executor.processes else len(missing)
        for _, same_first in groupby(sorted(missing, key=itemgetter(1, 2)), key=itemgetter(1)):
            pairs = list(same_first)
            groups += [pairs[start : start + size] for start in range(0, len(pairs), size)]
        for rows in executor.on_processors().run(self, groups) if executor.processes else map(self.measured, groups):
            yield from rows

    def measured(self, group: Sequence[Pair]) -> Iterator[Row]:
        """Yield the numbers of pairs: with the same first dataset, each in its own space; or in the space shared by all."""
        joint = self.settings.projection == "joint"
        first, others = (0, range(1, len(self.features))) if joint else (group[0][1], [other for _, _, other in group])
        rows = [self.features[other].rows for other in others]
        spaces = projector_of(self.features[first], self.settings).project(rows, self.settings.projection)
        if joint:
            every = list(spaces)
            scores = [every[0].primary, *(space.secondary for space in every)]
            spaces = (replace(every[0], primary=scores[one], secondary=scores[other]) for _, one, other in group)
        for (key, one, other), pair in zip(group, spaces, strict=True):
            groups = PairGroups.of(self.features[one], self.features[other])
            yield key, between(pair, self.settings.bootstrap, self.draws[key], groups)


SUMS: Final = ".sums"
"""Folder of each dataset's own sums while pairs are measured."""
_STREAM: Final = 4
_FORMAT: Final = 2


@with_options(MatrixOptions)
def matrix(
    datasets: DatasetsArgument, backbone: BackboneArgument = DEFAULT_BACKBONE, **options: Unpack[MatrixOptions]
) -> Matrix:
    """Measure how far every dataset is from every other, each in turn as the primary one.

    Parameters
    ----------
    datasets
        At least two, each as `howfar.compare` takes them: a list, or a mapping from name to dataset.
    backbone
        As `howfar.compare` takes it. Not used where all are embeddings.

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
    if isinstance(datasets, str) or not isinstance(datasets, (Mapping, Sequence)):
        raise InputError.of("datasets", "must be a list of datasets or a mapping from names", type(datasets).__name__)
    read = parse_all(datasets, "dataset") if len(datasets) > 1 else []
    if len(read) < 2:
        raise InputError.of("datasets", "must be at least two", len(read) or len(datasets))
    check_names(read)
    execution, loading, sources = Execution.of(given), picked(BackboneOptions, options), sources_of(read, datasets)
    # Absolute, since a cluster's tasks run in folders of their own.
    folder = page_folder("out", given["out"], Matrix.COMMAND)
    check_out(folder, read)
    with within(given["memory"]):
        sample = [drawn(dataset, settings.limit, settings.seed) for dataset in grouped(read, settings.group)]
        # The two largest take the most, and either may be the first: so the plan before anything is embedded is for these two.
        order = sorted(range(len(sample)), key=lambda k: -len(sample[k]))
        ordered, name = features_of([sample[k] for k in order], backbone, loading, settings, execution)
        features = [ordered[order.index(k)] for k in range(len(sample))]
    with ExitStack() as stack:
        stack.enter_context(within(given["memory"]))
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="howfar-"))) if folder is None else folder
        journal, summed = stack.enter_context(PairJournal.open(place)), stack.enter_context(summed_once(features, place))
        rows = _measured(summed, settings, journal, execution)
        result = Matrix(
            datasets=tuple(MatrixDataset(dataset.name, len(dataset), sources.get(dataset.name, "")) for dataset in features),
            backbone=BackboneSummary(name, features[0].rows.shape[1], tuple(features[0].layers), features[0].identity),
            settings=settings,
            pairs=pd.DataFrame(rows),
            provenance=Provenance.now(),
            options={} if isinstance(sample[0], Features) else as_loaded(backbone, loading),
            skipped=tuple(skipped for dataset in features for skipped in dataset.skipped),
            notes=tuple(matrix_notes(features, rows, settings)),
        )
        if folder is not None:
            write_run(result, folder)
            journal.forget(row["key"] for row in rows)
    return result


def _measured(
    features: Sequence[Features], settings: Settings, journal: PairJournal, execution: Execution
) -> list[dict[str, Any]]:
    """Return a row for every two datasets, measuring the pairs missing from the journal."""
    sizes = sorted(map(len, features), reverse=True)
    together = sizes if settings.projection == "joint" else sizes[:2]
    check_plan(together, features[0].rows.shape[1], len(features[0].layers), settings, executor=execution.runner)
    digests = [digest(dataset.contents) for dataset in features]
    # The groups of images count as well, where there are any.
    digests = [digest([own, *of]) if (of := grouping(each)) else own for own, each in zip(digests, features, strict=True)]
    feature = {"identity": dict(features[0].identity), "layers": list(features[0].layers), "format": _FORMAT}
    chosen = [settings.components, settings.projection, settings.scale, settings.bootstrap]
    # In one space for all a pair depends on every dataset.
    shared = sorted(digests) if settings.projection == "joint" else []
    common = [feature, chosen, settings.seed if settings.bootstrap else 0, shared]
    # Of two datasets the one with the lower digest is the first, whatever the caller's order, so that another costs nothing.
    pairs = [sorted(pair, key=lambda k: digests[k]) for pair in combinations(range(len(features)), 2)]
    keys = [digest([digests[a], digests[b], *common]) for a, b in pairs]
    missing = {key: (a, b) for key, (a, b) in zip(keys, pairs, strict=True) if key not in journal.rows}
    # The draws depend on the two sets' images alone, not on names or companions.
    draws = {key: (settings.seed, *(int(digests[k][:8], 16) for k in two), _STREAM) for key, two in missing.items()}
    task = MatrixPairs(list(map(bare, features)), settings, draws)
    rows = task.rows([(key, *two) for key, two in missing.items()], execution.runner) if missing else iter(())
    distinct = len(set(keys))
    with bar(
        progress=execution.progress, total=distinct, initial=distinct - len(missing), unit="pair", desc="distances"
    ) as shown:
        for key, row in rows:
            journal.add(key, row)
            shown.update()
    result = list[dict[str, Any]]()
    for (one, other), pair, key in zip(combinations(features, 2), pairs, keys, strict=True):
        turn = pair[0] > pair[1]
        result.append({"one": one.name, "other": other.name, **turned(journal.rows[key], turn), "key": key, "turned": turn})
    return result


@contextmanager
def summed_once(features: Sequence[Features], folder: Path) -> Iterator[list[Features]]:
    """Cache each dataset's own sums in a folder during measurement; the cache survives a kill and is deleted at the end."""
    made_by, sums = {"identity": dict(features[0].identity), "layers": list(features[0].layers)}, folder / SUMS
    sums.mkdir(parents=True, exist_ok=True)
    keys = [part_key(digest(dataset.contents), made_by) for dataset in features]
    yield [replace(dataset, rows=CachedRows(dataset.rows, sums / key)) for dataset, key in zip(features, keys, strict=True)]
    shutil.rmtree(sums, ignore_errors=True)
