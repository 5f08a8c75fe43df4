"""Run howfar's own method: the estimate and the gate of `howfar assess`, and the interval of `howfar certify`."""

from typing import Any, Final

import numpy as np
import pandas as pd

from howfar.arrays import Float64Array
from howfar.relation import gate as gates
from howfar.relation.calibrated_estimator import KnownFits
from howfar.relation.labelled_images import LabelledImages
from howfar.relation.site_judge import Evidence, Terms, judge_of
from howfar.sampling import draw, mean
from howfar.studies.bench.run_methods import Ask, columns_of

TERMS: Final = Terms(tau=0.5, level=0.9, error_rate=0.2)
KNOWN: Final = KnownFits()


def evidence(labelled: pd.DataFrame) -> Evidence:
    """Collect the labelled images as an assessment does."""

    def images(rows: pd.DataFrame) -> LabelledImages:
        photographs = (rows["dataset"] + "/" + rows["image"]).to_numpy(dtype=str)
        return LabelledImages(
            columns_of(rows), rows["performance"].to_numpy(), rows["dataset"].to_numpy(dtype=str), photographs
        )

    of_home = labelled["role"] == "home"
    own, others = images(labelled[of_home]), images(labelled[~of_home])
    return Evidence.of(others, own if len(own.sets) else None, str(own.sets[0]) if len(own.sets) else "")


def estimator(labelled: pd.DataFrame, site: pd.DataFrame) -> dict[str, Any] | None:
    """Judge the site by the labels of the others."""
    judge = judge_of(evidence(labelled), TERMS, "performance", None, known=KNOWN, rivals=False)
    said = judge.site("site", columns_of(site))
    if said.estimate is None:
        return None
    ends = {} if np.isnan(said.low).any() else {"images_low": said.low, "images_high": said.high}
    whole = {"mean": said.estimate.predicted, "low": said.estimate.low, "high": said.estimate.high}
    return {"images": said.predicted, **whole, **ends}


def gate(labelled: pd.DataFrame, site: pd.DataFrame) -> bool:
    """Say whether the site lies in the range of the labelled ones."""
    return evidence(labelled).gate().read("site", gates.values_of(columns_of(site))).inside is not False


def certificate(proxy: Float64Array, k: int, ask: Ask, seed: int) -> tuple[float, float, float]:
    """Draw k images in strata of the predicted performance."""
    sample = draw(proxy, k, seed=seed)
    found = mean(ask(sample.indices), proxy, sample)
    return found.value, found.low, found.high
