"""Hold the result of a study of prompts, its scores by prompt and dataset and a row for each image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from howfar.numbers import format_number
from howfar.results.json_values import plain
from howfar.results.records import Provenance, Skipped
from howfar.results.result import Result, holding
from howfar.results.tables import Cells

if TYPE_CHECKING:
    import pandas as pd

RANDOM_WEIGHTS: Final = "the networks have random weights: nothing here says what published ones do"
"""The note on a study whose networks were not trained."""


@dataclass(frozen=True, eq=False, repr=False)
class Prompting(Result):
    """Hold the scores of networks that are told what to segment; `howfar.prompts` makes it.

    Attributes
    ----------
    datasets, prompts, settings, provenance
        Names of the datasets; labels of the prompts ("points", "box", "text: cracks on a road", "persam"); what was chosen;
        what made it.
    scores
        A row a prompt and dataset: n images; ods with ods_threshold, ois and ap over all thresholds; f of summed counts and
        mean_f of the images' own, both at 0.5, which is where SAM itself cuts.
    images
        A row a prompt and image: dataset, image, path, mask, map (below the study's folder), f, and told: a JSON text with
        points, labels, box and text.
    skipped, notes
        Images that could not be read; what a reader should know.
    """

    DOCUMENT: ClassVar = "prompting.json"
    TABLES: ClassVar = {"images": "prompting.parquet"}
    COLUMNS: ClassVar = {"images": holding("prompt dataset image", "f")}
    COMMAND: ClassVar = "prompts"
    MISSING: ClassVar = "name a folder that howfar prompts wrote"
    SUBJECT: ClassVar = ": the study of prompts"
    FIGURES: ClassVar = "prompting_figures"
    REPORT: ClassVar = "prompting"

    datasets: tuple[str, ...]
    prompts: tuple[str, ...]
    settings: Mapping[str, Any]
    scores: pd.DataFrame
    images: pd.DataFrame
    provenance: Provenance
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document of ``howfar prompts --json``; the images' rows are left out."""
        return self._json(scores=plain(self.scores))

    @classmethod
    def _values(cls, document: Mapping[str, Any]) -> dict[str, Any]:
        import pandas as pd

        values, rows = super()._values(document), document["scores"]
        if not all(isinstance(row["prompt"], str) and isinstance(row["dataset"], str) for row in rows):
            raise TypeError("scores: prompt and dataset must be texts")
        told = {(row["prompt"], row["dataset"]) for row in rows}
        if not told >= {(prompt, dataset) for prompt in document["prompts"] for dataset in document["datasets"]}:
            raise ValueError("scores: a prompt lacks a dataset")
        scores = pd.DataFrame(rows)
        numbers = [name for name in scores if name not in ("prompt", "dataset", "n")]
        return {**values, "scores": scores.astype(dict.fromkeys(numbers, float))}

    def table(self) -> Cells:
        """Return header and cells, a row a prompt: ODS of each dataset, and in brackets mean F at 0.5."""
        cells = {
            (row["prompt"], row["dataset"]): f"{format_number(row['ods'], 3)} ({format_number(row['mean_f'], 3)})"
            for row in self.scores.to_dict("records")
        }
        return ("prompt", *self.datasets), [
            (name, *(cells[name, dataset] for dataset in self.datasets)) for name in self.prompts
        ]

    def caption(self) -> str:
        """Say in one line what the table is about."""
        return "ODS (mean F at 0.5) of prompted networks that were trained on none of these images"
