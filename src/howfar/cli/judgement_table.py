"""Lay out how estimators were judged, alike for `howfar relate` and `howfar profile`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from howfar.numbers import format_number

if TYPE_CHECKING:
    from howfar.results import Judgement

HEADER = ("estimator", "kind", "sets", "error, set", "error, image", "coverage", "AUROC", "AURC")
OPTIONAL = ("kind", "AURC")


def title(threshold: float | None) -> str:
    """Head the table: scores at a threshold are F, others are called performance.

    >>> title(0.35)
    'Estimators, each dataset left out in turn (F without labels)'
    """
    return f"Estimators, each dataset left out in turn ({'performance' if threshold is None else 'F'} without labels)"


def rows(judgements: Iterable[Judgement], used: str | None) -> list[tuple[str, ...]]:
    """Give a row an estimator, with a star at the one in use."""
    return [
        (
            f"{judged.estimator} *" if judged.estimator == used else judged.estimator,
            judged.kind,
            str(judged.sets),
            format_number(judged.mae_set, 3),
            format_number(judged.mae_image, 3),
            "–" if judged.coverage is None else f"{100 * judged.coverage:.0f} %",
            format_number(judged.auroc, 3),
            format_number(judged.aurc, 3),
        )
        for judged in judgements
    ]
