"""Find all that a study file needs and that is missing, before any work: datasets, and weights of every network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from howfar.errors import HowfarError, MissingPathError, one_line
from howfar.io.location import is_url
from howfar.segmenters import build_segmenter
from howfar.studies.study_file.kind import Network, named

if TYPE_CHECKING:
    from howfar.studies.study_file.inputs import Planned, StudyDocument

LoadBackbone: TypeAlias = Callable[[str], Any]


def missing_paths(document: StudyDocument) -> list[str]:
    """List the paths in a study file that do not exist, each with its key."""
    paths = {f"datasets.{name}: path": entry.path for name, entry in document.datasets.items()}
    paths |= {f"backbones.{name}.weights": entry.weights for name, entry in document.backbones.items() if entry.weights}
    trained = {f"models.{name}.pretrained": entry.pretrained for name, entry in document.models.items()}
    paths |= {key: path for key, path in trained.items() if isinstance(path, str)}
    return [f"{key} {path!r} is not there" for key, path in paths.items() if not is_url(path) and not Path(path).exists()]


def missing_networks(document: StudyDocument, studies: Iterable[Planned], load: LoadBackbone) -> list[str]:
    """Load every network of some studies with `load`; list those that cannot be loaded, each with the key that provides it."""
    missing = {}
    for key, flags, network in _networks(document, list(studies), load):
        try:
            network()
        except HowfarError as error:
            missing[key] = f"{key}: {' '.join(error.line(flags).split())}"
    return list(missing.values())


def _networks(document: StudyDocument, studies: list[Planned], load: LoadBackbone) -> Iterator[Network]:
    """Yield the studies' networks."""
    entries = {(to, name) for planned in studies for to in ("backbones", "models") for name in named(planned.settings, to)}
    for name, backbone in document.backbones.items():
        place = f"backbones.{name}"
        if ("backbones", name) in entries:
            options = {option: f"{place}.{option}" for option in type(backbone).model_fields}
            yield place, options, partial(load, name)
    for name, model in document.models.items():
        place = f"models.{name}"
        if ("models", name) in entries and model.pretrained is not False:
            keys = {"weights": f"{place}.pretrained", "pretrained": f"{place}.pretrained", "base": f"{place}.options.base"}
            begun = Path(model.pretrained) if isinstance(model.pretrained, str) else True
            yield place, keys, partial(build_segmenter, model.segmenter or name, model.options, pretrained=begun)
    for planned in studies:
        yield from planned.kind.networks(planned.settings, document)


def refuse_missing(lines: list[str]) -> None:
    """Raise `MissingPathError` with all missing items in one line, if there are any."""
    if len(lines) == 1:
        raise MissingPathError(lines[0])
    if lines:
        listed = "; ".join(f"({number}) {line}" for number, line in enumerate(lines, 1))
        raise MissingPathError(f"the study file needs {len(lines)} things that are missing: {one_line(listed, 100_000)}")
