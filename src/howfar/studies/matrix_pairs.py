"""Measure distances of all pairs of datasets in parallel tasks, each of one dataset against several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import Any, Final

import numpy as np

from howfar.pipeline.pairs import projector_of
from howfar.pipeline.symmetric_pair import Between, between
from howfar.protocols import Runner
from howfar.results import Features, Settings

GROUP: Final = 8
"""Pairs of one task, which have their first dataset in common."""


@dataclass(frozen=True, eq=False)
class PairGroup:
    """Name a dataset and several others by their positions, with each pair's key and the seed of its draws."""

    first: int
    others: tuple[int, ...]
    keys: tuple[str, ...]
    draws: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, eq=False)
class MeasureGroup:
    """Project and measure each pair of a group in a space of its own; it holds all datasets, so that tasks are small."""

    features: Sequence[Features]
    settings: Settings

    def __call__(self, group: PairGroup) -> list[tuple[str, dict[str, Any]]]:
        """Measure all pairs of a group: each pair's key and numbers."""
        return list(self.each(group))

    def each(self, group: PairGroup) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield each pair's key and numbers as soon as it is measured."""
        rows = [self.features[other].rows for other in group.others]
        pairs = projector_of(self.features[group.first], self.settings).project(rows, self.settings.projection)
        for key, draw, pair in zip(group.keys, group.draws, pairs, strict=True):
            yield key, row_of(between(pair, self.settings.bootstrap, draw))


def in_own_spaces(
    executor: Runner,
    features: Sequence[Features],
    missing: Mapping[str, tuple[int, int]],
    draws: Mapping[str, tuple[int, ...]],
    settings: Settings,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Measure pairs that share no space; each by its key.

    Where tasks have processes of their own they are measured there, one core a task; else here, where each takes all cores.
    """
    groups = list(_groups(missing, draws, GROUP if executor.processes else len(missing)))
    # Tasks need neither names nor paths.
    task = MeasureGroup([replace(dataset, images=(), paths=(), contents=(), skipped=()) for dataset in features], settings)
    if executor.processes:
        for rows in executor.on_processors().run(task, groups):
            yield from rows
    else:
        for group in groups:
            yield from task.each(group)


def in_one_space(
    features: Sequence[Features],
    missing: Mapping[str, tuple[int, int]],
    draws: Mapping[str, tuple[int, ...]],
    settings: Settings,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Measure pairs in the space that all datasets share; each by its key."""
    first, *others = features
    spaces = list(projector_of(first, settings).project([dataset.rows for dataset in others], "joint"))
    scores = [spaces[0].primary, *(space.secondary for space in spaces)]
    for key, (a, b) in missing.items():
        pair = replace(spaces[0], primary=scores[a], secondary=scores[b])
        yield key, row_of(between(pair, settings.bootstrap, draws[key]))


def _groups(missing: Mapping[str, tuple[int, int]], draws: Mapping[str, tuple[int, ...]], size: int) -> Iterator[PairGroup]:
    for a, own in groupby(sorted(missing.items(), key=lambda item: item[1]), key=lambda item: item[1][0]):
        pairs = list(own)
        for start in range(0, len(pairs), size):
            part = pairs[start : start + size]
            keys = tuple(key for key, _ in part)
            yield PairGroup(a, tuple(b for _, (_, b) in part), keys, tuple(draws[key] for key in keys))


def row_of(pair: Between) -> dict[str, Any]:
    """Lay a pair's numbers out as a flat row; nan where a number is undefined."""
    row = {}
    for name, value in asdict(pair).items():
        if name.endswith("_ci"):
            row[f"{name}_low"], row[f"{name}_high"] = value or (np.nan, np.nan)
        else:
            row[name] = np.nan if value is None else value
    return row
