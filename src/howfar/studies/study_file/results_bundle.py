"""Pack the results of a study file into one file without images, rerun the studies elsewhere, and compare the results."""

import copy
import json
import math
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import reduce
from pathlib import Path, PurePosixPath
from typing import Any, Final, Unpack

import pandas as pd
from pydantic import BaseModel

from howfar.data import Dataset
from howfar.data.binary_masks import mask_content
from howfar.errors import HowfarError, ImageError, InputError, MissingPathError, StoreError, one_line
from howfar.formatting_and_escaping import format_number
from howfar.io.array_files_and_archives import unpacked_bytes
from howfar.io.atomic_writes import appearing
from howfar.io.file_location import absolute, is_url, ready_file, ready_folder
from howfar.memory import check_file
from howfar.option_checks_and_signatures import checked
from howfar.options_by_function import StudyFileOptions
from howfar.progress import bar
from howfar.results.display_and_shared_records import Cells, Shown, plain
from howfar.results.result import Result
from howfar.results.study_run import StudyRun
from howfar.studies.study_file.read_study_file import Inputs
from howfar.studies.study_file.run_and_estimate import Plan, plan_of, run_plan

FORMAT: Final = 1
MANIFEST, STUDY, RESULTS, TABLES, BESIDE = "bundle.json", "study.toml", "results", "tables", "beside"
_DAMAGED: Final = (zipfile.BadZipFile, zlib.error, LookupError, ValueError, TypeError, EOFError, OSError, RuntimeError)
LARGEST: Final = 1 << 20
"""Bytes of files beside the study file (configurations that an option of a model names) that a bundle takes with it at most."""


def write_bundle(run: StudyRun, plan: Plan, file: str | Path) -> Path:
    """Write a study-file run as a bundle, atomically, and return its path.

    It holds no image and no weights, but the content hash of each image and mask, and the identity of each backbone. Images
    are named by their paths below the datasets' common folder.
    """
    path = check_bundle_path(file)
    # Each dataset's path below the common folder, and the hash of each image and mask.
    paths = {name: entry.path for name, entry in plan.file.document.datasets.items()}
    local = {name: Path(place) for name, place in paths.items() if not is_url(place)}
    above = Path(os.path.commonpath([place.parent for place in local.values()])) if local else Path()
    places = {name: local[name].relative_to(above).as_posix() if name in local else "" for name in paths}
    sets = plan.file.datasets
    shown = bar(sets.items(), progress=True, patient=True, total=len(sets), unit="dataset", desc="hashes")
    manifest = {
        "format": FORMAT,
        "title": run.title,
        "provenance": plain(run.provenance),
        "datasets": {"places": places, "contents": {name: hashes(dataset) for name, dataset in shown}},
        "backbones": backbones_of(plan),
        "studies": {record.name: {"kind": record.kind, "key": record.key} for record in run.studies},
    }
    try:
        with appearing(path) as whole, zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
            archive.writestr(STUDY, plan.text)
            for name, beside in _beside(plan).items():
                archive.write(beside, f"{BESIDE}/{name}")
            # Every study's result, with the datasets' paths replaced, and the report's tables as text.
            below = {paths[name]: place for name, place in places.items() if place}
            with tempfile.TemporaryDirectory() as scratch:
                for record, result in zip(run.studies, run.results, strict=True):
                    _placed(result, below).save(Path(scratch) / record.name)
                for each in sorted(Path(scratch).rglob("*")):
                    if each.is_file():
                        archive.write(each, f"{RESULTS}/{each.relative_to(scratch).as_posix()}")
            for table in sorted((plan.root / TABLES).glob("*")):
                archive.write(table, f"{TABLES}/{table.name}")
    except OSError as error:
        raise InputError.of("bundle", f"must be a file that can be written ({one_line(error)})", str(file)) from error
    return path


def check_bundle_path(file: str | Path) -> Path:
    """Return a new bundle's absolute path, and make its folder; raise `InputError` for a wrong ending."""
    if Path(file).suffix.lower() != ".zip":
        raise InputError.of("bundle", "must end in .zip", str(file))
    return ready_file("bundle", file) or Path(file)


