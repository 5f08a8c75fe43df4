"""Use the gate, with no value changed, on vessels in eye photographs: P = DRIVE, and HRF whole, by tiles, and by group."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from gate_readings import TILED, Trained, distances, seen

import howfar
from howfar.relation.gate import fit, values_by_set
from howfar.relation.labelled_images import AGREEMENTS, CONFIDENCES
from howfar.relation.performance_estimators import SIGNALS

OWN, REST, GROUPS = "drive", "drive_rest", ("dr", "g", "h")
NAMES = (*CONFIDENCES, AGREEMENTS[0])


def vessels(data: Path, folder: Path, out: Path) -> dict[str, Any]:
    """Read every group of HRF, whole and by tiles, against DRIVE, and against DRIVE and the other groups; and all distances."""
    drive, hrf = (howfar.Dataset.from_folder(data / name) for name in ("drive", "hrf"))
    p = part(drive, "training")
    sets = [part(drive, "test", REST), *(part(hrf, f"_{group}", f"hrf {group}") for group in GROUPS)]
    far = distances(p, sets, "efficientnet_lite0", out / "store")
    found = []
    for checkpoint in sorted((folder / "models").glob("*.safetensors")):
        maps = folder / "maps" / checkpoint.stem
        trained = Trained(checkpoint, maps, out / "vessels" / checkpoint.stem)
        tables = [seen(trained.unseen(p), trained)]
        for one in sets:
            for kind in ("", TILED):
                # The maps lie in one folder for all groups of HRF.
                whole = replace(one, name=one.name if one.name == REST else "hrf")
                tables.append(seen(whole, trained, kind).assign(dataset=f"{one.name}{kind}"))
        found += judged(checkpoint.stem, pd.concat(tables, ignore_index=True), far)
    means = far.drop(columns="image").groupby("dataset").mean().round(4)
    return {"distances": json.loads(means.to_json(orient="index")), "gate": found}


def part(whole: howfar.Dataset, ending: str, name: str | None = None) -> howfar.Dataset:
    """List the images whose names end so."""
    return replace(whole, name=name or whole.name, items=tuple(i for i in whole.items if Path(i.name).stem.endswith(ending)))


def judged(model: str, images: pd.DataFrame, far: pd.DataFrame) -> list[dict[str, Any]]:
    """Read each dataset by several labelled ones."""
    columns = {name: images[name] for name in ("predicted_foreground", "foreground_width", "pixels")}
    values = values_by_set(columns, images["dataset"])
    near = values_by_set({"i_dist": far["pair i_dist"], "knn": far["pair knn"], "residual": far["residual"]}, far["dataset"])
    for name in values:
        values[name] |= {check: near[name.removesuffix(TILED)][check] for check in ("distance", "knn", "residual")}
    found = []
    for kind in ("", TILED):
        for group in GROUPS:
            site, others = f"hrf {group}{kind}", [f"hrf {one}{kind}" for one in GROUPS if one != group]
            for judges in ([OWN, REST], [OWN, REST, *others]):
                estimate, true = estimated(images, judges, site)
                gate = fit({one: values[one] for one in judges}).read(site, values[site], tiled=bool(kind))
                found.append(
                    {
                        "model": model,
                        "dataset": site,
                        "labelled": ", ".join(judges),
                        "F": true,
                        "estimate": estimate,
                        "outside": [reading.check for reading in gate.outside],
                        "values": values[site],
                    }
                )
    return found


def estimated(images: pd.DataFrame, judges: list[str], site: str) -> tuple[float, float]:
    """Estimate a dataset's mean F by `signals` fitted on the others; and measure it."""
    learnt, here = images[images["dataset"].isin(judges)], images[images["dataset"] == site]
    names = {name: learnt[name].to_numpy(float) for name in NAMES}
    fitted = SIGNALS.fit(names, learnt["performance"].to_numpy(float), learnt["dataset"].to_numpy(str))
    each = fitted.predict({name: here[name].to_numpy(float) for name in NAMES})
    return float(np.mean(np.clip(each, 0, 1))), float(here["performance"].mean())
