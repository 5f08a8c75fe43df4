"""Predict how many labels a certificate will need, before labelling (`howfar certify --plan`)."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Unpack

import numpy as np
from numpy.typing import ArrayLike

from howfar.data import DatasetArgument
from howfar.errors import InputError
from howfar.options_by_function import CertifyOptions
from howfar.results.certificate_result import Certificate
from howfar.results.records import Cells
from howfar.sampling import labels_for, plan_zone, zone_share
from howfar.studies.certification.certified_quantity import SHORT, VALUES
from howfar.studies.certification.certify import certify
from howfar.studies.certification.sample import images_of
from howfar.tasks.task_registry import TASKS

WIDTHS: Final = ("±0.1", "±0.05")
MEANS: Final = {*SHORT, "accuracy"}
LABELS: Final = (30, 60, 120)
"""Numbers of labels for which the size of a zone is predicted."""


@dataclass(frozen=True)
class PlannedQuestion:
    """Hold a question, and the number of labels with which it is predicted to be answered; None if it stays open."""

    question: str
    labels: int | None
    answer: str = ""


@dataclass(frozen=True)
class LabelPlan:
    """Hold what a site's questions are predicted to cost."""

    dataset: str
    n: int
    proxy: str
    rows: tuple[PlannedQuestion, ...]

    def caption(self) -> str:
        """State in one line where the numbers come from."""
        return f"{self.dataset}: labels that {self.n:,} images are predicted to need, by {self.proxy}"

    def table(self) -> Cells:
        """Return header and formatted cells, one row per question."""
        rows: list[tuple[str, ...]] = [
            (row.question, "more than there are" if row.labels is None else str(row.labels), row.answer) for row in self.rows
        ]
        return ("question", "labels", "predicted answer"), rows

    def to_dict(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return asdict(self)


def plan_labels(
    site: DatasetArgument,
    predictions: str | Path | None = None,
    *,
    profile: str | Path | None = None,
    **options: Unpack[CertifyOptions],
) -> LabelPlan:
    """Predict how many labels `howfar.certify` needs for its questions: ±0.1, ±0.05, that of `until`, and a zone.

    Arguments are those of `howfar.certify`; nothing is written. Performance is simulated about its predictions with errors as
    measured on four fields (`howfar.sampling.labels_for`), so that a plan is a guess.
    """
    if options.get("against") is not None:
        raise InputError.of("plan", "is of use to one model", "against", "leave one of them out")
    drawn = certify(site, predictions, profile=profile, **options)
    if drawn.metric not in MEANS and drawn.metric != VALUES.name:
        raise InputError.of("metric", "must be a mean over images to be planned for", drawn.metric, "leave --plan out")
    proxies, level, seed = np.array(drawn.site.proxies, dtype=np.float64), drawn.level, drawn.seed
    zone, rows, decisions = drawn.zone, [], _decisions(drawn, site, predictions, options)
    if zone is None:
        for text in dict.fromkeys((*WIDTHS, drawn.until or WIDTHS[0])):
            labels = labels_for(proxies, text, level=level, decisions=decisions, seed=seed)
            rows.append(PlannedQuestion(f"{drawn.words} to {text}" if text.startswith("±") else text, labels))
    else:
        for k in sorted({min(k, drawn.n) for k in LABELS}):
            share = 0.0
            with suppress(InputError):  # too few for any zone
                plan = plan_zone(proxies, k, at_least=zone.at_least, wrong=zone.wrong, level=level, seed=seed)
                share = zone_share(proxies, plan, decisions=decisions, seed=seed)
            rows.append(PlannedQuestion(drawn.words, k, f"{100 * share:.0f} % of the site"))
    return LabelPlan(drawn.dataset, drawn.n, drawn.proxy, tuple(rows))


def _decisions(
    drawn: Certificate, site: DatasetArgument, predictions: str | Path | None, options: Mapping[str, Any]
) -> ArrayLike | None:
    """Count the boxes of each image of the site; 1 for classes, and None for maps and for values in memory."""
    if drawn.task != "detection" or predictions is None:
        return 1 if drawn.task == "classification" else None
    least = float("-inf") if drawn.min_score is None else drawn.min_score
    answers = TASKS[drawn.task].of(options).answers(images_of(site), predictions).by_image
    return [max(1, sum(score >= least for score in answers[name].value["scores"])) for name in drawn.site.images]
