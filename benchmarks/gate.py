"""Measure the gate's own errors: labelled datasets that it stops, and datasets whose estimates miss that it lets pass.

P is 300 DeepCrack tiles, drawn by photograph. Each labelled crack dataset is left out in turn and judged by the others;
pictures without cracks, eye photographs, faces, and harmed copies of labelled datasets (mirrored mosaics of small copies,
enlarged middles, blur, noise, inverted and dark images) are judged by all of them. What an estimate misses by is that of
`signals`, fitted on the datasets that judge. The checks are measured one by one and together, by several backbones, for
several margins, rules and numbers of labelled datasets; then the released gate is used on another field, vessels in eye
photographs, unchanged.

The images are research data and do not come with the project: --data names a folder that holds one folder a set, --trained one
with models/NAME.safetensors and maps/NAME/SET, as trained_performance.py leaves it, --vessels likewise for P = DRIVE.
Missing maps are made in --out. The vessels' model of the committed record is `howfar.train` of DRIVE's NN_training images with
size=224, epochs=30, batch=4, holdout=0.25, precision="bf16" and seed=0.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from gate_readings import Trained, distances, seen
from gate_rules import (
    LABELLED,
    OTHERS,
    RULES,
    Model,
    beyond,
    by_count,
    by_rule,
    estimates,
    judges_of,
    released,
    without_foreign,
)
from gate_sets import HARMS, harmed, labelled, some, stopped
from gate_vessels import vessels
from record import leave, parser
from scipy import stats

import howfar
from adaptation import PRIMARY
from howfar.relation.gate import values_by_set
from howfar.relation.labelled_images import AGREEMENTS, CONFIDENCES

BACKBONES = ("efficientnet_lite0", "pixels", "colour_moments")
SIGNALS = (*CONFIDENCES, AGREEMENTS[0])
MAPS = ("share", "scale", "size")
TILED_IMAGES = 20
PARTS = (
    *((name,) for name in ("distance", "knn", "residual", *MAPS)),
    ("distance", "knn", *MAPS),
    ("distance", "residual", "share", "scale"),
)
"""Checks of which the gate is made, beside all."""
TOGETHER = ("efficientnet_lite0: pair i_dist", "efficientnet_lite0: residual", "share", "scale")


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--trained", type=Path, required=True, help="folder of trained models and their maps")
    options.add_argument("--vessels", type=Path, help="folder of models trained on DRIVE and their maps")
    options.add_argument("--out", type=Path, required=True, help="folder of features, further maps and tables")
    options.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2))
    options.add_argument("--own", type=int, nargs="*", default=(0,), help="seeds whose own features are a backbone too")
    arguments = options.parse_args()
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    p, known = labelled(arguments.data)
    sets = [*known, *stopped(arguments.data), *harmed(known, out / "harmed")]
    far = {name: kept(out / f"distances-{name}.parquet", distances, p, sets, name, out / "store") for name in BACKBONES}
    models, tiled = [], []
    for seed in arguments.seeds:
        trained = of_seed(arguments.trained, out, seed)
        images = kept(out / f"seen-{trained.known.name}.parquet", every, p, sets, trained)
        own = {}
        if seed in arguments.own:
            file = out / f"distances-{trained.known.name}.parquet"
            store = out / f"store-{seed}"
            own["own features"] = kept(file, distances, p, sets, "unetplusplus", store, trained.checkpoint)
        models.append(modelled(seed, images, {**far, **own}))
        if seed == arguments.seeds[0]:
            tiled = kept(out / f"tiles-{trained.known.name}.parquet", by_tiles, p, sets[: len(known) + 6], trained)
    own_models = [model for model in models if "own features" in model.released]
    shared = [name for name in models[0].values if all(name in model.values for model in models)]
    found = {
        "datasets": {f"seed {model.seed}": rows(model) for model in models},
        "checks": [
            *(by_rule(name, models) for name in shared),
            *(by_rule(name, own_models) for name in own_models[0].values if name not in shared),
            *(by_rule(name, models, two=True) for name in MAPS),
        ],
        "gate": [
            *(released(name, models) for name in BACKBONES),
            released("own features", own_models),
            *(released("efficientnet_lite0", models, checks) for checks in PARTS),
        ],
        "rules": [by_count(TOGETHER, models, rule) for rule in RULES],
        "no foreign labels": [
            without_foreign(models, harms) for harms in ((), ("mosaic",), ("mosaic", "blur", "noise"), HARMS)
        ],
        "beyond": widening(models),
        "tiles": agreement(tiled),
        "vessels": None if arguments.vessels is None else vessels(arguments.data, arguments.vessels, out),
    }
    leave("gate", found, arguments.json)


def of_seed(folder: Path, out: Path, seed: int) -> Trained:
    name = f"unetplusplus-{seed}"
    return Trained(folder / "models" / f"{name}.safetensors", folder / "maps" / name, out / "maps" / name)


def kept(file: Path, make: Callable[..., pd.DataFrame], *arguments: Any) -> pd.DataFrame:
    """Read a table that an earlier run made, or make it."""
    if not file.is_file():
        make(*arguments).to_parquet(file)
    return pd.read_parquet(file)


def every(p: howfar.Dataset, sets: Sequence[howfar.Dataset], trained: Trained) -> pd.DataFrame:
    """Read a model's maps of all datasets, P's held-out images first."""
    return pd.concat([seen(one, trained) for one in (trained.unseen(p), *sets)], ignore_index=True)


def by_tiles(p: howfar.Dataset, sets: Sequence[howfar.Dataset], trained: Trained) -> pd.DataFrame:
    """Read a model's maps of whole images and of tiles of some images of each dataset."""
    few = [some(one, TILED_IMAGES) for one in (trained.unseen(p), *sets)]
    return pd.concat([seen(one, trained, tiles=True) for one in few], ignore_index=True)


