r"""Raise an alarm when a model's performance falls over batches of images, with a bounded false-alarm rate over all.

Batches of images come one after another, and a few images of each, drawn at random, are labelled. Without harm every batch's
true mean performance is at least the tolerated level c. Each batch gets a factor e_t ≥ 0 whose expectation is then at most 1,
given all that came before: a bet against "no harm". The evidence is a mixture of the products of the factors over every batch
j at which the harm may have begun,

    S_t = Σ_{j≤t} w_j Π_{s=j..t} e_s = (S_{t−1} + w_t) · e_t,     Σ_j w_j = 1,

so that S_t plus the weights that are left is a supermartingale that begins at 1. By Ville's inequality the chance that
S_t ≥ 1/α at *any* time is at most α: the alarm at 1/α is false with a chance of at most α over all batches together, however
many there are and however often it is looked at. The weights halve with every further `horizon` batches.

Sources: J. Ville, "Étude critique de la notion de collectif" (1939); J. Shin, A. Ramdas & A. Rinaldo, "E-detectors: a
nonparametric framework for sequential change detection", arXiv:2203.03532, for sums over change points; I. Waudby-Smith &
A. Ramdas, "Estimating means of bounded random variables by betting", JRSS-B 86 (2024), arXiv:2010.09686, for the bets.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from howfar.arrays import Float64Array, as_row, check_level
from howfar.errors import InputError

HORIZON = 52
"""By default half of the false alarms that are allowed are spent on the first year of weekly labelled batches."""
RATE = 0.05
DROP = 0.1
FEWEST = 30
"""Below so many labels a spread of residuals is not taken for known."""
_STAKES = np.linspace(0.05, 0.95, 19)
_TILTS = np.geomspace(0.2, 30.0, 60)
_CLIPS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.6, 1.0)
_ONE_SIDED = 1.6448536269514722
"""The 95 % quantile of the normal distribution, for the error of a moment that is taken from a sample."""


@dataclass(frozen=True, eq=False)
class LabelledBatch:
    """Hold a batch's labelled images, drawn from the batch uniformly at random without replacement.

    `measured` and `predicted` (k,) are performance in [0, 1], the latter known before labelling; `mean_predicted` is over *all*
    images of the batch.
    """

    measured: Float64Array
    predicted: Float64Array | None = None
    mean_predicted: float | None = None

    def adjusted(self) -> Float64Array:
        """Compute F − (f − mean f) of each labelled image, or F without predictions f; the expectation equals that of F."""
        if self.predicted is None or self.mean_predicted is None:
            return self.measured
        return self.measured - (self.predicted - self.mean_predicted)


@dataclass(frozen=True)
class BoundedBet:
    """Bet on values in [0, 1] without further assumptions: e_t = Π_i (1 + η (c − F_i)), η = stake / (1 − c).

    c is the tolerated level. The k images are drawn at random without replacement from the batch, whose own mean is at least c
    without harm. Then E e_t ≤ (1 + η (c − mean))^k ≤ 1 by Maclaurin's inequality, whatever the distribution of the values.
    `stake` is a share of the largest bet that cannot lose all.
    """

    level: float
    stake: float = 0.5

    def log_factor(self, batch: LabelledBatch) -> float:
        """Return the log factor Σ_i ln(1 + η (c − F_i))."""
        bet = self.stake / (1 - self.level)
        return float(np.log1p(bet * (self.level - batch.measured)).sum())

    @classmethod
    def of(cls, level: float, known: ArrayLike | None = None, drop: float = DROP) -> Self:
        """Choose the stake for which evidence grows fastest if the known values fell to `drop` below the level."""
        check_level(level)
        if known is None or not np.size(known):
            return cls(level)
        values = as_row(known, "known", least=1)
        fallen = np.clip(values - values.mean() + level - drop, 0.0, 1.0)
        growth = [np.log1p(stake / (1 - level) * (level - fallen)).mean() for stake in _STAKES]
        return cls(level, float(_STAKES[int(np.argmax(growth))]))


@dataclass(frozen=True)
class SpreadBet:
    """Bet on values with the spread of a control sample: e_t = Π_i exp(θ clip(c − X_i, ±b)) / M, X_i = F_i − f_i + mean f.

    M is the mean of exp(θ clip(mean X − X, ±b)) over labelled images from when all was well, at the upper end of its one-sided
    95 % interval. E e_t ≤ 1 where the batch's mean is at least c **and** its values spread about their mean no worse than those
    did, in that E exp(θ clip(E X − X, ±b)) ≤ M; drawing without replacement does not raise it (Hoeffding 1963). It finds a fall
    with fewer labels than `BoundedBet`, which supposes nothing. The clip b keeps single images, of a kind that was never seen,
    from raising an alarm alone. θ is the `tilt`.
    """

    level: float
    tilt: float
    clip: float
    log_moment: float

    def log_factor(self, batch: LabelledBatch) -> float:
        """Return the log factor Σ_i (θ clip(c − X_i, ±b) − ln M)."""
        if batch.predicted is None or batch.mean_predicted is None:
            raise InputError("a bet on the spread in control needs the predicted performance of every labelled image")
        below = np.clip(self.level - batch.adjusted(), -self.clip, self.clip)
        return float((self.tilt * below - self.log_moment).sum())

    @classmethod
    def of(cls, level: float, residuals: ArrayLike, drop: float = DROP, measured: ArrayLike | None = None) -> Self:
        """Choose tilt and clip for which evidence grows fastest if the mean falls by `drop`.

        `residuals` are F − f of labelled images from when all was well, at least 30. By default every image falls by `drop`;
        with their F, `measured`, some images fall to 0 and the others not at all.
        """
        check_level(level)
        values = as_row(residuals, "residuals")
        if len(values) < FEWEST:
            raise InputError.of("residuals", f"must be those of at least {FEWEST} labelled images", len(values))
        below = values.mean() - values
        fallen, share = below + drop, 1.0
        if measured is not None:
            known = as_row(measured, "measured", least=1)
            fallen, share = below + known, min(drop / max(float(known.mean()), drop), 1.0)
        best = max((_tuned(below, fallen, share, clip) for clip in _CLIPS), key=lambda tuned: tuned[0])
        return cls(level, *best[1:])


Bet: TypeAlias = BoundedBet | SpreadBet
"""Turns a batch into a log factor ln e_t, where the factor's expectation is at most 1 if performance has not fallen."""


