"""Run `assess` on sites of four fields, each labelled site answered with its labels hidden, and compare with the truth.

Cracks (P: 300 DeepCrack tiles), vessels (P: DRIVE's training photographs), polyps (P: PolypGen's centre 3) and nuclei (P: one
experiment). For every field, architecture and seed a model is trained, `howfar.assess` is run with at most --limit images of a
site, and of each site kept: estimate, interval, truth, gate, coverage of the images' intervals, and how right the failure list
is. Beside it the errors of `atc` and `boosted` alone, by the same fits; and, with --before, those of runs that another version
of howfar left in the same layout. Then the labels of all but 0, 1, 2 … other sites are hidden too, in every possible way.

The images are research data and do not come with the project: --data names a folder that holds one folder a set. Models, maps
and run folders are kept in --out: run the same command again after a kill. A model that is there is not trained again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from record import leave, parser
from trained_performance import SECONDARIES

import howfar
from adaptation import dataset, primary
from howfar.option_checks_and_signatures import checked
from howfar.options_by_function import RelateOptions
from howfar.pipeline.profile_file import Profile
from howfar.relation.calibrated_estimator import KnownFits
from howfar.relation.labelled_images import take
from howfar.relation.site_judge import judge_of
from howfar.results import Evaluation
from howfar.results.assessment_result import Assessment
from howfar.studies.assessment.score_and_corrupt import CORRUPTED, TILED, score_file
from howfar.studies.assessment.site_answers import GAIN
from howfar.studies.performance.image_performance import MeasuredImages
from howfar.studies.performance.relate_and_estimate import expectation
from howfar.studies.profile_dataset import measured_images

Sets = tuple[howfar.Dataset, list[howfar.Dataset]]
MISS = 0.15
"""A set's mean that is wrong by more than this is missed."""
STRANGERS = {
    "cracks": ("voc2007", "bsds500", "sun_scenes", "orl_faces", "drive", "hrf"),
    "vessels": ("voc2007", "bsds500", "sun_scenes", "orl_faces", "cfd", "polyp_c1", "nuc_he_purple"),
    "polyps": ("voc2007", "bsds500", "sun_scenes", "orl_faces", "cfd", "drive", "nuc_he_purple"),
    "nuclei": ("voc2007", "bsds500", "sun_scenes", "orl_faces", "cfd", "drive", "polyp_c1"),
}
"""By field, sets that hold none of the structures that its models are trained on."""
ALONE = ("atc", "boosted", "signals", "mean")
HOW: dict[tuple[str, str], dict[str, Any]] = {
    ("frozen", "cracks"): {"size": 160, "epochs": 8},
    ("frozen", "vessels"): {"size": 448, "epochs": 20, "batch": 4, "holdout": 0.25},
    ("frozen", "polyps"): {"size": 224, "epochs": 10},
    ("frozen", "nuclei"): {"size": 224, "epochs": 12, "holdout": 0.2},
    ("unetplusplus", "cracks"): {"size": 160, "epochs": 8, "precision": "bf16"},
    ("deepcrack", "cracks"): {"size": 160, "epochs": 12, "options": {"width": 8}, "pretrained": False},
}


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--out", type=Path, required=True, help="folder of models and run folders")
    options.add_argument("--models", nargs="+", required=True, metavar="FIELD-ARCHITECTURE-SEED")
    options.add_argument("--before", type=Path, help="folder of run folders that another version left")
    options.add_argument("--limit", type=int, default=60)
    options.add_argument("--strangers", action="store_true", help="ask each model about sets without its structures too")
    arguments = options.parse_args()
    frames, few = [], []
    strange, tiles = list[dict[str, Any]](), list[dict[str, Any]]()
    for name in arguments.models:
        field, architecture, seed = name.split("-")
        sets = FIELDS[field](arguments.data)
        run = assessed(sets, architecture, field, int(seed), arguments)
        frames.append(answers(run, sets).assign(model=name))
        before = None if arguments.before is None else arguments.before / name / "run"
        if before is not None and before.is_dir():
            frames[-1] = frames[-1].merge(earlier(before), on="site", how="left")
        tiles += [{"model": name, **row} for row in by_tiles(run, sets)]
        if arguments.strangers:
            strange += [{"model": name, **row} for row in strangers(sets, arguments, name)]
        few.append(pd.DataFrame(by_labels(run, sets, arguments.out)).assign(model=name))
    rows, labels = pd.concat(frames, ignore_index=True), pd.concat(few, ignore_index=True)
    field_of = rows["model"].str.split("-").str[0]
    found = {
        "rows": records(rows),
        "by field": {str(field): summary(part) for field, part in rows.groupby(field_of, sort=False)},
        "all": summary(rows),
        "whole images or tiles": {"rows": tiles, **advice(tiles)},
        "sets without the structures": strange,
        "by number of labelled sites": {
            str(field): {str(k): few_summary(part) for k, part in some.groupby("labelled")}
            for field, some in labels.groupby(labels["model"].str.split("-").str[0], sort=False)
        },
    }
    leave("answer", found, arguments.json)


