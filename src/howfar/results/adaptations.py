"""Hold the adaptation studies of several segmenters on the same datasets, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from howfar.results.adaptation import Adaptation
from howfar.results.records import Provenance
from howfar.results.result import Result
from howfar.results.tables import Cells

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class Adaptations(Result):
    """Hold one `Adaptation` a segmenter, all of the same datasets, settings and seeds (section 4.3).

    Attributes
    ----------
    models
        The segmenters, as the study file calls them, in its order.
    adaptations
        The adaptation study of each, kept in a folder of the segmenter's name below this result's.
    """

    DOCUMENT: ClassVar = "adaptations.json"
    COMMAND: ClassVar = "study"
    MISSING: ClassVar = "name a folder that howfar study wrote"
    SUBJECT: ClassVar = ": the adaptation of several segmenters"
    FIGURES: ClassVar = "adaptations_figures"
    REPORT: ClassVar = "section"

    models: tuple[str, ...]
    adaptations: tuple[Adaptation, ...]

    def __getitem__(self, model: str) -> Adaptation:
        return self.runs()[model]

    @property
    def first(self) -> Adaptation:
        """Return the first segmenter's study, whose datasets and settings are those of all."""
        return self.adaptations[0]

    @property
    def provenance(self) -> Provenance:
        """Return what made the last of the studies."""
        return self.adaptations[-1].provenance

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what a reader should know, a segmenter at a time."""
        return tuple(f"{model}: {note}" for model, study in self.runs().items() for note in study.notes)

    def runs(self) -> Mapping[str, Adaptation]:
        """Return each segmenter's study by its name, which is that of its folder."""
        return dict(zip(self.models, self.adaptations, strict=True))

    def rows(self, table: str) -> pd.DataFrame:
        """Stack a table of all segmenters' studies, with the segmenter's name first in a column ``segmenter``."""
        import pandas as pd

        frames = []
        for model, study in self.runs().items():
            frame: pd.DataFrame = getattr(study, table).copy()
            frame.insert(0, "segmenter", model)
            frames.append(frame)
        return pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document, with the document of every segmenter's study."""
        return {**self._document(), "adaptations": {model: study.to_dict() for model, study in self.runs().items()}}

    def _document(self) -> dict[str, Any]:
        return {"format": self.FORMAT, "models": list(self.models)}

    @classmethod
    def _read(cls, document: Mapping[str, Any], root: Path) -> Self:
        models = document["models"]
        if not isinstance(models, list) or not models or not all(isinstance(model, str) for model in models):
            raise TypeError("models: must be a list of names")
        return cls(tuple(models), tuple(Adaptation.load(root / model) for model in models))

    def table(self) -> Cells:
        """Return header and cells, a row a segmenter and model: mean F of each dataset, and the gain over M."""
        tables = {model: study.table() for model, study in self.runs().items()}
        header = ("segmenter", *tables[self.models[0]][0])
        return header, [(model, *row) for model, (_, rows) in tables.items() for row in rows]

    def caption(self) -> str:
        """Say in one line what the table is about."""
        whole = self.first.caption()
        return whole.replace(self.first.segmenter, ", ".join(self.models), 1)

    def footer(self) -> list[str]:
        """Return the verdict on each segmenter's strategies, and the notes."""
        verdicts = {model: study.verdict() for model, study in self.runs().items()}
        return [*(f"{model}: {verdict}" for model, verdict in verdicts.items() if verdict), *self.notes]