def _placed(value: Any, places: Mapping[str, str]) -> Any:
    """Replace the paths that `places` names in all texts of a result, its records and tables."""
    if isinstance(value, str):
        # A path may begin with another.
        return reduce(lambda text, path: text.replace(path, places[path]), sorted(places, key=len, reverse=True), value)
    if isinstance(value, Mapping):
        return {key: _placed(item, places) for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = [_placed(item, places) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if isinstance(value, pd.DataFrame):
        texts = value.select_dtypes(exclude=["number", "bool", "category"])
        placed = {str(name): cells.map(lambda cell: _placed(cell, places)).astype(cells.dtype) for name, cells in texts.items()}
        return value.assign(**placed)
    if not is_dataclass(value):
        return value
    record = copy.copy(value)
    for field in fields(value):
        object.__setattr__(record, field.name, _placed(getattr(value, field.name), places))
    return record


def hashes(dataset: Dataset) -> dict[str, tuple[str, str | None]]:
    """Hash each image of a dataset and its mask, by the image's name; None without a mask."""
    return {item.name: (_hash(item.path), None if item.mask is None else _hash(item.mask)) for item in dataset.items}


def _hash(path: Path | str) -> str:
    """Hash a file's bytes and the mask's foreground colour; return "" for an unreadable file, which every study skips."""
    try:
        return mask_content(path)
    except ImageError:
        return ""


def backbones_of(plan: Plan) -> dict[str, Any]:
    """Describe the identity of each backbone's features; a backbone that cannot be loaded is described by its error."""
    inputs = Inputs(plan.file, plan.root, plan.execution)
    described: dict[str, Any] = {}
    for name in plan.file.document.backbones:
        try:
            described[name] = plain(dict(inputs.backbone(name).identity))
        except HowfarError as error:
            described[name] = {"error": one_line(error)}
    return described


def _beside(plan: Plan) -> dict[str, Path]:
    """Find the files in the study file's folder that model options name, such as a network's configuration."""
    folder = plan.folder_of_file
    found: dict[str, Path] = {}
    for entry in plan.file.document.models.values():
        for value in entry.options.values():
            if isinstance(value, str) and Path(value).is_absolute() and Path(value).is_relative_to(folder):
                files = [each for each in (Path(value), *sorted(Path(value).rglob("*"))) if each.is_file()]
                found |= {each.relative_to(folder).as_posix(): each for each in files}
    size = sum(each.stat().st_size for each in found.values())
    if size > LARGEST:
        rule = f"must name files of at most {LARGEST:,} bytes beside the study file to be bundled"
        raise InputError.of("options of models", rule, size, "name weights by an absolute path in a variable: ${WEIGHTS}/…")
    return found


class BundledDatasets(BaseModel):
    """Hold each dataset's path below the common folder, and the hashes of its images and masks by name."""

    places: dict[str, str]
    contents: dict[str, dict[str, tuple[str, str | None]]]


class BundleManifest(BaseModel):
    """Hold a bundle's description without its results."""

    format: int
    datasets: BundledDatasets
    backbones: dict[str, dict[str, Any]]


def read_bundle(file: str | Path, folder: Path) -> tuple[Path, BundleManifest]:
    """Unpack a bundle into a folder, cleared before; return its study file and manifest. Raises `StoreError` for damage."""
    path = absolute(file)
    if not path.is_file():
        raise MissingPathError(f"bundle {str(file)!r} is not there")
    try:
        with zipfile.ZipFile(path) as archive:
            check_file(unpacked_bytes(archive), path, path.stat().st_size)
            manifest = BundleManifest.model_validate_json(archive.read(MANIFEST))
            if manifest.format != FORMAT:
                raise StoreError(f"{path} is a bundle of another format than this howfar reads ({FORMAT}): make it again")
            shutil.rmtree(folder, ignore_errors=True)
            for name in archive.namelist():
                parts = PurePosixPath(name).parts
                if ".." in parts or PurePosixPath(name).is_absolute():
                    raise ValueError(f"{name} leads out of the folder")
                # Files from beside the study file are placed beside it again.
                target = folder.joinpath(*(parts[1:] if parts[0] == BESIDE else parts))
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(name))
    except (StoreError, InputError):
        raise
    except _DAMAGED as error:
        reason = f"{type(error).__name__}: {one_line(error)}"
        raise StoreError(f"{path} is no bundle of a study, or is damaged ({reason})") from error
    return folder / STUDY, manifest


TOLERANCE: Final = 1e-4
"""Relative difference up to which two numbers agree: processors round features differently."""
LEFT_OUT: Final = frozenset(
    {"provenance", "sources", "path", "mask", "map", "prediction", "seconds", "seconds_per_image", "howfar", "identity"}
)
"""Fields and columns that say where files lie, when and where a result was made, or how long something took."""


@dataclass(frozen=True)
class StudyAgreement:
    """Hold a study's numbers of compared and differing values, and the largest relative difference."""

    name: str
    values: int
    different: int
    largest: float
    first: str


@dataclass(frozen=True, repr=False)
class Reproduction(Shown):
    """Hold the comparison of a bundle's results with a rerun's, and notes on backbones whose identities differ."""

    studies: tuple[StudyAgreement, ...]
    notes: tuple[str, ...]
    folder: str

    @property
    def agrees(self) -> bool:
        """Return whether all numbers agree within the tolerance."""
        return not any(study.different for study in self.studies)

    def caption(self) -> str:
        """State in one line whether the numbers agree."""
        total = sum(study.values for study in self.studies)
        wrong = sum(study.different for study in self.studies)
        outcome = "all agree" if self.agrees else f"{wrong:,} differ"
        return f"{total:,} values of {len(self.studies)} studies compared with the bundle: {outcome} within {TOLERANCE:g}"

    def table(self) -> Cells:
        """Return header and cells, one row per study."""
        rows: list[tuple[str, ...]] = [
            (each.name, f"{each.values:,}", f"{each.different:,}", format_number(each.largest, 2), each.first or "–")
            for each in self.studies
        ]
        return ("study", "values", "different", "largest relative difference", "first that differs"), rows

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document of ``howfar study BUNDLE.zip --json``."""
        compared = {"agrees": self.agrees, "tolerance": TOLERANCE, "studies": plain(self.studies)}
        return {**compared, "notes": list(self.notes), "folder": self.folder}


def rerun_bundle(file: str | Path, data: str | Path, **options: Unpack[StudyFileOptions]) -> Reproduction:
    """Rerun a bundled study on the datasets below the folder `data`, and compare every number with the bundle's."""
    given = checked(StudyFileOptions, options)
    path = absolute(file)
    root = absolute(given["out"] or path.with_suffix(""))
    ready_folder("out", root)
    study, manifest = read_bundle(path, root / "bundle")
    given = checked(StudyFileOptions, {**options, "out": root / "run", "store": given["store"] or root / "run" / "store"})
    places = {}
    for name, place in manifest.datasets.places.items():
        if ".." in PurePosixPath(place).parts or PurePosixPath(place).is_absolute():
            what = f"place of dataset {name} in the bundle"
            raise InputError.of(what, "must be below --data", place, "make the bundle again")
        if place:
            places[name] = str(absolute(data) / place)
    plan = plan_of(study, given, places)
    for name, dataset in plan.file.datasets.items():
        found, wanted = hashes(dataset), manifest.datasets.contents.get(name, {})
        wrong = [image for image in {**wanted, **found} if found.get(image) != wanted.get(image)]
        if wrong:
            rule = f"must hold the {len(wanted)} images of the bundle"
            raise InputError.of(f"dataset {name}", rule, f"{len(wrong)} others, first {wrong[0]}", "see howfar data")
    bundled = {}
    for planned in plan.file.studies:
        try:
            bundled[planned.name] = planned.kind.result.load(root / "bundle" / RESULTS / planned.name)
        except HowfarError as error:
            what = f"the bundle has no result of the study {planned.name} that can be read"
            raise StoreError(f"{what}: make it again") from error
    run = run_plan(plan, given)
    results = zip((record.name for record in run.studies), run.results, strict=True)
    compared = tuple(compare_results(name, bundled[name], result) for name, result in results)
    here = backbones_of(plan)
    other = [name for name, identity in manifest.backbones.items() if here.get(name) != identity]
    notes = (f"{name}: its features depend on something else than in the bundle (weights, versions)" for name in other)
    return Reproduction(compared, tuple(notes), str(plan.root))


def compare_results(name: str, before: Result, after: Result) -> StudyAgreement:
    """Compare every value of two results of a study: numbers within the tolerance, the rest exactly."""
    values, different, largest, first = 0, 0, 0.0, ""
    # One at a time: tables of images hold millions.
    for place, old, new in _pairs(before, after):
        gap, values = _difference(old, new), values + 1
        if gap > TOLERANCE:
            different, first = different + 1, first or place
        if math.isfinite(gap):
            largest = max(largest, gap)
    return StudyAgreement(name, values, different, largest, first)


def _pairs(before: Result, after: Result) -> Iterator[tuple[str, Any, Any]]:
    """Yield the corresponding values of two results: documents, tables, and the results below them."""
    # Timings differ between two runs.
    documents = ({key: value for key, value in each.to_dict().items() if key not in each.TIMED} for each in (before, after))
    yield from _walk("", *documents)
    for field in (name for name in before.TABLES if name not in before.TIMED):
        old, new = getattr(before, field), getattr(after, field)
        yield from _walk(f"{field} columns", list(old.columns), list(new.columns))
        yield f"{field} rows", len(old), len(new)
        shared = [name for name in old.columns if name in new and len(old) == len(new)]
        yield from _walk(field, *({name: table[name].tolist() for name in shared} for table in (old, new)))
    mine, others = before.runs(), after.runs()
    yield from _walk("runs", sorted(mine), sorted(others))
    for run in sorted(mine.keys() & others.keys()):
        yield from ((f"{run}.{place}", old, new) for place, old, new in _pairs(mine[run], others[run]))


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
    """Return the relative difference of two numbers; for other values, 0 if equal and infinity otherwise."""
    old, new = (None if value != value else value for value in (old, new))
    if old == new:
        return 0.0
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in (old, new)):
        return math.inf
    return float(abs(old - new) / max(abs(old), abs(new), 1e-6))
