"""Run a bundled study again on the same images elsewhere, and compare what comes out number by number."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final, Unpack

import pandas as pd

from howfar.errors import HowfarError, InputError, StoreError
from howfar.io.location import absolute, ready_folder
from howfar.keywords import StudyFileOptions
from howfar.numbers import format_number
from howfar.results.json_values import plain
from howfar.results.result import Result
from howfar.results.tables import Cells, Shown
from howfar.settings import checked
from howfar.studies.study_file.bundle import RESULTS, Manifest, backbones_of, hashes, read_bundle
from howfar.studies.study_file.checked import Planned
from howfar.studies.study_file.study import Plan, plan_of, run_plan

TOLERANCE: Final = 1e-4
"""Relative difference up to which two numbers agree: processors round features differently."""
LEFT_OUT: Final = frozenset(
    {"provenance", "sources", "path", "mask", "map", "prediction", "seconds", "seconds_per_image", "howfar", "identity"}
)
"""Fields and columns that say where files lie, when and where a result was made, or how long something took."""


@dataclass(frozen=True)
class Compared:
    """Hold how far one study's numbers agree: how many were compared, how many differ, the largest relative difference."""

    name: str
    values: int
    different: int
    largest: float
    first: str


@dataclass(frozen=True, repr=False)
class Reproduction(Shown):
    """Hold the comparison of a bundle's results with those of running it again.

    Attributes
    ----------
    studies
        A `Compared` for each study.
    notes
        Backbones whose features depend on something else than in the bundle.
    folder
        The run folder of the new run.
    """

    studies: tuple[Compared, ...]
    notes: tuple[str, ...]
    folder: str

    @property
    def agrees(self) -> bool:
        """Tell whether every number agrees within the tolerance."""
        return not any(study.different for study in self.studies)

    def caption(self) -> str:
        """Say in one line whether the numbers agree."""
        total = sum(study.values for study in self.studies)
        wrong = sum(study.different for study in self.studies)
        outcome = "all agree" if self.agrees else f"{wrong:,} differ"
        return f"{total:,} values of {len(self.studies)} studies compared with the bundle: {outcome} within {TOLERANCE:g}"

    def table(self) -> Cells:
        """Return header and cells, a row a study."""
        rows: list[tuple[str, ...]] = [
            (each.name, f"{each.values:,}", f"{each.different:,}", format_number(each.largest, 2), each.first or "–")
            for each in self.studies
        ]
        return ("study", "values", "different", "largest relative difference", "first that differs"), rows

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document of ``howfar study BUNDLE.zip --json``."""
        found = {"agrees": self.agrees, "tolerance": TOLERANCE, "studies": plain(self.studies)}
        return {**found, "notes": list(self.notes), "folder": self.folder}


def rerun_bundle(file: str | Path, data: str | Path, **options: Unpack[StudyFileOptions]) -> Reproduction:
    """Run a bundled study on the images below a folder, and compare every number with the bundle's.

    Parameters
    ----------
    file
        A bundle that ``howfar study --bundle`` wrote.
    data
        The folder that holds the study's datasets as they lay below the folder above all of them.

    Raises
    ------
    HowfarError
        The bundle is damaged, a dataset is missing, or an image or mask is not the bundle's.
    """
    given = checked(StudyFileOptions, options)
    path = absolute(file)
    root = absolute(given["out"] or path.with_suffix(""))
    ready_folder("out", root)
    study, manifest = read_bundle(path, root / "bundle")
    given = checked(StudyFileOptions, {**options, "out": root / "run", "store": given["store"] or root / "run" / "store"})
    plan = plan_of(study, given, _places(manifest, absolute(data)))
    _check_images(plan, manifest.datasets.contents)
    bundled = {planned.name: _bundled(planned, root / "bundle" / RESULTS) for planned in plan.file.studies}
    run = run_plan(plan, given)
    results = zip((record.name for record in run.studies), run.results, strict=True)
    compared = tuple(compare_results(name, bundled[name], result) for name, result in results)
    return Reproduction(compared, _other_backbones(plan, manifest.backbones), str(plan.root))


def _places(manifest: Manifest, data: Path) -> dict[str, str]:
    """Say where each dataset lies below the folder of data; a place out of it is refused."""
    for name, place in manifest.datasets.places.items():
        if ".." in PurePosixPath(place).parts or PurePosixPath(place).is_absolute():
            raise InputError.of(
                f"place of dataset {name} in the bundle", "must be below --data", place, "make the bundle again"
            )
    return {name: str(data / place) for name, place in manifest.datasets.places.items() if place}


def _bundled(planned: Planned, folder: Path) -> Result:
    """Load the result of a study that the bundle holds."""
    try:
        return planned.kind.result.load(folder / planned.name)
    except HowfarError as error:
        raise StoreError(f"the bundle has no result of the study {planned.name} that can be read: make it again") from error


def _check_images(plan: Plan, contents: Mapping[str, Mapping[str, tuple[str, str | None]]]) -> None:
    """Refuse datasets whose images or masks are not those of the bundle."""
    for name, dataset in plan.file.datasets.items():
        found, wanted = hashes(dataset), contents.get(name, {})
        wrong = [image for image in {**wanted, **found} if found.get(image) != wanted.get(image)]
        if wrong:
            rule = f"must hold the {len(wanted)} images of the bundle"
            raise InputError.of(f"dataset {name}", rule, f"{len(wrong)} others, first {wrong[0]}", "see howfar data")


def _other_backbones(plan: Plan, described: Mapping[str, Any]) -> tuple[str, ...]:
    here = backbones_of(plan)
    names = [name for name, identity in described.items() if here.get(name) != identity]
    return tuple(f"{name}: its features depend on something else than in the bundle (weights, versions)" for name in names)


def compare_results(name: str, before: Result, after: Result) -> Compared:
    """Compare every value of two results of one study: numbers within the tolerance, all else exactly.

    Examples
    --------
    >>> import howfar
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(20, 4))
    >>> one, other = (howfar.compare(x, {"s": x + shift}, bootstrap=0, permutations=0) for shift in (0.1, 0.2))
    >>> compare_results("same", one, one).different, compare_results("other", one, other).different > 0
    (0, True)
    """
    values = different = 0
    largest, first = 0.0, ""
    for place, old, new in _pairs(before, after):
        values += 1
        gap = _difference(old, new)
        if gap > TOLERANCE:
            different += 1
            first = first or place
        if math.isfinite(gap):
            largest = max(largest, gap)
    return Compared(name, values, different, largest, first)


def _pairs(before: Result, after: Result) -> Iterator[tuple[str, Any, Any]]:
    """Walk through two results side by side: documents, tables, and the results below them."""
    yield from _walk("", _repeated(before), _repeated(after))
    for field in (name for name in before.TABLES if name not in before.TIMED):
        yield from _columns(field, getattr(before, field), getattr(after, field))
    mine, others = before.runs(), after.runs()
    yield from _walk("runs", sorted(mine), sorted(others))
    for run in sorted(mine.keys() & others.keys()):
        yield from ((f"{run}.{place}", old, new) for place, old, new in _pairs(mine[run], others[run]))


def _repeated(result: Result) -> dict[str, Any]:
    """Return a result's document without what depends on how long something took."""
    return {key: value for key, value in result.to_dict().items() if key not in result.TIMED}


