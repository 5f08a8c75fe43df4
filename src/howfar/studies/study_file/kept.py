"""Tell which studies of a file are done: each keeps a key of all that its numbers depend on beside its result."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from howfar.data import Dataset
from howfar.errors import HowfarError
from howfar.io.atomic import replace_text
from howfar.io.location import stamp
from howfar.mask_colour import file_and_colour
from howfar.results.result import Result
from howfar.studies.study_file.checked import CheckedFile, Planned
from howfar.studies.study_file.kind import named

FORMAT: Final = 1
"""Version of how studies are run; another number runs all of them again."""
DONE: Final = "done.json"


class Done(NamedTuple):
    """Hold what is written beside a study's result when it is whole: its key, and how long it took."""

    key: str
    seconds: float


def fingerprint(dataset: Dataset) -> str:
    """Hash the names of a dataset's images and masks, with the state of each file: its size, and when it was written."""
    rows = [[item.name, _state(item.path), *_mask_state(item.mask)] for item in dataset.items]
    return _hash(rows)


def key_of(planned: Planned, file: CheckedFile, fingerprints: Mapping[str, str], needs: Mapping[str, str]) -> str:
    """Hash all that a study's result depends on: its settings, datasets, backbones, models, and the studies it reads.

    `fingerprints` are those of all datasets, `needs` the keys of the studies that it needs, by name.
    """
    document = file.document
    datasets = file.expanded(named(planned.settings, "datasets"))
    backbones = {name: document.backbones[name] for name in named(planned.settings, "backbones")}
    models = {name: document.models[name] for name in named(planned.settings, "models")}
    content = {
        "format": FORMAT,
        "kind": planned.kind.name,
        "settings": planned.settings.model_dump(exclude={"title"}),
        "drawn": document.settings.get("seed", 0),
        "datasets": {
            name: [fingerprints[name], *(getattr(file.entries[name], field) for field in ("limit", "group"))]
            for name in datasets
        },
        "backbones": {name: [entry.model_dump(), _weights(entry.weights)] for name, entry in backbones.items()},
        "models": {
            name: [entry.model_dump(), *map(_weights, (entry.pretrained, *entry.options.values()))]
            for name, entry in models.items()
        },
        "needs": {name: needs[name] for name in planned.needs},
    }
    return _hash(content)


def done_in(folder: Path) -> Done | None:
    """Read what is written beside a finished study's result; None where there is none that can be read."""
    try:
        written = json.loads((folder / DONE).read_text(encoding="utf-8"))
        seconds = float(written["seconds"])
        return Done(str(written["key"]), seconds) if math.isfinite(seconds) else None
    except (OSError, ValueError, LookupError, TypeError, OverflowError, RecursionError):
        return None


def kept_result(planned: Planned, key: str, folder: Path) -> Result | None:
    """Load a study's result where it was made of just what would be used now; None where it has to be run."""
    done = done_in(folder)
    if done is None or done.key != key:
        return None
    try:
        return planned.kind.result.load(folder)
    except HowfarError:
        return None


def keep(result: Result, key: str, seconds: float, folder: Path) -> None:
    """Write a study's result, then the mark that it is whole."""
    (folder / DONE).unlink(missing_ok=True)
    result.save(folder)
    replace_text(folder / DONE, json.dumps({"key": key, "seconds": round(seconds, 3)}) + "\n")


def _weights(path: Any) -> Any:
    """Describe the state of a file or folder that is named by an absolute path; nothing where none is."""
    if not isinstance(path, str) or not Path(path).is_absolute() or not Path(path).exists():
        return None
    files = [Path(path)] if Path(path).is_file() else sorted(each for each in Path(path).rglob("*") if each.is_file())
    return [[each.name, list(map(str, stamp(each)))] for each in files]


def _mask_state(mask: Path | str | None) -> list[Any]:
    """Describe the state of a mask's file, and the colour that it is read by where there is one."""
    file, colour = (None, None) if mask is None else file_and_colour(mask)
    return [_state(file)] if colour is None else [_state(file), str(colour)]


def _state(location: Any) -> Any:
    """Describe the state of an image's file, or of the container that holds it; of what lies behind a URL, where it lies."""
    if isinstance(location, Path):
        holder = next((each for each in (location, *location.parents) if each.is_file()), None)
        return "gone" if holder is None else list(map(str, stamp(holder)))
    return None if location is None else str(location)


def _hash(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, default=str, ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()
