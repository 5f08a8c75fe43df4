"""Hold the result of `howfar evaluate`: a dataset's scores and a row per image, saved in one Parquet file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Self

from howfar.formatting_and_escaping import format_number
from howfar.io.file_location import absolute
from howfar.results.checksums_and_overwrite_guard import check_table, sealed_table
from howfar.results.display_and_shared_records import Cells, NetworkReading, Skipped
from howfar.results.result import SingleFile

if TYPE_CHECKING:
    import pandas as pd

KEY = b"howfar"
PERFORMANCE_NAMES: Final = {"segmentation": "F", "multiclass": "F", "classification": "accuracy", "detection": "F1"}
"""What the mean performance of images is called in sentences and on axes, by task."""


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation(SingleFile):
    """Hold the scores of a dataset's predictions against its masks or labels, made by `howfar.evaluate`.

    Attributes
    ----------
    dataset
        The dataset's name.
    task
        "segmentation", "multiclass" (of several classes), "classification" or "detection".
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
        map_50, f1; multiclass: f and iou (means over classes of summed pixels), mean_f and mean_iou (means over images),
        accuracy, and f_NAME and iou_NAME of each class.
    images
        One row an image: dataset, image, path, content, prediction (its file), performance (nan where undefined).
        Segmentation adds best, best_threshold, precision, recall, iou, foreground (true share), predicted_foreground,
        the label-free signals (average_confidence, foreground_confidence, mean_probability, nuclear_norm, entropy, soft_f,
        foreground_extent, foreground_width, foreground_components, and where asked for flip_agreement, flip_overlap,
        ensemble_agreement; of the foreground at the threshold), histogram (256 counts of predicted values), pixels, and the
        counts at the 100 thresholds: predicted, hits_predicted, hits_true, and true (foreground pixels of the mask).
        Without a mask the counts are None and true is nan. Classification adds label, predicted_label,
        average_confidence, class_confidence (the same), and where there are probabilities margin, entropy, nuclear_norm, mano;
        detection hits, misses, false, average_confidence (mean score of the boxes), box_score (0 where there is no box),
        box_count, box_entropy, and where asked for box_stability and box_consistency; multiclass iou, accuracy, the counts by
        class class_hits, class_predicted and class_true, and where there are probabilities average_confidence, margin, entropy
        and soft_f.
    skipped, notes, provenance
        What was left out and why, what a reader should know, what made it.
    reading
        How a foreign network was fed and read that made the predictions; None where they were there, and for a checkpoint.
    tiled
        Whether the maps are known to be predicted by tiles: those that howfar made say so.
    """

    TABLES: ClassVar = {}
    COMMAND: ClassVar = "evaluate"
    MISSING: ClassVar = "pass a file that howfar evaluate -o wrote"
    DAMAGE: ClassVar = "was not written by howfar evaluate, or is damaged"
    FIGURES: ClassVar = "evaluation_figures"

    dataset: str
    task: str
    metric: str
    threshold: float | None
    tolerance: float
    n: int
    scored: int
    scores: Mapping[str, float | None]
    images: pd.DataFrame
    skipped: tuple[Skipped, ...] = ()
    reading: NetworkReading | None = None
    tiled: bool = False

    def _sealed(self) -> bytes:
        document = json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False).encode()
        return sealed_table(self.images, {KEY: document}, compression="zstd")

    @classmethod
    def is_in(cls, file: str | Path) -> bool:
        """Return whether a file is marked as written by `save`; False for damaged and other files."""
        import pyarrow.parquet as pq
        from pyarrow import ArrowException

        try:
            document = json.loads((pq.read_schema(absolute(file)).metadata or {})[KEY])
        except (ArrowException, OSError, ValueError, LookupError, RecursionError):
            return False
        return isinstance(document, dict) and {"format", "dataset", "task", "scores"} <= document.keys()

    @classmethod
    def _parsed(cls, path: Path) -> Self:
        import pyarrow.parquet as pq

        table = pq.read_table(path)
        document = cls._checked((table.schema.metadata or {})[KEY], path)
        evaluation = cls(**cls._values(document), images=table.to_pandas())
        check_table(path, "")
        if evaluation.images.empty:
            raise ValueError("it has no rows")
        return evaluation

    def table(self) -> Cells:
        """Return header and formatted cells of the dataset scores; without labels there is no row."""
        if all(value is None for value in self.scores.values()):
            return ("score", "value"), []
        return ("score", "value"), [(name, format_number(value)) for name, value in self.scores.items()]

    def caption(self) -> str:
        tolerance = f", tolerance {self.tolerance:g} px" if self.tolerance else ""
        return f"{self.dataset}: {self.n} images, {self.scored} scored; per image: {self.metric}{tolerance}"

    def footer(self) -> list[str]:
        """Return the notes and the number of images left out."""
        left_out = [f"{len(self.skipped)} images were left out (.skipped)"] if self.skipped else []
        return [*self.notes, *left_out]
