"""The bake-off: does any way of choosing a few images beat drawing them at random?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from howfar import registry
from howfar.results.adaptation import Adaptation
from howfar.studies.adaptation.adapt import adapt
from howfar.studies.adaptation.settings import RANDOM


def bakeoff(
    primary: Any,
    secondaries: Sequence[Any],
    model: str = "unetplusplus",
    *,
    out: str | Path,
    shots: Sequence[int] = (7,),
    strategies: Sequence[str] = (),
    seeds: Sequence[int] = (0, 1, 2),
    random_seeds: Sequence[int] = (3, 4),
    pool: float | None = 0.5,
    **how: Any,
) -> Adaptation:
    """Adapt with images that every strategy chose, and say whether any beats random (`Adaptation.verdict`).

    Random is always in it. Half of each secondary's photographs is chosen from and all models are scored on the other half,
    so that no strategy is judged on other images than another.

    Parameters
    ----------
    primary, secondaries, model, out, shots, seeds, random_seeds, pool
        As `howfar.adapt`; a folder that it wrote with the same settings of training is gone on with.
    strategies
        Beside random; by default every registered one.
    **how
        As `howfar.adapt`.

    Raises
    ------
    HowfarError
        As `howfar.adapt`.
    """
    names = strategies or registry.names("strategies")
    return adapt(
        primary,
        secondaries,
        model,
        out=out,
        shots=shots,
        strategies=(*(name for name in names if name != RANDOM), RANDOM),
        seeds=seeds,
        random_seeds=random_seeds,
        pool=pool,
        **how,
    )
