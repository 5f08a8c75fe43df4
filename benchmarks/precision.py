"""Measure how much distances between crack images change where the backbone computes in bfloat16 instead of float32.

The images are research data and do not come with the project: --data names a folder that holds one folder a set. No times are
taken: what a type gains depends on the device.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from record import leave, parser

import howfar

PRIMARY = "deepcrack_tiles"
SECONDARIES = ("shadowcrack_tiles", "aiglern_tiles", "gaps384_tiles", "cfd", "crack500_tiles")


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--limit", type=int, default=100, help="images of each set")
    options.add_argument("--checkpoint", type=Path, help="a UNet++ that howfar trained, measured too")
    arguments = options.parse_args()
    backbones: dict[str, dict[str, Any]] = {"efficientnet_lite0": {}}
    if arguments.checkpoint:
        backbones["unetplusplus"] = {"weights": arguments.checkpoint}
    found = {}
    with tempfile.TemporaryDirectory() as store:
        for name, given in backbones.items():
            runs = {
                precision: howfar.compare(
                    arguments.data / PRIMARY,
                    [arguments.data / secondary for secondary in SECONDARIES],
                    name,
                    store=store,
                    baselines=False,
                    limit=arguments.limit,
                    bootstrap=200,
                    permutations=0,
                    precision=precision,
                    **given,
                )
                for precision in ("32", "bf16")
            }
            found[name] = differences(runs["32"], runs["bf16"])
    leave("precision", {"images of each set": arguments.limit, "backbones": found}, arguments.json)


def differences(exact: howfar.Comparison, rounded: howfar.Comparison) -> dict[str, Any]:
    """Compare I^dist (relative difference), `relative` (difference) and the order of a dataset's images."""
    both = exact.images.merge(rounded.images, on=["dataset", "image"], suffixes=("", "_rounded"))
    moved = np.abs(both["i_dist_mean_rounded"] / both["i_dist_mean"] - 1)
    pairs = list(zip(exact.datasets, rounded.datasets, strict=True))
    widths = [one.relative_ci[1] - one.relative_ci[0] for one, _ in pairs if one.relative_ci]
    return {
        "I^dist, relative difference": {"median": float(moved.median()), "highest": float(moved.max())},
        "relative, highest difference": max(abs(one.relative - other.relative) for one, other in pairs),
        "relative, narrowest 95 % interval": min(widths),
        "lowest Spearman of I^dist within a set": min(
            float(images["i_dist_mean"].corr(images["i_dist_mean_rounded"], method="spearman"))
            for _, images in both.groupby("dataset")
        ),
        "same order of the sets": order(exact).equals(order(rounded)),
    }


def order(run: howfar.Comparison) -> pd.Index:
    """List the datasets from the nearest to the farthest."""
    return run.to_frame().sort_values("relative")["name"].reset_index(drop=True)


if __name__ == "__main__":
    main()
