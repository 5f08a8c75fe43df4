"""Measure how much labelling 1, 3 or 7 images of each crack dataset improves a UNet++, by the strategies `far` and `random`.

The images are research data and do not come with the project: --data names a folder that holds one folder a set. P is 300 of
the DeepCrack tiles, drawn by photograph. Half of each secondary's photographs may be chosen from, the models are scored on
the other half. The study resumes: run the same command again after a kill. CFD's image 042 carries another image's ground truth
and is left out.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from record import leave, parser

import howfar
from howfar.data.image_groups_and_variations import guess_photographs

PRIMARY = "deepcrack_tiles"
SECONDARIES = ("aiglern_tiles", "gaps384_tiles", "cfd", "crack500_tiles")
WRONG = {"cfd": ("042",)}


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--out", type=Path, required=True, help="folder of the study, gone on with when it is there")
    options.add_argument("--model", default="unetplusplus")
    options.add_argument("--images", type=int, default=300, help="of P")
    options.add_argument("--size", type=int, default=160)
    options.add_argument("--epochs", type=int, default=8)
    options.add_argument("--precision", default="32", help="32 or bf16")
    options.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2))
    options.add_argument("--shots", type=int, nargs="+", default=(1, 3, 7))
    options.add_argument("--strategies", nargs="+", default=("far", "random"))
    arguments = options.parse_args()
    found = howfar.adapt(
        primary(arguments.data, arguments.images),
        [dataset(name, arguments.data) for name in SECONDARIES],
        arguments.model,
        out=arguments.out,
        shots=arguments.shots,
        strategies=arguments.strategies,
        seeds=arguments.seeds,
        pool_share=0.5,
        size=arguments.size,
        epochs=arguments.epochs,
        precision=arguments.precision,
    )
    print(found)
    leave("adaptation", view(found), arguments.json)


def dataset(name: str, data: Path) -> howfar.Dataset:
    """List a dataset's images without those that carry another image's ground truth."""
    whole = howfar.Dataset.from_folder(data / name)
    return replace(whole, items=tuple(item for item in whole.items if item.path.stem not in WRONG.get(name, ())))


def primary(data: Path, count: int) -> howfar.Dataset:
    """Take the first `count` tiles of DeepCrack, with its photographs in a random order."""
    whole = dataset(PRIMARY, data)
    photographs = guess_photographs([item.name for item in whole.items], None)
    names = sorted(set(photographs))
    place = dict(zip(names, np.random.default_rng(0).permutation(len(names)).tolist(), strict=True))
    order = sorted(range(len(whole.items)), key=lambda at: (place[photographs[at]], at))[:count]
    return replace(whole, items=tuple(whole.items[at] for at in sorted(order)))


def view(found: howfar.Adaptation) -> dict[str, Any]:
    """Summarise the study, without its rows of images and the hashes of chosen images."""
    document = found.to_dict()
    ods = found.scores.groupby(["model", "dataset"])[["ods", "mean_f"]].agg(["mean", "min", "max"])
    ods.columns = pd.Index(["_".join(column) for column in ods.columns])
    table = json.loads(ods.reset_index().to_json(orient="records", double_precision=6))
    return {
        **{name: document[name] for name in ("settings", "models", "scores", "gains", "verdict", "notes")},
        "over seeds": table,
    }


if __name__ == "__main__":
    main()
