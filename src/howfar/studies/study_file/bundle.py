"""Pack a finished study into one file without images: the study file, hashes of images and weights, versions, results."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any, Final

from pydantic import BaseModel

from howfar.data import Dataset
from howfar.data.masks import mask_content
from howfar.errors import HowfarError, ImageError, InputError, MissingPathError, StoreError, one_line
from howfar.io.archive import unpacked_bytes
from howfar.io.atomic import appearing
from howfar.io.location import absolute, is_url
from howfar.memory import check_file
from howfar.progress import bar
from howfar.results.json_values import plain
from howfar.results.study_run import StudyRun
from howfar.studies.study_file.inputs import Inputs
from howfar.studies.study_file.study import Plan

FORMAT: Final = 1
MANIFEST, STUDY, RESULTS, TABLES, BESIDE = "bundle.json", "study.toml", "results", "tables", "beside"
LARGEST: Final = 1 << 20
"""Bytes of files beside the study file (configurations that an option of a model names) that a bundle takes with it at most."""


def write_bundle(run: StudyRun, plan: Plan, file: str | Path, progress: bool = True) -> Path:
    """Write a run of a study file as a bundle, which appears whole or not at all, and return its path.

    It holds no image and no weights, but the content hash of each image and mask, and the identity of each backbone.

    Raises
    ------
    InputError
        The file cannot be written, or files beside the study file are too large to be taken along.
    """
    path = check_bundle_path(file)
    manifest = {
        "format": FORMAT,
        "title": run.title,
        "provenance": plain(run.provenance),
        "datasets": _datasets(plan, progress),
        "backbones": backbones_of(plan),
        "studies": {record.name: {"kind": record.kind, "key": record.key} for record in run.studies},
    }
    try:
        with appearing(path) as whole, zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
            archive.writestr(STUDY, plan.text)
            for name, beside in _beside(plan).items():
                archive.write(beside, f"{BESIDE}/{name}")
            _add_results(archive, run, plan.root)
    except OSError as error:
        raise InputError.of("bundle", f"must be a file that can be written ({one_line(error)})", str(file)) from error
    return path


def check_bundle_path(file: str | Path) -> Path:
    """Return the absolute path of a bundle to write; `InputError` where it has another ending, or its folder is not there."""
    path = absolute(file)
    if path.suffix.lower() != ".zip":
        raise InputError.of("bundle", "must end in .zip", str(file))
    if not path.parent.is_dir():
        raise InputError.of("bundle", "must be in a folder that is there", str(file))
    return path


def _add_results(archive: zipfile.ZipFile, run: StudyRun, root: Path) -> None:
    """Add every study's result and, as tables of text, what the report shows."""
    with tempfile.TemporaryDirectory() as scratch:
        for name, result in zip((record.name for record in run.studies), run.results, strict=True):
            result.save(Path(scratch) / name)
        for each in sorted(Path(scratch).rglob("*")):
            if each.is_file():
                archive.write(each, f"{RESULTS}/{each.relative_to(scratch).as_posix()}")
    for table in sorted((root / TABLES).glob("*")):
        archive.write(table, f"{TABLES}/{table.name}")


def _datasets(plan: Plan, progress: bool) -> dict[str, Any]:
    """Describe every dataset: its place below the folder that holds all, and the hash of each image and mask."""
    entries = plan.file.document.datasets
    local = [entry.path for entry in entries.values() if not is_url(entry.path)]
    above = Path(os.path.commonpath([Path(path).parent for path in local])) if local else Path()
    places = {
        name: "" if is_url(entry.path) else Path(entry.path).relative_to(above).as_posix() for name, entry in entries.items()
    }
    sets = plan.file.datasets
    shown = bar(sets.items(), progress=progress, patient=True, total=len(sets), unit="dataset", desc="hashes")
    return {"places": places, "contents": {name: hashes(dataset) for name, dataset in shown}}


