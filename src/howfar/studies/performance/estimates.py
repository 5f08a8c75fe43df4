"""Judge every dataset of a run by the labels of the others, and collect what is said of its images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.relation.known_fits import KnownFits
from howfar.relation.label_free_columns import take
from howfar.relation.site_judge import AUTO, Evidence, SiteJudge, SiteJudgement, left_out
from howfar.results import Failures, SetEstimate
from howfar.results.gate import Gate


@dataclass(frozen=True, eq=False)
class Expectation:
    """Hold what a judge says of every dataset: labelled ones with their labels hidden, the others by all labels.

    Attributes
    ----------
    judge
        The judge that knows all labels.
    estimates, gates, failures
        One for each dataset of which something can be said, in the run's order.
    estimate, low, high, p_value, listed
        (n,) of each image; nan (False) where there is none.
    """

    judge: SiteJudge
    estimates: tuple[SetEstimate, ...]
    gates: tuple[Gate, ...]
    failures: tuple[Failures, ...]
    estimate: Float64Array
    low: Float64Array
    high: Float64Array
    p_value: Float64Array
    listed: NDArray[np.bool_]


def expect(
    judge: SiteJudge,
    evidence: Evidence,
    columns: Mapping[str, NDArray[Any]],
    performance: Float64Array,
    sets: NDArray[np.str_],
    known: KnownFits,
    wanted: str = AUTO,
) -> Expectation:
    """Judge every dataset: one with labels by a judge that does not know them, one without by the judge of all labels.

    `columns`, `performance` (nan where unknown) and `sets` describe the n images of the run; `known` holds the fits that the
    judge was made with.
    """
    estimate, low, high, p_value = np.full((4, len(performance)), np.nan)
    listed = np.zeros(len(performance), dtype=np.bool_)
    found: list[SiteJudgement] = []
    for name in dict.fromkeys(sets.tolist()):
        inside = np.flatnonzero(sets == name)
        hidden = bool(np.isfinite(performance[inside]).any())
        judging = left_out(judge, evidence, name, wanted, known) if hidden else judge
        if judging is None:
            continue  # without its own labels there is nothing to learn from
        said = judging.site(name, take(columns, inside), performance=performance[inside])
        estimate[inside], low[inside], high[inside] = said.predicted, said.low, said.high
        p_value[inside], listed[inside] = said.p_value, said.listed
        found.append(said)
    return Expectation(
        judge,
        tuple(said.estimate for said in found if said.estimate is not None),
        tuple(said.gate for said in found if said.gate is not None),
        tuple(said.failures for said in found if said.failures is not None),
        *(estimate, low, high, p_value, listed),
    )
