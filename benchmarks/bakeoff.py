"""Compare every strategy of choosing seven images to label with a random choice, by adapting a model to four crack datasets.

P, datasets, halves and settings are those of adaptation.py. In the folder of its study M and the models of `far` and `random`
are used again. Every strategy has as many seeds as --seeds, random some more. The study resumes: run the same command
again after a kill. Where `foreground_random` is among the strategies, all are compared with it too.

The images are research data and do not come with the project: --data names a folder that holds one folder a set. CFD's image
042 carries another image's ground truth and is left out.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from record import leave, parser

import howfar
from adaptation import SECONDARIES, dataset, primary, view
from howfar.studies.adaptation.adaptation_tables import LEVEL, half_width, paired, pooled, spread

RIVAL = "foreground_random"
DRAWS = 2_000


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--out", type=Path, required=True, help="folder of the study, gone on with when it is there")
    options.add_argument("--model", default="unetplusplus")
    options.add_argument("--images", type=int, default=300, help="of P")
    options.add_argument("--size", type=int, default=160)
    options.add_argument("--epochs", type=int, default=8)
    options.add_argument("--precision", default="32", help="32 or bf16")
    options.add_argument("--shots", type=int, default=7)
    options.add_argument("--way", default="retrain", help="of adapting, such as finetune+norm")
    options.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2))
    options.add_argument("--random-seeds", type=int, nargs="*", default=(3, 4))
    options.add_argument("--strategies", nargs="+", default=(), help="beside random; by default all")
    arguments = options.parse_args()
    found = howfar.bakeoff(
        primary(arguments.data, arguments.images),
        [dataset(name, arguments.data) for name in SECONDARIES],
        arguments.model,
        out=arguments.out,
        shots=(arguments.shots,),
        way=arguments.way,
        strategies=arguments.strategies,
        seeds=arguments.seeds,
        random_seeds=arguments.random_seeds,
        size=arguments.size,
        epochs=arguments.epochs,
        precision=arguments.precision,
    )
    print(found)
    leave("bakeoff", {**view(found), f"over {RIVAL}": over_rival(found)}, arguments.json)


def over_rival(found: howfar.Adaptation) -> list[dict[str, Any]]:
    """Set every strategy against random choice among images with predicted foreground, by the rule of all studies."""
    scored = found.images[found.images["f"].notna()]
    names = [str(model) for model in dict.fromkeys(scored["model"]) if "-" in str(model)]
    rivals = {name: f"{RIVAL}-{name.rsplit('-', 1)[1]}" for name in names}
    tried = {name: rival for name, rival in rivals.items() if rival in names and rival != name}
    spreads = [
        spread(paired(scored, name, rival), DRAWS, np.random.default_rng(zlib.crc32(name.encode())))
        for name, rival in tried.items()
    ]
    rows = []
    for name, compared in zip(tried, pooled(spreads), strict=True):
        assert compared is not None
        mean, half = compared[0], half_width(compared[1], LEVEL)
        rows.append({"model": name, "gain": round(mean, 4), "low": round(mean - half, 4), "high": round(mean + half, 4)})
    return rows


if __name__ == "__main__":
    main()
