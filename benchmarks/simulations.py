"""Simulate how often an adaptation study finds a better strategy where there is none, since all strategies are random.

Each study has --strategies beside random and as many seeds; every training adds a normal error of deviation 1, photographs
one more of the variance --photographs to each mean difference. The rate is that of studies in which any strategy beats random
or falls below it at the level that is corrected for their number: 5 % is meant. "own" takes each difference's own variance over
its seeds, "pooled" what howfar does.
"""

from __future__ import annotations

import numpy as np
from record import leave, parser

from howfar.studies.adaptation.gains import Component, Spread, half_width, pooled

LEVEL = 0.95
OF_PHOTOGRAPHS = 200


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--strategies", type=int, nargs="+", default=(1, 2, 12))
    options.add_argument("--seeds", type=int, nargs="+", default=(2, 3, 5))
    options.add_argument("--photographs", type=float, nargs="+", default=(0.03, 0.3, 3.0))
    options.add_argument("--studies", type=int, default=2000)
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
    leave("simulations", {"studies": arguments.studies, "rates": rows}, arguments.json)


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


if __name__ == "__main__":
    main()
