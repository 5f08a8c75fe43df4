"""Simulate how often 95 % bootstrap intervals hold the true value, drawn from all pairs and by Hoeffding's decomposition.

The images of P and of S are normal, or of two normal kinds of which one in five is 2.5 times as wide, so that true mean
distances are known in closed form. Each trial draws both sets anew and computes both kinds of intervals from the same
resamples. An energy's interval is that of a V-statistic, which lies above the true energy by (1/n) E d(p, p') +
(1/m) E d(s, s'): it is judged by that.
"""

from __future__ import annotations

import argparse
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from record import leave, parser
from scipy.special import gammaln, hyp1f1

from howfar.pipeline import distance_intervals
from howfar.pipeline.distance_intervals import DistanceDraws, Resamples, RowSums
from howfar.significance import interval

WIDE = 1.2
KINDS = {"normal": ((1.0, 1.0),), "two kinds": ((0.8, 0.8), (0.2, 2.0))}
METHODS = {"all pairs": 1 << 62, "decomposition": 0}
Rows = NDArray[np.float64]


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--trials", type=int, default=1000)
    options.add_argument("--draws", type=int, default=500)
    options.add_argument("--sizes", type=int, nargs="+", default=(40, 100, 250), help="images of P; S has four fifths of them")
    options.add_argument("--dimensions", type=int, nargs="+", default=(2, 25))
    options.add_argument("--shift", type=float, default=2.0)
    arguments = options.parse_args()
    rows = [
        {
            "images of P": n,
            "images of S": n * 4 // 5,
            "dimensions": z,
            "images": kind,
            **covered(n, n * 4 // 5, z, kind, arguments),
        }
        for n, z, kind in product(arguments.sizes, arguments.dimensions, KINDS)
    ]
    given = {name: getattr(arguments, name) for name in ("trials", "draws", "shift")}
    leave("interval_coverage", {**given, "coverage": rows}, arguments.json)


def covered(n: int, m: int, z: int, kind: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Count the trials whose intervals hold the true value, by method and statistic, and those that were decomposed."""
    trials, draws, shift = arguments.trials, arguments.draws, arguments.shift
    truth, rng = true_values(n, m, z, kind, shift), np.random.default_rng([n, z, len(kind)])
    held = {method: dict.fromkeys(truth, 0) for method in METHODS}
    decomposed = 0
    for trial in range(trials):
        p, s = images(n, z, kind, rng), WIDE * images(m, z, kind, rng) + shift / np.sqrt(z)
        sums, means = RowSums.of(p, s), []
        for method, below in METHODS.items():
            distance_intervals.EXACT_BELOW = below
            drawn = DistanceDraws.of(p, s, sums, Resamples.drawn(n, m, draws, np.random.default_rng(trial)))
            means.append(drawn.between)
            intervals = interval(drawn.between), drawn.relative_ci(), drawn.energy_ci()
            for (name, value), found in zip(truth.items(), intervals, strict=True):
                held[method][name] += found is not None and found[0] <= value <= found[1]
        decomposed += bool((means[0] != means[1]).any())
    shares = {method: {name: count / trials for name, count in by.items()} for method, by in held.items()}
    return {**shares, "decomposed": decomposed / trials}


def images(n: int, z: int, kind: str, rng: np.random.Generator) -> Rows:
    chances, widths = zip(*KINDS[kind], strict=True)
    return np.asarray(rng.choice(widths, size=(n, 1), p=chances) * rng.normal(size=(n, z)))


def true_values(n: int, m: int, z: int, kind: str, shift: float) -> dict[str, float]:
    between, own_p, own_s = (
        sum(
            one * other * mean_distance(z, (wide_s * a) ** 2 + (wide_p * b) ** 2, apart)
            for (one, a), (other, b) in product(KINDS[kind], KINDS[kind])
        )
        for wide_s, wide_p, apart in ((WIDE, 1.0, shift), (1.0, 1.0, 0.0), (WIDE, WIDE, 0.0))
    )
    energy = 2 * between - (1 - 1 / n) * own_p - (1 - 1 / m) * own_s
    return {"o_dist": between, "relative": between / own_p, "energy": energy}


def mean_distance(z: int, variance: float, apart: float) -> float:
    """Compute the mean length of a normal vector of z components, of this variance about a point so far from the origin."""
    scale = np.sqrt(2 * variance) * np.exp(gammaln((z + 1) / 2) - gammaln(z / 2))
    return float(scale * hyp1f1(-0.5, z / 2, -(apart**2) / (2 * variance)))


if __name__ == "__main__":
    main()