def cracks(data: Path) -> Sets:
    return primary(data, 300), [dataset(name, data) for name in SECONDARIES]


def vessels(data: Path) -> Sets:
    """List DRIVE's training photographs; its test photographs, and HRF's by the state of the eyes, are sites."""
    drive, hrf = (howfar.Dataset.from_folder(data / name) for name in ("drive", "hrf"))
    foreign = [ending(hrf, group, f"hrf_{group}") for group in ("h", "dr", "g")]
    return ending(drive, "training", "drive"), [ending(drive, "test", "drive_rest"), *foreign]


def ending(whole: howfar.Dataset, end: str, name: str) -> howfar.Dataset:
    """Select the photographs whose name ends so."""
    return replace(whole, name=name, items=tuple(item for item in whole.items if item.path.stem.endswith(f"_{end}")))


def polyps(data: Path) -> Sets:
    return dataset("polyp_c3", data), [dataset(f"polyp_c{number}", data) for number in (1, 2, 4)]


def nuclei(data: Path) -> Sets:
    others = ("nuc_fluo256_sparse", "nuc_fluo360", "nuc_fluo256_punct", "nuc_he_purple")
    return dataset("nuc_fluo520", data), [dataset(name, data) for name in others]


FIELDS: dict[str, Callable[[Path], Sets]] = {"cracks": cracks, "vessels": vessels, "polyps": polyps, "nuclei": nuclei}


def assessed(sets: Sets, architecture: str, field: str, seed: int, arguments: Any) -> Path:
    """Train a model and assess it on all sites, where that is not done; return the run folder."""
    folder = arguments.out / f"{field}-{architecture}-{seed}"
    file, run = folder / "model.safetensors", folder / "run"
    if not file.is_file():
        howfar.train(sets[0], architecture, file, seed=seed, device="cpu", progress=False, **HOW[architecture, field])
    if not (run / Assessment.DOCUMENT).is_file():
        quick: dict[str, Any] = {"bootstrap": 0, "permutations": 0, "baselines": False, "progress": False}
        howfar.assess(*sets, run, model=file, limit=arguments.limit, store=arguments.out / "store", **quick)
    return run


def answers(run: Path, sets: Sets) -> pd.DataFrame:
    """List what was said of each site with its labels hidden, and what was true."""
    assessment, relation = Assessment.load(run), howfar.Relation.load(run)
    images = relation.images
    alone = {row.estimator: row.set_errors for row in relation.judgements if row.estimator in ALONE}
    rows = []
    for site in assessment.sites:
        of_site = images[(images["dataset"] == site.dataset) & images["performance"].notna()]
        failing = next(row for row in relation.failures if row.dataset == site.dataset)
        inside = of_site["performance"].between(of_site["estimate_low"] - 1e-9, of_site["estimate_high"] + 1e-9)
        rows.append(
            {
                "site": site.dataset,
                "measured": site.measured,
                "estimate": site.estimate,
                "low": site.low,
                "high": site.high,
                "inside": site.inside,
                "stopped by": [reading.check for reading in site.gate.outside] if site.gate else [],
                "beyond": None if site.gate is None else site.gate.beyond,
                "images held": float(inside.mean()),
                "image width": float((of_site["estimate_high"] - of_site["estimate_low"]).mean()),
                "listed": failing.listed,
                "listed wrongly": failing.measured_error,
                "by tiles": site.by_tiles,
                "next": site.next.action,
                "own": None if assessment.own is None else assessment.own.performance,
                **{f"error, {name}": errors.get(site.dataset) for name, errors in alone.items()},
            }
        )
    return pd.DataFrame(rows)