def modelled(seed: int, images: pd.DataFrame, far: Mapping[str, pd.DataFrame]) -> Model:
    """Collect every check's value of every dataset."""
    of_maps = values_by_set(
        {name: images[name] for name in ("predicted_foreground", "foreground_width", "pixels")}, images["dataset"]
    )
    values: dict[str, dict[str, float]] = {check: {one: of_maps[one][check] or 0.0 for one in of_maps} for check in MAPS}
    read = {}
    for backbone, table in far.items():
        for column, each in table.drop(columns="image").groupby("dataset").mean().items():
            values[f"{backbone}: {column}"] = each.to_dict()
        columns = {"i_dist": table["pair i_dist"], "knn": table["pair knn"], "residual": table["residual"]}
        found = values_by_set(columns, table["dataset"])
        checks = ("distance", "knn", "residual")
        read[backbone] = {one: {**of_maps[one], **{check: found[one][check] for check in checks}} for one in of_maps}
    return Model(seed, images, values, read, *estimates(images, SIGNALS))


def rows(model: Model) -> list[dict[str, Any]]:
    """List every dataset: its F, estimate, values, and which checks of the gate stop it, by backbone."""
    return [
        {
            "dataset": site,
            "F": model.true[site],
            "estimate": model.estimate[site],
            "values": model.released["efficientnet_lite0"][site],
            "outside": {backbone: model.gate(backbone, site, judges_of(site)[0]) for backbone in model.released},
        }
        for site in (PRIMARY, *LABELLED, *OTHERS)
    ]


def widening(models: Sequence[Model]) -> dict[str, Any]:
    """Relate what an estimate misses by to how far beyond the limits its dataset lies."""
    table = pd.DataFrame([row for model in models for row in beyond("efficientnet_lite0", model)])
    checks = [name for name in table if name not in ("seed", "dataset", "error")]
    parts = pd.cut(table["most"], [0, 0.8, 1, 1.25, 1.5, 2, 4, np.inf])
    return {
        "rows": json.loads(table.round(4).to_json(orient="records")),
        "spearman of the error with the ratio": {
            name: {
                "all": correlated(table, name),
                "outside": correlated(table[table[name] > 1], name),
            }
            for name in checks
        },
        "error by the largest ratio": [
            {
                "ratio": str(part),
                "n": len(errors),
                **{f"{share:g}": float(np.quantile(errors, share)) for share in (0.1, 0.5, 0.9)},
            }
            for part, errors in table.groupby(parts, observed=True)["error"]
        ],
    }


def correlated(table: pd.DataFrame, name: str) -> float | None:
    known = table[table[name].notna()]
    return float(stats.spearmanr(known[name], known["error"]).statistic) if len(known) > 3 else None


def agreement(tiled: pd.DataFrame) -> list[dict[str, Any]]:
    """Compare whole images with their tiles."""
    return [
        {
            "dataset": name,
            "n": len(images),
            "dice": float(images["tile_agreement"].mean()),
            "F whole": float(images["performance"].mean()),
            "F by tiles": float(images["tiled_performance"].mean()),
            "width whole": float(images["foreground_width"].mean()),
            "width by tiles": float(images["tiled_width"].mean()),
        }
        for name, images in tiled.groupby("dataset", sort=False)
    ]


if __name__ == "__main__":
    main()
