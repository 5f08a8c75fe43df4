"""Relate the performance of UNet++ and DeepCrack, trained on DeepCrack tiles, on crack datasets to distance, over seeds.

Each model is trained on the same 300 tiles, drawn by photograph, and predicts the other crack sets and the tiles of P's other
photographs. Distances are in its own encoder's maps; F is taken at the threshold tuned on P's held-out photographs and, as in
an earlier trial, at 0.5. Every estimator is judged by leaving one dataset out, and so are three
estimators of that trial; every signal is ranked against F within each set; every trend gets its verdict.

The images are research data and do not come with the project: --data names a folder that holds one folder a set. Models, maps
and features are kept in --out: run the same command again after a kill. CFD's image 042 carries another image's ground truth
and is left out.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from crack_performance import DISTANCES, LABEL_FREE, PHOTO_OF_TILE, view
from record import leave, parser

import howfar
from adaptation import PRIMARY, dataset, primary
from howfar.data import content_hash
from howfar.pipeline.prediction import load_model
from howfar.relation.leave_one_dataset_out import judge
from howfar.relation.performance_by_distance import PerformancePoints
from howfar.relation.performance_estimators import RegisteredEstimator, TaskColumns
from howfar.relation.regressors import line, ridge
from howfar.relation.trend import trend
from howfar.report.comparison_report import write_report
from howfar.results import Comparison, Evaluation, Judgement, Relation

SECONDARIES = ("shadowcrack_tiles", "aiglern_tiles", "gaps384_tiles", "cfd", "crack500_tiles")
REST = "deepcrack_rest"
FOUR = ("flip_agreement", "foreground_confidence", "predicted_foreground", "average_confidence")
# What the trial had and howfar has not, judged in the same way.
TRIED = (
    RegisteredEstimator("predicted_foreground", "confidence", "", (TaskColumns(("predicted_foreground",), line),)),
    RegisteredEstimator("flip and foreground confidence", "combined", "", (TaskColumns(FOUR[:2], ridge),)),
    RegisteredEstimator("the trial's four", "combined", "", (TaskColumns(FOUR, ridge),)),
    RegisteredEstimator(
        "the trial's four and distances", "combined", "", (TaskColumns(("i_dist", "knn", "mahalanobis", *FOUR), ridge),)
    ),
)
JUDGED = ("mae_set", "mae_image", "coverage", "auroc_within")
DRAWS = 1000


class Study(NamedTuple):
    """Hold one trained model and what it predicts."""

    model: str
    seed: int
    out: Path
    precision: str

    @property
    def checkpoint(self) -> Path:
        """Its weights."""
        return self.out / "models" / f"{self.model}-{self.seed}.safetensors"

    @property
    def maps(self) -> Path:
        """Folder of its probability maps."""
        return self.out / "maps" / f"{self.model}-{self.seed}"

    @property
    def run(self) -> Path:
        """Its run folder."""
        return self.out / "runs" / f"{self.model}-{self.seed}"


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--out", type=Path, required=True, help="folder of models, maps, features and run folders")
    options.add_argument("--models", nargs="+", default=("unetplusplus", "deepcrack"))
    options.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2))
    options.add_argument("--images", type=int, default=300, help="of P")
    options.add_argument("--size", type=int, default=160)
    options.add_argument("--epochs", nargs="+", default=(), metavar="MODEL=EPOCHS", help="by default 8 and 12")
    options.add_argument("--precision", default="32", help="of training: 32 or bf16")
    options.add_argument("--map-precision", default="32", help="of predicting: 32, bf16 or fp16")
    arguments = options.parse_args()
    epochs = {"unetplusplus": 8, "deepcrack": 12} | {k: int(v) for k, _, v in (one.partition("=") for one in arguments.epochs)}
    p = primary(arguments.data, arguments.images)
    studies = [
        Study(model, seed, arguments.out, arguments.map_precision) for model in arguments.models for seed in arguments.seeds
    ]
    sets = [rest(p, arguments.data), *(dataset(name, arguments.data) for name in SECONDARIES)]
    for study in studies:
        if not study.checkpoint.is_file():
            how = {"seed": study.seed, "size": arguments.size, "epochs": epochs[study.model], "precision": arguments.precision}
            howfar.train(p, study.model, study.checkpoint, **how)
    found = [measured(study, p, sets) for study in studies]
    leave(
        "trained_performance",
        {"precision of maps": arguments.map_precision, "models": found, "over seeds": over_seeds(found)},
        arguments.json,
    )


def rest(p: howfar.Dataset, data: Path) -> howfar.Dataset:
    """List the images of P's dataset without P's photographs: unseen images of the same kind."""
    whole = howfar.Dataset.from_folder(data / PRIMARY)
    known = {photograph(item.name) for item in p.items}
    return replace(whole, name=REST, items=tuple(item for item in whole.items if photograph(item.name) not in known))


def photograph(name: str) -> str:
    return Path(name).stem.rpartition("-")[0]


def measured(study: Study, p: howfar.Dataset, sets: list[howfar.Dataset]) -> dict[str, Any]:
    """Measure one model's distances, predict its maps, and relate them at two thresholds."""
    checkpoint = howfar.Checkpoint.load(study.checkpoint)
    check(checkpoint, study, p, sets)
    run = howfar.compare(p, sets, study.model, weights=study.checkpoint, store=study.out / "store", progress=False)
    held = set(checkpoint.card.data["held_out"])
    unseen = replace(p, items=tuple(item for item in p.items if content_hash(item.path.read_bytes()) in held))
    model = load_model(checkpoint, precision=study.precision)
    for one in (unseen, *sets):
        for flipped in (False, True):
            howfar.predict(model, one, study.maps / f"{one.name}{'-flipped' * flipped}", flipped=flipped, progress=False)
    own = evaluated(study, unseen)
    plain = howfar.predict(checkpoint, unseen, study.out / "maps" / f"{study.maps.name}-32", progress=False).folder
    tuned, half = ({"tuned_on": own}, {"threshold": 0.5})
    return {
        "model": study.model,
        "seed": study.seed,
        "weights": checkpoint.card.weights,
        "history": list(checkpoint.card.history),
        "held out": {"n": own.n, **dict(own.scores)},
        "held out, maps in float32": dict(howfar.evaluate(unseen, plain, progress=False).scores),
        "q": run.backbone.length,
        "relative": {one.name: one.relative for one in run.datasets},
        "tuned": related(study, run, [own, *(evaluated(study, one, **tuned) for one in sets)], None),
        "at 0.5": related(study, run, [evaluated(study, one, **half) for one in sets], 0.5),
    }