def earlier(run: Path) -> pd.DataFrame:
    """List what another version said of each site: error of the estimator chosen without it, interval and gate as printed."""
    assessment, relation = Assessment.load(run), howfar.Relation.load(run)
    chosen = next((choice.set_errors for choice in relation.choices if choice.among == "all"), {})
    return pd.DataFrame(
        {
            "site": site.dataset,
            "before: estimate": site.estimate,
            "before: error, chosen without the site": chosen.get(site.dataset),
            "before: low": site.low,
            "before: high": site.high,
            "before: inside": site.inside,
            "before: measured": site.measured,
        }
        for site in assessment.sites
    )


def strangers(sets: Sets, arguments: Any, name: str) -> Iterator[dict[str, Any]]:
    """Ask what the gate says of datasets that hold none of the structures that the model was trained on."""
    folder = arguments.out / name
    asked = [howfar.Dataset.from_folder(arguments.data / one) for one in STRANGERS[name.partition("-")[0]]]
    hidden = [replace(one, items=tuple(replace(item, mask=None) for item in one.items)) for one in asked]
    run = folder / "strangers"
    if not (run / Assessment.DOCUMENT).is_file():
        quick: dict[str, Any] = {"bootstrap": 0, "permutations": 0, "baselines": False, "progress": False}
        file, limit = folder / "model.safetensors", min(arguments.limit, 30)
        howfar.assess(sets[0], [*sets[1], *hidden], run, model=file, limit=limit, store=arguments.out / "store", **quick)
    for site in Assessment.load(run).sites:
        if site.dataset in STRANGERS[name.partition("-")[0]] and site.gate is not None:
            stopped = [reading.check for reading in site.gate.outside]
            yield {"site": site.dataset, "inside": site.inside, "estimate": site.estimate, "stopped by": stopped}


def by_labels(run: Path, sets: Sets, out: Path) -> Iterator[dict[str, Any]]:
    """Answer for each site by the labels of 0, 1, 2 … others, chosen in every way."""
    comparison, profile = howfar.Comparison.load(run), Profile.load(run)
    own, *others = (Evaluation.load(score_file(run, one.name)) for one in (sets[0], *sets[1]))
    further = corrupted(run, profile, own.threshold, out)
    given: Any = checked(RelateOptions, {"threshold": own.threshold})
    measured, judge, _ = expectation(comparison, [own, *others], given, further=further, rivals=False)
    everything, known = measured.evidence(given["group"], comparison.primary.name, further), KnownFits()
    of = comparison.images["dataset"].to_numpy(dtype=str)
    for site in (one.dataset for one in others):
        inside = of == site
        columns, truth = take(measured.columns, inside), measured.scores.performance[inside]
        rest = [one.dataset for one in others if one.dataset != site]
        for count in range(len(rest) + 1):
            for labelled in combinations(rest, count):
                evidence = everything
                for hidden in (site, *(name for name in rest if name not in labelled)):
                    evidence = evidence.without(hidden)
                asked = judge_of(evidence, judge.terms, judge.metric, judge.threshold, known=known, rivals=False)
                answer = asked.site(site, columns, performance=truth)
                estimate, gate = answer.estimate, answer.gate
                if estimate is not None and gate is not None:
                    ends = {"low": estimate.low, "high": estimate.high, "inside": gate.inside}
                    numbers = {"measured": estimate.measured, "estimate": estimate.predicted, **ends}
                    yield {"site": site, "labelled": count, "which": list(labelled), **numbers}


def by_tiles(run: Path, sets: Sets) -> Iterator[dict[str, Any]]:
    """Hold the gain by tiles that is expected of each site, with its labels hidden, against the true one."""
    files = [[score_file(run, f"{one.name}{ending}") for one in (sets[0], *sets[1])] for ending in ("", TILED)]
    if not all(file.is_file() for file in files[1]):
        return
    comparison, said = howfar.Comparison.load(run), []
    for kind in files:
        evaluations = [Evaluation.load(file) for file in kind]
        given: Any = checked(RelateOptions, {"threshold": evaluations[0].threshold})
        judged = expectation(comparison, evaluations, given, rivals=False)[2].values()
        rows = [said.estimate for said in judged if said.estimate is not None]
        said.append({row.dataset: row for row in rows})
    for site, whole in said[0].items():
        tile = said[1][site]
        if whole.measured is not None and tile.measured is not None:
            expected, gain = tile.predicted - whole.predicted, tile.measured - whole.measured
            yield {"site": site, "whole": whole.measured, "by tiles": tile.measured, "gain": gain, "expected gain": expected}


