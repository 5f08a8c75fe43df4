"""Run the bake-off: does any way of choosing a few images beat drawing them at random?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

from howfar import registry
from howfar.data import DatasetArgument
from howfar.keywords import BakeoffOptions
from howfar.results.adaptation import Adaptation
from howfar.settings import checked, with_options
from howfar.studies.adaptation.adapt import adapt
from howfar.studies.adaptation.settings import RANDOM


@with_options(BakeoffOptions)
def bakeoff(
    primary: DatasetArgument,
    secondaries: Sequence[DatasetArgument],
    model: str = "unetplusplus",
    *,
    out: str | Path,
    background: DatasetArgument | None = None,
    blind: Sequence[DatasetArgument] = (),
    **options: Unpack[BakeoffOptions],
) -> Adaptation:
    """Adapt with images that every strategy chose, and say whether any beats random (`Adaptation.verdict`).

    Random is always in it. Half of each secondary's photographs is chosen from and all models are scored on the other half,
    so that no strategy is judged on other images than another.

    Parameters
    ----------
    primary, secondaries, model, background, blind
        The datasets and the segmenter, as `howfar.adapt` takes them.
    out
        Folder of the study; one that `howfar.adapt` wrote with the same settings of training is gone on with.

    Raises
    ------
    HowfarError
        As `howfar.adapt`.
    """
    given = checked(BakeoffOptions, options)
    names = given["strategies"] or registry.names("strategies")
    given["strategies"] = (*(name for name in names if name != RANDOM), RANDOM)
    return adapt(primary, secondaries, model, out=out, background=background, blind=blind, **given)
