"""Simulate how often an adaptation study finds a better strategy where there is none, since all strategies are random.

Each study has --strategies beside random and as many seeds; every training adds a normal error of deviation 1, photographs
one more of the variance --photographs to each mean difference. The rate is that of studies in which any strategy beats random
or falls below it at the level that is corrected for their number: 5 % is meant. "own" takes each difference's own variance over
its seeds, "pooled" what howfar does.

The mixed model of a study's gains is tried on as many strategies and seeds over --sites, which gain 0.1 ± 0.05: how often it
says that strategies differ where they do not (5 % at most is meant), how often it sees that they do where they differ by as
much as trainings, and how often its interval of the mean gain holds the true one (95 % is meant).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from record import leave, parser

from howfar.studies.adaptation.adaptation_tables import ADAPTING, Component, Spread, contributions, half_width, pooled

LEVEL = 0.95
OF_PHOTOGRAPHS = 200
GAIN, SITES, TRAINING = 0.1, 0.05, 0.03
"""Mean gain, and standard deviations between sites and between trainings, about those that are on record."""


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--strategies", type=int, nargs="+", default=(1, 2, 12))
    options.add_argument("--seeds", type=int, nargs="+", default=(2, 3, 5))
    options.add_argument("--photographs", type=float, nargs="+", default=(0.03, 0.3, 3.0))
    options.add_argument("--studies", type=int, default=2000)
    options.add_argument("--sites", type=int, default=4)
    options.add_argument("--mixed-studies", type=int, default=100)
    arguments = options.parse_args()
    rows = [
        {
            "strategies": strategies,
            "seeds": seeds,
            "variance of photographs": photographs,
            **rates(strategies, seeds, photographs, arguments.studies),
        }
        for strategies in arguments.strategies
        for seeds in arguments.seeds
        for photographs in arguments.photographs
    ]
    mixed = [
        {"strategies": strategies + 1, "seeds": seeds, **told(strategies + 1, seeds, arguments.sites, arguments.mixed_studies)}
        for strategies in arguments.strategies
        for seeds in arguments.seeds
    ]
    found = {
        "studies": arguments.studies,
        "rates": rows,
        "sites": arguments.sites,
        "studies of the mixed model": arguments.mixed_studies,
    }
    leave("simulations", {**found, "mixed model": mixed}, arguments.json)


def rates(strategies: int, seeds: int, photographs: float, studies: int) -> dict[str, float]:
    """Count the shares of studies that find a strategy better or worse than random."""
    rng = np.random.default_rng([strategies, seeds, round(1000 * photographs)])
    level = 1 - (1 - LEVEL) / strategies
    named = {"own": 0, "pooled": 0}
    for _ in range(studies):
        apart = rng.normal(size=(strategies, seeds)) - rng.normal(size=(1, seeds))
        means = apart.mean(axis=1) + rng.normal(0, np.sqrt(photographs), strategies)
        parts = [
            [Component(photographs, OF_PHOTOGRAPHS), Component(float(one.var(ddof=1) / seeds), seeds - 1)] for one in apart
        ]
        found: list[Spread | None] = list(zip(map(float, means), parts, strict=True))
        for name, judged in (("own", found), ("pooled", pooled(found))):
            named[name] += any(abs(one[0]) > half_width(one[1], level) for one in judged if one is not None)
    return {name: count / studies for name, count in named.items()}


def told(strategies: int, seeds: int, sites: int, studies: int) -> dict[str, float]:
    """Count the shares of studies whose mixed model is right, with strategies that are alike and with some that differ."""
    rng = np.random.default_rng([strategies, seeds, sites])
    found = {}
    for name, apart in (("says that strategies differ where they are alike", 0.0), ("sees that they differ", TRAINING)):
        fits = [fitted(strategies, seeds, sites, apart, rng) for _ in range(studies)]
        found[name] = float(np.mean([fit["choosing"]["low"] > 0 for fit in fits]))
        held = [fit[ADAPTING]["low"] <= GAIN <= fit[ADAPTING]["high"] for fit in fits]
        found["holds the mean gain" if apart else "holds the mean gain where they are alike"] = float(np.mean(held))
    return found


def fitted(strategies: int, seeds: int, sites: int, apart: float, rng: np.random.Generator) -> dict[str, dict[str, float]]:
    """Draw a study's gains, with strategies so far `apart`, and fit the mixed model."""
    site, seed = rng.normal(0, SITES, (sites, 1, 1)), rng.normal(0, TRAINING, (sites, 1, seeds))
    strategy, training = rng.normal(0, apart, (1, strategies, 1)), rng.normal(0, TRAINING, (1, strategies, seeds))
    gains = GAIN + site + seed + strategy + training + rng.normal(0, TRAINING, (sites, strategies, seeds))
    index = np.indices(gains.shape).reshape(3, -1)
    rows = {"dataset": index[0], "strategy": index[1], "seed": index[2], "difference": gains.ravel()}
    return {str(row["source"]): row for row in contributions(pd.DataFrame(rows))}


if __name__ == "__main__":
    main()