def check(checkpoint: howfar.Checkpoint, study: Study, p: howfar.Dataset, sets: list[howfar.Dataset]) -> None:
    """Stop where an existing checkpoint was trained on other images than P's, or on one that is to be scored."""
    known = {*checkpoint.card.data["contents"], *checkpoint.card.data["held_out"]}
    if known != {content_hash(item.path.read_bytes()) for item in p.items}:
        raise SystemExit(f"{study.checkpoint} was trained on other images than these: name another --out")
    if any(content_hash(item.path.read_bytes()) in known for one in sets for item in one.items):
        raise SystemExit(f"{study.checkpoint} was trained on an image that is to be scored")


def evaluated(study: Study, one: howfar.Dataset, **cut: Any) -> Evaluation:
    maps = study.maps / one.name
    return howfar.evaluate(one, maps, flipped=study.maps / f"{one.name}-flipped", progress=False, **cut)


def related(study: Study, run: Comparison, performances: list[Evaluation], threshold: float | None) -> dict[str, Any]:
    """Compute the relation at one threshold, the trial's estimators and rank correlations; keep the first run folder."""
    relation = howfar.relate(run, performances, threshold=threshold, group=PHOTO_OF_TILE)
    if threshold is None:
        run.save(study.run)
        relation.save(study.run)
        write_report(run, study.run, relation)
    known = images(run, relation, [one for one in performances if one.dataset != run.primary.name])
    judged, _ = judge(
        TRIED, known, known["performance"], known["dataset"], tau=relation.settings.tau, groups=known["group"]
    )  # fmt: skip
    return {
        **slim(view(relation)),
        "tried": [vars(one) for one in judged[1:]],
        "within": {str(name): ranked(rows) for name, rows in known.groupby("dataset", sort=False)},
    }


