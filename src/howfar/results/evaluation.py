"""What predictions are worth: one dataset's scores, and a row for each of its images, kept in one Parquet file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from howfar.errors import MissingPathError, StoreError
from howfar.numbers import format_number
from howfar.plots import Plots
from howfar.results.files import plain, replace
from howfar.results.records import Provenance, Skipped
from howfar.results.tables import as_html, as_text

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
KEY = b"howfar"


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """Predictions of one dataset against its masks or labels, as `howfar.evaluate` returns them.

    Attributes
    ----------
    dataset
        The dataset's name.
    task
        "segmentation", "classification" or "detection".
    metric
        What `images.performance` holds, in words: "F at threshold 0.43".
    threshold
        The threshold that per-image values are taken at; None where the task has none.
    tolerance
        Pixels within which a prediction and the truth agree (segmentation).
    n, scored
        Images with a prediction, and those of them that have a performance.
    scores
        Dataset scores by name, None where undefined. Segmentation: ods, ods_threshold, ois, ois_aggregate, ap, and at the
        threshold f, mean_f, precision, recall, iou, false_positive_share; classification: accuracy, f1; detection: map,
        map_50, f1.
    images
        One row an image: dataset, image, path, content, prediction (its file), performance (nan where undefined).
        Segmentation adds best, best_threshold, precision, recall, iou, foreground (true share), predicted_foreground,
        the label-free signals (average_confidence, foreground_confidence, mean_probability, nuclear_norm, entropy, and
        where asked for flip_agreement, ensemble_agreement), histogram (256 counts of predicted values), pixels, and the
        counts at the 100 thresholds: predicted, hits_predicted, hits_true, and true (foreground pixels of the mask).
        Without a mask the counts are None and true is nan. Classification adds label, predicted_label,
        average_confidence; detection hits, misses, false, average_confidence (mean score of the boxes).
    skipped, notes, provenance
        What was left out and why, what a reader should know, what made it.
    """

    dataset: str
    task: str
    metric: str
    threshold: float | None
    tolerance: float
    n: int
    scored: int
    scores: Mapping[str, float | None]
    images: pd.DataFrame
    provenance: Provenance
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def plot(self) -> Plots:
        """Figures of this result by name: ``evaluation.plot.thresholds()``."""
        return Plots(self, "evaluation_figures")

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of ``howfar evaluate --json``; the per-image table is left out."""
        return {
            "format": FORMAT,
            "dataset": self.dataset,
            "task": self.task,
            "metric": self.metric,
            "threshold": self.threshold,
            "tolerance": self.tolerance,
            "n": self.n,
            "scored": self.scored,
            "scores": dict(self.scores),
            "skipped": [asdict(skipped) for skipped in self.skipped],
            "notes": list(self.notes),
            "provenance": plain(asdict(self.provenance)),
        }

    def save(self, file: str | Path) -> Path:
        """Write one Parquet file, the scores in its metadata, and return its path."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = Path(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        table = pa.Table.from_pandas(self.images, preserve_index=False)
        document = json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False).encode()
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), KEY: document})
        replace(path, lambda part: pq.write_table(table, part, compression="zstd"))
        return path

    @classmethod
    def load(cls, file: str | Path) -> Evaluation:
        """Read such a file back.

        Raises
        ------
        MissingPathError
            There is no such file.
        StoreError
            It is damaged, of another format, or was not written by `save`.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = Path(file)
        if not path.is_file():
            raise MissingPathError(f"{path} is not there: pass a file that howfar evaluate -o wrote")
        try:
            table = pq.read_table(path)
            document = json.loads((table.schema.metadata or {})[KEY])
            if document.pop("format") != FORMAT:
                raise StoreError(f"{path} has another format than this howfar reads ({FORMAT}): run evaluate again")
            return cls(
                **{
                    **document,
                    "images": table.to_pandas(),
                    "skipped": tuple(Skipped(**row) for row in document["skipped"]),
                    "notes": tuple(document["notes"]),
                    "provenance": Provenance(**document["provenance"]),
                }
            )
        except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(f"{path} was not written by howfar evaluate, or is damaged ({type(error).__name__})") from error

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Header and formatted cells of the dataset scores: what terminal and notebook show."""
        return ("score", "value"), [(name, format_number(value)) for name, value in self.scores.items()]

    def caption(self) -> str:
        """One line that says what the table is about."""
        tolerance = f", tolerance {self.tolerance:g} px" if self.tolerance else ""
        return f"{self.dataset}: {self.n} images, {self.scored} scored; per image: {self.metric}{tolerance}"

    def __repr__(self) -> str:
        return "\n".join([self.caption(), *as_text(*self.table()), *self._footer()])

    def _repr_html_(self) -> str:
        return as_html(self.caption(), *self.table(), self._footer())

    def _footer(self) -> list[str]:
        left_out = [f"{len(self.skipped)} images were left out (.skipped)"] if self.skipped else []
        return [*self.notes, *left_out]
