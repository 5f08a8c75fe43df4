"""Give a study of a file what it reads: its datasets drawn down, backbones loaded once, and the results of other studies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from howfar.backbones import load_backbone, takes
from howfar.data import Dataset
from howfar.pipeline import embed_all
from howfar.results import Features
from howfar.results.result import Result
from howfar.studies.study_file.checked import CheckedFile
from howfar.studies.study_file.document import ModelEntry
from howfar.studies.study_inputs import Execution, drawn

if TYPE_CHECKING:
    from howfar.protocols import Backbone


@dataclass
class Inputs:
    """Give one study its inputs by the names of the study file.

    Attributes
    ----------
    file
        The checked study file.
    folder
        The study's own folder, for what it keeps besides its result (models, maps); it is there.
    execution
        Where features are kept and how they are computed.
    device
        Where networks run.
    seed
        The seed by which a dataset's limit is drawn.
    results, folders
        The results of the studies that this one needs, and their folders, by name.
    loaded
        Backbones that are loaded already, for all studies of a run.
    """

    file: CheckedFile
    folder: Path
    execution: Execution
    device: str = "auto"
    seed: int = 0
    results: Mapping[str, Result] = field(default_factory=dict)
    folders: Mapping[str, Path] = field(default_factory=dict)
    loaded: dict[str, Backbone] = field(default_factory=dict)

    def names(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the names of datasets, with those of a folder of datasets in the place of its name."""
        return self.file.expanded(names)

    def dataset(self, name: str) -> Dataset:
        """Return a dataset, drawn down to its limit by the seed."""
        return drawn(self.file.datasets[name], self.file.entries[name].limit, self.seed)

    def datasets(self, names: Sequence[str]) -> list[Dataset]:
        """Return several datasets; those of a folder of datasets stand in the place of its name."""
        return [self.dataset(name) for name in self.names(names)]

    def group(self, name: str) -> str | None:
        """Return the regular expression that names the photographs of a dataset's tiles, where the file gives one."""
        return self.file.entries[name].group

    def loading(self, name: str) -> tuple[str, dict[str, Any]]:
        """Return the registered name of a backbone of the file, and the options to load it with."""
        entry = self.file.document.backbones[name]
        options = entry.loading()
        placed = self.device != "auto" and "device" in takes(entry.backbone or name)
        return entry.backbone or name, {**options, "device": self.device} if placed else options

    def backbone(self, name: str) -> Backbone:
        """Load a backbone of the file, once for all studies."""
        if name not in self.loaded:
            registered, options = self.loading(name)
            self.loaded[name] = load_backbone(registered, **options)
        return self.loaded[name]

    def model(self, name: str) -> ModelEntry:
        """Return a model's entry of the file, its segmenter filled in."""
        entry = self.file.document.models[name]
        return entry.model_copy(update={"segmenter": entry.segmenter or name})

    def features(self, datasets: Sequence[Dataset], backbones: Sequence[Backbone]) -> list[tuple[Features, ...]]:
        """Embed datasets by backbones, each image decoded once for all: for each backbone the features of every dataset."""
        by_dataset = embed_all(list(datasets), list(backbones), *self.execution)
        return [tuple(view) for view in zip(*by_dataset, strict=True)]

    @property
    def keywords(self) -> dict[str, Any]:
        """Return the keywords by which `howfar.compare` and its kin keep features, and compute, as this study does."""
        return self.execution._asdict()