def slim(said: dict[str, Any]) -> dict[str, Any]:
    """Summarise the relation without halves, thirds and failure lists, which the report shows."""
    kept = ("name", "n", "scored", "mean", "ods", "ods_threshold", "trend", "verdict")
    datasets = [{name: one[name] for name in kept} for one in said["datasets"]]
    return {**{name: value for name, value in said.items() if name != "failures"}, "datasets": datasets}


def images(run: Comparison, relation: Relation, performances: list[Evaluation]) -> pd.DataFrame:
    """Make a row for each image that has an F: its F, signals, and distances in units of P's self-distance."""
    own = {one.name: one.self_distance or 1.0 for one in run.datasets}
    keys = ["dataset", "image"]
    distances = run.images[[*keys, *DISTANCES]].assign(
        i_dist=run.images["i_dist_mean"] / run.images["dataset"].map(own),
        knn=run.images["knn"] / run.images["dataset"].map(own),
    )
    signals = pd.concat([one.images[[*keys, *LABEL_FREE]] for one in performances])
    known = relation.images[[*keys, "group", "performance"]].merge(distances, on=keys).merge(signals, on=keys)
    return known[known["performance"].notna()].reset_index(drop=True)


def ranked(rows: pd.DataFrame) -> dict[str, dict[str, float | None]]:
    """Compute Spearman's ρ of F with each distance and signal, with a 95 % interval over photographs."""
    found = {}
    for name in ("i_dist", "knn", "mahalanobis", *LABEL_FREE):
        points = PerformancePoints.of(rows[name], rows["performance"], groups=rows["group"])
        said = trend(points, np.random.default_rng(0), DRAWS)
        found[name] = dict.fromkeys(("value", "low", "high")) if said is None or said.spearman is None else vars(said.spearman)
    return found


def over_seeds(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Summarise for each model and threshold every estimator's errors (mean, lowest, highest over seeds) and the verdicts."""
    rows = []
    for model in dict.fromkeys(one["model"] for one in found):
        for threshold in ("tuned", "at 0.5"):
            here = [one[threshold] for one in found if one["model"] == model]
            judged = [{**one} for said in here for one in map(plain, (*said["judgements"], *said["tried"]))]
            for estimator in dict.fromkeys(one["estimator"] for one in judged):
                its = [one for one in judged if one["estimator"] == estimator]
                spread = {what: [round(f([one[what] for one in its]), 4) for f in (np.mean, min, max)] for what in JUDGED}
                rows.append({"model": model, "threshold": threshold, "estimator": estimator, **spread})
            for kind in ("within", "verdicts"):
                rows.append({"model": model, "threshold": threshold, kind: summary(here, kind)})
    return rows


def plain(judgement: Judgement | dict[str, Any]) -> dict[str, Any]:
    return judgement if isinstance(judgement, dict) else vars(judgement)


def summary(here: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """Summarise for each dataset over seeds the rank correlations of every signal (lowest, highest), or count each verdict."""
    if kind == "verdicts":
        said = [{one["name"]: one["verdict"]["kind"] for one in seed["datasets"]} for seed in here]
        return {name: [one.get(name) for one in said] for name in said[0]} | {
            "pooled": [(one["pooled_verdict"] or {}).get("kind") for one in here]
        }
    signals = next(iter(here[0]["within"].values()))
    return {
        signal: {
            name: [one["within"][name][signal]["value"] for one in here] for name in here[0]["within"]
        }
        for signal in signals
    }  # fmt: skip


if __name__ == "__main__":
    main()
