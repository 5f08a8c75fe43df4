"""What gains of an adaptation study differ by: found where it was put in, and nothing where there is too little to tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from howfar.keywords import AdaptOptions
from howfar.settings import checked
from howfar.studies.adaptation.gains import ADAPTING, SOURCES, contributions_of

SITES, STRATEGIES = ("a", "b", "c", "d"), ("far", "near", "kcenter", "random")


def settings(strategies: tuple[str, ...] = STRATEGIES, seeds: int = 4) -> AdaptOptions:
    given: Any = {"strategies": strategies, "shots": (7,), "seeds": tuple(range(seeds))}
    return checked(AdaptOptions, given)


def images(deviations: dict[str, float], strategies: tuple[str, ...] = STRATEGIES, seeds: int = 4) -> pd.DataFrame:
    """Scores whose gains over M are 0.1, and differ by these deviations."""
    rng = np.random.default_rng(3)
    drawn: dict[tuple[str, ...], float] = {}
    rows = []
    for seed in range(seeds):
        for strategy in (None, *strategies):
            for site in SITES:
                level = {"dataset": site, "strategy": str(strategy), "seed": str(seed)}
                gain = 0.1 + rng.normal(0, 0.002)
                for name, deviation in deviations.items():
                    key = (name, *(level[column] for column in SOURCES[name]))
                    gain += drawn.setdefault(key, rng.normal(0, deviation))
                model = "M" if strategy is None else f"{strategy}-7"
                f = 0.4 if strategy is None else 0.4 + gain
                named = {"seed": seed, "model": model, "dataset": site}
                rows += [{**named, "image": f"{k}", "photograph": f"{k}", "f": f + 0.01 * k} for k in range(3)]
    return pd.DataFrame(rows)


@pytest.mark.parametrize("source", ["sites", "choosing", "training"])
def test_what_was_put_in_is_found(source: str) -> None:
    found = contributions_of(images({source: 0.05}), SITES, settings()).set_index("source")
    assert list(found.index) == [ADAPTING, *SOURCES, "rest"]
    assert found.loc[source, "low"] > 0.01
    assert all(found.loc[name, "low"] == 0 for name in SOURCES if name != source)
    assert found.loc[source, "value"] > 5 * found.loc["rest", "value"]
    assert found.loc[ADAPTING, "low"] < 0.1 < found.loc[ADAPTING, "high"]


@pytest.mark.parametrize("few", [{"strategies": ("random",)}, {"seeds": 1}])
def test_too_little_to_tell_has_no_row(few: dict[str, Any]) -> None:
    assert contributions_of(images({}, **few), SITES, settings(**few)).empty
    assert contributions_of(images({}), SITES[:1], settings()).empty
