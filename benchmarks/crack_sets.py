"""Measure how far crack datasets and photographs are from DeepCrack tiles in several settings, and the test's false alarms.

The images are research data and do not come with the project: --data names a folder that holds one folder a set.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from record import leave, parser

import howfar
from howfar.arrays import ArrayRows
from howfar.results import Comparison, Features

PRIMARY = "deepcrack_tiles"
CRACKS = ("aiglern_tiles", "gaps384_tiles", "cfd", "shadowcrack_tiles", "crack500_tiles")
OTHERS = ("voc2007", "bsds500")
SETTINGS: dict[str, dict[str, Any]] = {
    "whole sets": {},
    "200 images each, seed 0": {"limit": 200, "seed": 0},
    "200 images each, seed 1": {"limit": 200, "seed": 1},
    "200 images each, seed 2": {"limit": 200, "seed": 2},
    "whole sets, projection primary": {"projection": "primary"},
    "whole sets, projection joint": {"projection": "joint"},
    "whole sets, projection none": {"projection": "none"},
    "whole sets, 10 components": {"components": 10},
    "whole sets, 50 components": {"components": 50},
    "whole sets, 100 components": {"components": 100},
    "whole sets, 200 components": {"components": 200},
}


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--store", type=Path, help="keep features there between runs")
    options.add_argument("--seeds", type=int, default=20, help="random halves of the primary set")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        store = arguments.store or Path(scratch)
        results = {name: view(compare(arguments.data, store, **setting)) for name, setting in SETTINGS.items()}
        whole = howfar.embed(arguments.data / PRIMARY, store=store, progress=False)
    p_values = [halves(whole, seed) for seed in range(arguments.seeds)]
    below = sum(p < 0.05 for p in p_values)
    leave("crack_sets", {"settings": results, "halves": {"p_values": p_values, "below_0.05": below}}, arguments.json)


def compare(data: Path, store: Path, **setting: Any) -> Comparison:
    folders = [data / name for name in (*CRACKS, *OTHERS)]
    return howfar.compare(data / PRIMARY, folders, store=store, progress=False, **setting)


def view(found: Comparison) -> dict[str, Any]:
    relative = {d.name: d.relative or 0.0 for d in found.datasets}
    return {
        "datasets": {
            d.name: {
                "n": d.n,
                "o_dist_mean": d.o_dist_mean,
                "o_dist_scaled": d.o_dist_scaled,
                "relative": d.relative,
                "relative_ci": d.relative_ci,
                "energy": d.energy,
                "p_value": d.p_value,
                "explained_variance": d.explained_variance,
                **d.rivals,
            }
            for d in found.datasets
        },
        "baselines": {
            backbone: {b.dataset: b.relative for b in found.baselines if b.backbone == backbone}
            for backbone in sorted({b.backbone for b in found.baselines})
        },
        "every crack set nearer than every photograph set": max(relative[n] for n in CRACKS) < min(relative[n] for n in OTHERS),
    }


def halves(whole: Features, seed: int) -> float:
    """Test whether a random half of a dataset and its other half are one distribution, and return the p-value."""
    x = whole.to_array()
    order = np.random.default_rng(seed).permutation(len(x))
    p, s = (
        replace(
            whole,
            name=name,
            rows=ArrayRows(x[rows]),
            images=tuple(whole.images[i] for i in rows),
            paths=tuple(whole.paths[i] for i in rows),
            contents=tuple(whole.contents[i] for i in rows),
        )
        for name, rows in zip(("p", "s"), np.array_split(order, 2), strict=True)
    )
    p_value = howfar.compare(p, s, seed=seed, bootstrap=0).datasets[0].p_value
    return 1.0 if p_value is None else p_value


if __name__ == "__main__":
    main()
