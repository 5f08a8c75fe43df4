"""Hold the result of `howfar score`: new images' distances from the primary dataset, and whether the model probably fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from howfar.formatting_and_escaping import NOT_KNOWN, format_interval, format_number, format_p, per
from howfar.image_reading_options import counted_as
from howfar.results.display_and_shared_records import Cells, Shown, Skipped, plain
from howfar.results.relation_result import Failures, Gate, SetEstimate

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 20
READINGS = "readings"


@dataclass(frozen=True)
class Score:
    """Hold the scores of one new image; undefined values are None.

    Attributes
    ----------
    dataset, image
        Where it came from: the dataset's name, and the file (of ready-made embeddings the row's name).
    i_dist, i_dist_mean
        Its distance from the primary's images, as the paper's sum and as a mean (eq. 7), in the primary's own subspace.
    relative
        `i_dist_mean` over the primary's self-distance: 1 is as far as the primary's images are from each other.
    knn, mahalanobis
        Mean distance from the nearest images of the primary; Mahalanobis distance from all of them.
    percentile, p_value
        Where `i_dist_mean` stands among the primary's own leave-one-out distances: 0-100, and the conformal p-value.
    predicted, predicted_low, predicted_high, estimator
        Predicted performance, its interval, and the estimator that made it.
    flag, reason
        Whether it probably fails, and why; `howfar.pipeline.profile_scorer` has the rule.
    readings
        What the gate reads of it, by the names of columns; kept out of tables and JSON.
    """

    dataset: str
    image: str
    i_dist: float
    i_dist_mean: float
    relative: float | None
    knn: float
    mahalanobis: float | None
    percentile: float | None
    p_value: float | None
    predicted: float | None
    predicted_low: float | None
    predicted_high: float | None
    estimator: str | None
    flag: bool | None
    reason: str
    readings: Mapping[str, float | None] = field(default_factory=dict, repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name, as in a line of ``howfar score --json``."""
        return {name: value for name, value in self.__dict__.items() if name != READINGS}

    def cells(self) -> tuple[str, ...]:
        """Return the fields as formatted texts, in the order of `HEADER`."""
        numbers = (format_number(value, 3) for value in (self.relative, self.knn, self.percentile))
        predicted = format_interval(self.predicted, self.predicted_low, self.predicted_high)
        flag = "–" if self.flag is None else ("FLAG" if self.flag else "ok")
        return self.image, *numbers, format_p(self.p_value), predicted, flag, self.reason


HEADER = ("image", "relative", "kNN", "percentile", "p", "predicted", "flag", "why")


@dataclass(frozen=True, eq=False, repr=False)
class Scores(Shown):
    """Hold a profile's scores of many new images, made by `howfar.Profile.score`.

    Attributes
    ----------
    primary
        The name of the dataset that the profile describes.
    images
        The scored images, in the order in which they were given.
    skipped
        Those that could not be read, and why.
    notes
        What a reader should know: how predictions were judged, what is undefined.
    estimates
        The mean performance to expect of each dataset that was scored whole, with its interval.
    gates
        Whether those estimates may be believed.
    failures
        How many images of each are on its list of probable failures.
    """

    primary: str
    images: tuple[Score, ...]
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    estimates: tuple[SetEstimate, ...] = ()
    gates: tuple[Gate, ...] = ()
    failures: tuple[Failures, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    @property
    def flagged(self) -> tuple[Score, ...]:
        """Return the images listed as probable failures."""
        return tuple(image for image in self.images if image.flag)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per image, with one column per field of `Score`."""
        import pandas as pd

        columns = [entry.name for entry in fields(Score) if entry.name != READINGS]
        return pd.DataFrame([image.to_dict() for image in self.images], columns=columns)

    def to_dict(self) -> Mapping[str, Any]:
        """Return all fields as JSON values."""
        document: dict[str, Any] = plain(self)
        for image in document["images"]:
            del image[READINGS]
        return document

    def caption(self) -> str:
        """State in one line how many images were scored and flagged."""
        unread = f", {len(self.skipped)} could not be read" if self.skipped else ""
        images = f"{counted_as([image.image for image in self.images])}{'' if len(self) == 1 else 's'}"
        return f"{len(self)} {images} scored against {self.primary}, {len(self.flagged)} flagged{unread}"

    def table(self) -> Cells:
        """Return header and cells of the first images."""
        return HEADER, [image.cells() for image in self.images[:SHOWN]]

    def footer(self) -> list[str]:
        """Return each dataset's expected performance, the number of images not displayed, skipped files, and the notes."""
        more = [f"{len(self) - SHOWN} more images are in .to_frame()"] if len(self) > SHOWN else []
        skipped = (f"skipped: {image.path}: {image.reason}" for image in self.skipped[:SHOWN])
        return [*self.answers(), *more, *skipped, *self.notes]

    def answers(self) -> list[str]:
        """State in a line each dataset's expected performance; a doubted estimate comes after its warning."""
        gates = {gate.dataset: gate for gate in self.gates}
        failing = {row.dataset: row for row in self.failures}
        lines = []
        for row in self.estimates:
            gate = gates.get(row.dataset)
            unit = counted_as([image.image for image in self.images if image.dataset == row.dataset])
            expected = f"{row.text()} ({100 * row.level:.0f} %) by {row.estimator}"
            if gate is not None and gate.inside is False:
                doubt = (
                    "there is no estimate" if row.text() == NOT_KNOWN else f"the estimate that cannot be trusted: {expected}"
                )
                lines.append(f"{gate.warning()} ({doubt})")
            else:
                unchecked = "the gate could check nothing" if gate is None else gate.unchecked()
                known = f"; {unchecked}" if unchecked else ""
                listed = failing.get(row.dataset)
                fail = "" if listed is None or not listed.listed else f"; {listed.listed} are listed as probable failures"
                mean = per("mean performance", unit)
                lines.append(f"{row.dataset}: {mean} {expected}, of {row.n} {unit}s{fail}{known}")
        return lines