def _columns(place: str, old: pd.DataFrame, new: pd.DataFrame) -> Iterator[tuple[str, Any, Any]]:
    yield from _walk(f"{place} columns", list(old.columns), list(new.columns))
    yield f"{place} rows", len(old), len(new)
    for column in old.columns:
        if column in new.columns and column not in LEFT_OUT and len(old) == len(new):
            rows = zip(old[column].tolist(), new[column].tolist(), strict=True)
            yield from ((f"{place}.{column}[{row}]", one, other) for row, (one, other) in enumerate(rows))


def _walk(place: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(old.keys() | new.keys(), key=str):
            if key not in LEFT_OUT:
                yield from _walk(f"{place}.{key}".strip("."), old.get(key), new.get(key))
    elif isinstance(old, list | tuple) and isinstance(new, list | tuple) and len(old) == len(new):
        for position, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _walk(f"{place}[{position}]", one, other)
    else:
        yield place, old, new


def _difference(old: Any, new: Any) -> float:
    """Return the relative difference of two numbers; of anything else 0 where it is equal, else infinity."""
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (old, new))
    if not numbers:
        return 0.0 if old == new or (_undefined(old) and _undefined(new)) else math.inf
    if math.isnan(old) or math.isnan(new):
        return 0.0 if math.isnan(old) and math.isnan(new) else math.inf
    if old == new:
        return 0.0
    return float(abs(old - new) / max(abs(old), abs(new), 1e-6))


def _undefined(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