def advice(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Count how often the expected gain by tiles had the right sign, and what following the advice gained and lost."""
    clear = [row for row in rows if abs(row["gain"]) > GAIN]
    advised = [row for row in rows if row["expected gain"] >= GAIN]
    return {
        "true change above 0.02": len(clear),
        "of these with the right sign": sum(row["gain"] * row["expected gain"] > 0 for row in clear),
        "advised": len(advised),
        "smallest and largest gain where advised": [f([row["gain"] for row in advised]) for f in (min, max)] if advised else [],
        "largest gain where not advised": max((row["gain"] for row in rows if row not in advised), default=None),
    }


def corrupted(run: Path, profile: Profile, threshold: float | None, out: Path) -> MeasuredImages | None:
    """Read the corrupted sets that an assessment made, as it did."""
    folders = [one for one in sorted((run / CORRUPTED).glob("*")) if (one / "performance.parquet").is_file()]
    made = [(one, Evaluation.load(one / "performance.parquet")) for one in folders if one.name != "unchanged"]
    if not made:
        return None
    features = [howfar.embed(f"{of.dataset}={one}", store=out / "store", progress=False) for one, of in made]
    return measured_images(profile, features, [of for _, of in made], None, threshold)


def summary(rows: pd.DataFrame) -> dict[str, Any]:
    """Summarise inside and outside the gate: errors of each rule, coverage, widths, misses, needless stops."""
    error = (rows["estimate"] - rows["measured"]).abs()
    held = (rows["low"] - 1e-9 <= rows["measured"]) & (rows["measured"] <= rows["high"] + 1e-9)
    inside = rows["inside"].astype(bool)

    def part(chosen: pd.Series) -> dict[str, Any]:
        of = rows[chosen]
        alone = {name: mean(of[f"error, {name}"].abs()) for name in ALONE if f"error, {name}" in of}
        return {
            "sites": len(of),
            "error of the mean": mean(error[chosen]),
            "largest error": None if of.empty else float(error[chosen].max()),
            "intervals held": [int(held[chosen].sum()), len(of)],
            "width of intervals": mean(of["high"] - of["low"]),
            "images held": mean(of["images held"]),
            "width of images": mean(of["image width"]),
            "error, alone": alone,
        }

    found = {
        "inside": part(inside),
        "outside": part(~inside),
        "misses (inside, error above 0.15)": int((inside & (error > MISS)).sum()),
        "needless stops (outside, error of at most 0.1)": int((~inside & (error <= 0.1)).sum()),
        "outside, error above 0.15": int((~inside & (error > MISS)).sum()),
    }
    if "before: estimate" in rows:
        kept = rows[rows["before: measured"].notna()]
        went_in = kept["before: inside"].astype(bool)
        wrong = kept["before: error, chosen without the site"].abs()
        truth = kept["before: measured"]
        covered = (kept["before: low"] - 1e-9 <= truth) & (truth <= kept["before: high"] + 1e-9)
        found["before"] = {
            "error inside": mean(wrong[went_in]),
            "error outside": mean(wrong[~went_in]),
            "intervals held inside": [int(covered[went_in].sum()), int(went_in.sum())],
            "width inside": mean((kept["before: high"] - kept["before: low"])[went_in]),
        }
    return found


def few_summary(rows: pd.DataFrame) -> dict[str, Any]:
    """Summarise the answers by so many labelled sites."""
    held = (rows["low"] - 1e-9 <= rows["measured"]) & (rows["measured"] <= rows["high"] + 1e-9)
    inside, error = rows["inside"].astype(bool), (rows["estimate"] - rows["measured"]).abs()
    return {
        "answers": len(rows),
        "inside": int(inside.sum()),
        "width": mean(rows["high"] - rows["low"]),
        "width inside": mean((rows["high"] - rows["low"])[inside]),
        "error inside": mean(error[inside]),
        "held inside": [int(held[inside].sum()), int(inside.sum())],
        "error outside": mean(error[~inside]),
    }


def mean(values: pd.Series) -> float | None:
    return float(np.nanmean(values)) if values.notna().any() else None


def records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Write rows as JSON values, rounded to four decimals."""
    plain = rows.astype(object).where(rows.notna(), None)
    return [
        {name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()}
        for row in plain.to_dict("records")
    ]


if __name__ == "__main__":
    main()
