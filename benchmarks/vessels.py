"""Estimate a vessel segmenter's F on photographs of another hospital, by the commands and settings that were made on cracks.

P are DRIVE's training photographs, of which a quarter is held out by person; DRIVE's test photographs are P's kind. The
foreign sets are HRF's photographs of healthy persons, of diabetic retinopathy and of glaucoma, predicted whole and by tiles.
Each is left out in turn, as benchmarks/answer.py does it for cracks, and the gate sets it against the others.

The images are research data: --data names a folder that holds drive and hrf. Models and maps are kept in --out: run the same
command again after a kill.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from answer import DISTANCES, HOME, KEPT, judged
from record import leave, parser

import howfar
from howfar.data import content_hash
from howfar.pipeline.prediction import load_model
from howfar.relation.gate import fit, values_by_set

GROUPS = ("h", "dr", "g")
PIXELS = "pixels"


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--out", type=Path, required=True, help="folder of models, maps and features")
    options.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2))
    options.add_argument("--size", type=int, default=448)
    options.add_argument("--epochs", type=int, default=40)
    options.add_argument("--precision", default="32", help="of training and predicting: 32 or bf16")
    arguments = options.parse_args()
    p, rest, foreign = sets(arguments.data)
    run = howfar.compare(
        p, foreign, store=arguments.out / "store", bootstrap=0, permutations=0, rivals=False, baselines=False, progress=False
    )
    found = {}
    for seed in arguments.seeds:
        file = arguments.out / "models" / f"unetplusplus-{seed}.safetensors"
        if not file.is_file():
            how = {"size": arguments.size, "epochs": arguments.epochs, "batch": 4, "holdout": 0.25}
            howfar.train(p, "unetplusplus", file, seed=seed, precision=arguments.precision, **how)
        for tiled in (False, True):
            rows = predicted(file, p, [rest, *foreign], tiled, arguments)
            found[f"unetplusplus-{seed}, {'tiles' if tiled else 'whole'}"] = answered(run, rows)
    leave("vessels", found, arguments.json)


def sets(data: Path) -> tuple[howfar.Dataset, howfar.Dataset, list[howfar.Dataset]]:
    """List DRIVE's training photographs, its test photographs, and HRF's by the state of the eyes."""
    drive, hrf = (howfar.Dataset.from_folder(data / name) for name in ("drive", "hrf"))

    def ending(whole: howfar.Dataset, end: str, name: str) -> howfar.Dataset:
        return replace(whole, name=name, items=tuple(item for item in whole.items if item.path.stem.endswith(f"_{end}")))

    foreign = [ending(hrf, group, f"hrf_{group}") for group in GROUPS]
    return ending(drive, "training", "drive"), ending(drive, "test", "drive_rest"), foreign


def predicted(
    file: Path, p: howfar.Dataset, others: list[howfar.Dataset], tiled: bool, arguments: Any
) -> list[howfar.Evaluation]:
    """Predict and score P's held-out photographs and the others, at the threshold that is tuned on the former."""
    checkpoint = howfar.Checkpoint.load(file)
    held = set(checkpoint.card.data["held_out"])
    unseen = replace(p, items=tuple(item for item in p.items if content_hash(item.path.read_bytes()) in held))
    model = load_model(checkpoint, precision=arguments.precision, tiled=tiled)
    folder = arguments.out / "maps" / f"{file.stem}{'-tiled' * tiled}"
    for one in (unseen, *others):
        for flipped in (False, True):
            howfar.predict(model, one, folder / f"{one.name}{'-flipped' * flipped}", flipped=flipped, progress=False)
    evaluations: list[howfar.Evaluation] = []
    for one in (unseen, *others):
        tuned = {"tuned_on": evaluations[0]} if evaluations else {}
        maps = folder / one.name
        evaluations.append(howfar.evaluate(one, maps, flipped=f"{maps}-flipped", progress=False, **tuned))
    return evaluations


def answered(run: howfar.Comparison, evaluations: list[howfar.Evaluation]) -> dict[str, Any]:
    """Judge the estimators, and set each set against the others by the gate."""
    own = {one.name: one.self_distance or 1.0 for one in run.datasets}
    distances = run.images[["dataset", "image", *DISTANCES]].assign(
        i_dist=run.images["i_dist_mean"] / run.images["dataset"].map(own),
        knn=run.images["knn"] / run.images["dataset"].map(own),
    )
    rows = pd.concat([one.images for one in evaluations], ignore_index=True).merge(
        distances, on=["dataset", "image"], how="left"
    )
    rows["dataset"] = rows["dataset"].where(~rows["dataset"].isin(["drive", "drive_rest"]), HOME)
    kept = [name for name in (*KEPT, PIXELS) if name in rows]
    values = values_by_set({name: rows[name].to_numpy(dtype=float) for name in kept[3:]}, rows["dataset"].to_numpy(dtype=str))
    values[HOME] |= {"distance": 1.0, "residual": 1.0}
    known = fit(values)
    gates = {name: known.without(name).read(name, read) for name, read in values.items() if name != HOME}
    alone = fit({HOME: values[HOME]})
    return {
        "measured": rows.groupby("dataset", sort=False)["performance"].mean().to_dict(),
        **judged(rows[rows["performance"].notna()]),
        "outside, by the others": {name: [reading.check for reading in gate.outside] for name, gate in gates.items()},
        "outside, by P alone": {name: [reading.check for reading in alone.read(name, values[name]).outside] for name in gates},
    }


if __name__ == "__main__":
    main()
