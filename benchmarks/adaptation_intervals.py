"""Give the intervals of an earlier record of `howfar adapt` by the rule of today's studies, from the record alone.

By the earlier rule every difference had its own few seeds to tell how trainings vary; by today's that variance is pooled over
the differences of a study (`howfar.studies.adaptation.adaptation_tables.pooled`). The record holds every seed's mean F, which
gives the seeds' part of the variance exactly. The photographs' part is what is left of the earlier interval when the seeds'
part is taken out of it, as if it had been known from many photographs: where there were few, that is too much. Where two
values fit, as the seeds' part is the larger, the one like those of the set's other differences is taken (one is alike in a
set's differences to a half or so, the other differs fivefold). Trains nothing, and changes no mean.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from record import leave, parser
from scipy.optimize import brentq, minimize_scalar

from howfar.studies.adaptation.adaptation_tables import LEVEL, Component, Spread, half_width, pooled

RANDOM = "random"
OVER_M, OVER_RANDOM = ("gain", "low", "high"), ("over_random", "over_random_low", "over_random_high")


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--record", type=Path, required=True, help="the earlier record")
    arguments = options.parse_args()
    record = json.loads(arguments.record.read_text(encoding="utf-8"))
    found = record["results"]
    # A record that holds today's intervals keeps the earlier ones, so that they can be computed from again.
    earlier = {**found, "gains": found.get("earlier gains", found["gains"])}
    trained = found.get("trained") or {name: record[name] for name in ("command", "created", "hardware", "python", "libraries")}
    renewed = {**found, "gains": by_pooled_trainings(earlier), "earlier gains": earlier["gains"], "trained": trained}
    leave("adaptation", renewed, arguments.json)


def by_pooled_trainings(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Recompute the ends of every gain over M and over random choice."""
    models = {row["model"]: row for row in found["models"]}
    scores = pd.DataFrame(found["scores"]).pivot(index=["dataset", "seed"], columns="model", values="mean_f")
    rows = {(row["model"], row["dataset"]): dict(row) for row in found["gains"]}
    for dataset in dict.fromkeys(row["dataset"] for row in found["gains"]):
        of_dataset = scores if dataset == "all" else scores.loc[[dataset]]
        by_seed = of_dataset.groupby("seed").mean()
        arms = [model for model, of in rows if of == dataset]
        for names in (OVER_M, OVER_RANDOM):
            rivals = ["M" if names == OVER_M else f"{RANDOM}-{models[arm]['shots']}" for arm in arms]
            compared = [
                (arm, rival) for arm, rival in zip(arms, rivals, strict=True) if rows[arm, dataset][names[0]] is not None
            ]
            own = [of_seeds(by_seed[arm] - by_seed[rival]) for arm, rival in compared]
            halves = [(rows[arm, dataset][names[2]] - rows[arm, dataset][names[1]]) / 2 for arm, _ in compared]
            parts = photographs([explained(half, seeds) for half, seeds in zip(halves, own, strict=True)])
            means = [float(rows[arm, dataset][names[0]]) for arm, _ in compared]
            spreads = [(mean, [Component(part, 0), seeds]) for mean, part, seeds in zip(means, parts, own, strict=True)]
            for (arm, _), spread in zip(compared, pooled(spreads), strict=True):
                rows[arm, dataset] |= ends(spread, names)
    return list(rows.values())


def of_seeds(differences: Any) -> Component:
    """Give the seeds' part of the variance of a mean difference, from each seed's."""
    return Component(float(differences.var(ddof=1)) / len(differences), len(differences) - 1)


def explained(half: float, seeds: Component) -> list[float]:
    """Give the photographs' variances, rising, with which the seeds' part makes an interval this wide: none, one or two.

    More of it first makes the interval shorter, as fewer of the degrees of freedom are then the seeds', and later longer.
    """

    def beyond(variance: float) -> float:
        return half_width([Component(variance, 0), seeds], LEVEL) - half

    shortest = float(minimize_scalar(beyond, bounds=(0.0, half**2), method="bounded").x)
    if beyond(shortest) > 0:
        return []
    first = [float(brentq(beyond, 0.0, shortest))] if beyond(0.0) >= 0 else []
    return [*first, float(brentq(beyond, shortest, half**2))]


def photographs(found: Sequence[Sequence[float]]) -> list[float]:
    """Take of two variances the one that is nearer to those of the same set's other differences; 0 where none explains it.

    Examples
    --------
    >>> photographs([[0.002], [0.001, 0.5], [], [0.004]])
    [0.002, 0.001, 0.0, 0.004]
    """
    usual = np.median([one[0] for one in found if len(one) == 1] or [one[0] for one in found if one] or [0.0])
    return [min(one, key=lambda variance: abs(variance - usual), default=0.0) for one in found]


def ends(spread: Spread | None, names: Sequence[str]) -> dict[str, Any]:
    """Give the ends of the interval by pooled trainings, and with them whether one strategy beats the random one."""
    assert spread is not None
    mean, half = spread[0], half_width(spread[1], LEVEL)
    judged = {"beats_random": bool(mean > half), "below_random": bool(-mean > half)} if names == OVER_RANDOM else {}
    return {names[1]: float(np.round(mean - half, 6)), names[2]: float(np.round(mean + half, 6)), **judged}


if __name__ == "__main__":
    main()