def hashes(dataset: Dataset) -> dict[str, tuple[str, str | None]]:
    """Hash the bytes of each image of a dataset and of its mask, by the image's name; None where there is no mask."""
    return {item.name: (_hash(item.path), None if item.mask is None else _hash(item.mask)) for item in dataset.items}


def _hash(path: Path | str) -> str:
    """Hash a file's bytes, and how a mask is read; nothing stands for one that cannot be read, which every study skips."""
    try:
        return mask_content(path)
    except ImageError:
        return ""


def backbones_of(plan: Plan) -> dict[str, Any]:
    """Describe what each backbone's features depend on; one that cannot be loaded here is described by its error."""
    inputs = Inputs(plan.file, plan.root, plan.execution)
    described: dict[str, Any] = {}
    for name in plan.file.document.backbones:
        try:
            described[name] = plain(dict(inputs.backbone(name).identity))
        except HowfarError as error:
            described[name] = {"error": one_line(error)}
    return described


def _beside(plan: Plan) -> dict[str, Path]:
    """Find the files below the study file's folder that options of its models name, such as a network's configuration."""
    folder = plan.folder_of_file
    found: dict[str, Path] = {}
    for entry in plan.file.document.models.values():
        for value in entry.options.values():
            place = Path(value) if isinstance(value, str) and Path(value).is_absolute() else None
            if place is not None and place.exists() and place.is_relative_to(folder):
                files = [place] if place.is_file() else [each for each in sorted(place.rglob("*")) if each.is_file()]
                found |= {each.relative_to(folder).as_posix(): each for each in files}
    size = sum(each.stat().st_size for each in found.values())
    if size > LARGEST:
        rule = f"must name files of at most {LARGEST:,} bytes beside the study file to be bundled"
        raise InputError.of("options of models", rule, size, "name weights by an absolute path in a variable: ${WEIGHTS}/…")
    return found


class BundledDatasets(BaseModel):
    """Hold the place of each dataset below the folder above all, and the hashes of every image and mask, by name."""

    places: dict[str, str]
    contents: dict[str, dict[str, tuple[str, str | None]]]


class Manifest(BaseModel):
    """Hold what a bundle says of itself besides its results."""

    format: int
    datasets: BundledDatasets
    backbones: dict[str, dict[str, Any]]


def read_bundle(file: str | Path, folder: Path) -> tuple[Path, Manifest]:
    """Unpack a bundle into a folder of its own, and return the path of its study file and its manifest.

    What an earlier bundle left in the folder is removed.

    Raises
    ------
    MissingPathError
        There is no such file.
    StoreError
        It is no bundle, is damaged, or of another format.
    """
    path = absolute(file)
    if not path.is_file():
        raise MissingPathError(f"bundle {str(file)!r} is not there")
    try:
        with zipfile.ZipFile(path) as archive:
            check_file(unpacked_bytes(archive), path, path.stat().st_size)
            manifest = Manifest.model_validate_json(archive.read(MANIFEST))
            if manifest.format != FORMAT:
                raise StoreError(f"{path} is a bundle of another format than this howfar reads ({FORMAT}): make it again")
            shutil.rmtree(folder, ignore_errors=True)
            for name in archive.namelist():
                _unpack(archive, name, folder)
    except (
        zipfile.BadZipFile,
        zlib.error,
        LookupError,
        ValueError,
        TypeError,
        EOFError,
        OSError,
        RuntimeError,
        NotImplementedError,
    ) as error:
        if isinstance(error, (StoreError, InputError)):
            raise
        raise StoreError(
            f"{path} is no bundle of a study, or is damaged ({type(error).__name__}: {one_line(error)})"
        ) from error
    return folder / STUDY, manifest


def _unpack(archive: zipfile.ZipFile, name: str, folder: Path) -> None:
    """Write one member below the folder; files that lay beside the study file lie beside it again."""
    parts = PurePosixPath(name).parts
    if ".." in parts or PurePosixPath(name).is_absolute():
        raise ValueError(f"{name} leads out of the folder")
    target = folder.joinpath(*(parts[1:] if parts[0] == BESIDE else parts))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(archive.read(name))