def _tuned(below: Float64Array, fallen: Float64Array, share: float, clip: float) -> tuple[float, float, float, float]:
    """Return the fastest growth for one clip if a share of the images has fallen, with its tilt, the clip, and ln M."""
    powers = np.exp(_TILTS[:, None] * np.clip(below, -clip, clip))
    moments = np.log(powers.mean(axis=1) + _ONE_SIDED * powers.std(axis=1, ddof=1) / math.sqrt(len(below)))
    means = (np.clip(values, -clip, clip).mean() for values in (below, fallen))
    growth = _TILTS * float(np.dot((1 - share, share), tuple(means))) - moments
    best = int(np.argmax(growth))
    return float(growth[best]), float(_TILTS[best]), clip, float(moments[best])


def evidence(log_factors: Sequence[float], horizon: int = HORIZON) -> Float64Array:
    """Compute the evidence ln S_t after each batch from the batches' log factors.

    Batch t weighs w_t = 2^−(b+1) / horizon, where b = ⌊(t − 1) / horizon⌋, as the one at which harm may have begun.
    """
    total, path = -math.inf, []
    for index, factor in enumerate(log_factors):
        weight = -(index // horizon + 1) * math.log(2) - math.log(horizon)
        total = float(np.logaddexp(total, weight)) + factor
        path.append(total)
    return np.asarray(path, dtype=np.float64)


def together(paths: Sequence[Float64Array]) -> Float64Array:
    """Average the evidence of several bets, each given as ln S_t; the average is valid evidence too."""
    return np.asarray(np.logaddexp.reduce(np.stack(list(paths)), axis=0) - math.log(len(paths)), dtype=np.float64)


def first_alarm(path: Float64Array, rate: float = RATE) -> int | None:
    """Return the index of the first batch with evidence of 1 / rate, else None; a false alarm has at most the chance `rate`."""
    check_level(rate, "rate", "pass 0.05")
    reached = np.flatnonzero(path >= -math.log(rate))
    return int(reached[0]) if len(reached) else None
