"""Predict the labels that a question needs (`howfar certify --plan`), and compare with the labels that it takes.

--runs is the folder of run folders that `benchmarks/answer.py` left: a site's images are predicted by the confidence of their
maps in their foreground, and by a judge that has not seen the site's labels. With --data, the folder of the research data,
detectors and (with --features) classifiers as in `benchmarks/which_model.py` are planned for too, by mean score and by the
class's probability. The constant of `howfar.sampling.labels_for` was set before these, on a few of the judge's sites.

Needed for a half width: the fewest labels whose mean half width is small enough; for a level: the median number after which
the sequence settles.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from certify import Site, labels_for, stratified
from classifier_answer import PLAIN, Centroids, every_set, split
from record import leave, parser
from which_model import detected
from zone import measured as judged

from howfar.results import Evaluation
from howfar.sampling import labels_for as planned_for
from howfar.sampling import order, sequence
from howfar.tasks.task import TILED

BY_CONFIDENCE, BY_JUDGE = "confidence", "judge"
WIDTHS, AWAY = (0.1, 0.05), 0.15
FEWEST, ORDERS, DRAWS = 20, 5, 20
Cell = tuple[str, Site, Any]
"""A kind of prediction, a site, and how many decisions an image's performance is the mean of: 1 for a class, None for maps."""


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--runs", type=Path, required=True)
    options.add_argument("--data", type=Path)
    options.add_argument("--features", type=Path)
    arguments = options.parse_args()
    cells = [*by_judge(arguments.runs), *by_confidence(arguments.runs)]
    if arguments.data is not None:
        cells = [*by_score(arguments.data, arguments.runs), *cells]
    if arguments.data is not None and arguments.features is not None:
        cells = [*by_class(arguments.data, arguments.features), *cells]
    rows = [row for cell in cells for row in compared(*cell)]
    kinds = dict.fromkeys((row["kind"], row["question"]) for row in rows)
    said = [summary([row for row in rows if (row["kind"], row["question"]) == kind]) for kind in kinds]
    leave("plan", {"summary": said, "cells": rows}, arguments.json)


def site(name: str, truth: np.ndarray, proxy: np.ndarray) -> Site:
    none = np.zeros((0, 0))
    return Site("", name, truth, np.clip(proxy, 0.0, 1.0), np.zeros(0), none, none, none)


def by_confidence(runs: Path) -> Iterator[Cell]:
    for file in sorted(runs.glob("*/run/performance/*.parquet")):
        images = Evaluation.load(file).images
        known = images[images["performance"].notna() & images["foreground_confidence"].notna()]
        if len(known) >= FEWEST and TILED not in file.stem:
            columns = (known[name].to_numpy(float) for name in ("performance", "foreground_confidence"))
            yield BY_CONFIDENCE, site(f"{file.parents[2].name}, {file.stem}", *columns), None


def by_judge(runs: Path) -> Iterator[Cell]:
    for one in judged(runs):
        yield BY_JUDGE, site(one.name, one.truth, one.proxy), None


def by_score(data: Path, runs: Path) -> Iterator[Cell]:
    for name, images in detected(data, runs):
        for detector, found in images.items():
            truth, scores = (np.array([getattr(one, column) for one in found]) for column in ("f1", "score"))
            yield "boxes", site(f"{name}, {detector}", truth, scores), np.array([max(1, one.count) for one in found])


def by_class(data: Path, features: Path) -> Iterator[Cell]:
    truth = np.unique([file.parts[-3] for file in sorted((data / "sun_scenes").glob("*/images/*"))], return_inverse=True)[1]
    train, held, *others = split(truth, 0)
    plain, rows = np.load(features / f"{PLAIN}.npy"), np.concatenate(others)
    model = Centroids(plain[train], truth[train])
    model.fit_temperature(plain[held], truth[held])
    for change in (PLAIN, *every_set()):
        x = np.load(features / f"{change.replace(' ', '_')}.npy")[rows]
        yield "classes", site(change, model.right(x, truth[rows]), model.probabilities(x).max(axis=1)), 1


def compared(kind: str, one: Site, decisions: Any) -> Iterator[dict[str, Any]]:
    """Plan for each question, and count what it takes."""
    m = len(one.truth)
    print(kind, one.name, flush=True)
    plan = partial(planned_for, one.proxy, decisions=decisions)
    said = {"kind": kind, "site": one.name, "images": m}
    for half in WIDTHS:
        needed = labels_within(one, half)
        yield {**said, "question": f"±{half:g}", "planned": plan(f"±{half:g}") or m, "needed": needed}
    for sign, level in ((">=", one.truth.mean() - AWAY), ("<=", one.truth.mean() + AWAY)) if kind != BY_CONFIDENCE else ():
        if 0.05 < level < 0.95:
            question = f"F {sign} {level:.2f}"
            stops = [stop(one, question, seed) for seed in range(ORDERS)]
            name = f"level {AWAY} away, {sign}"
            yield {**said, "question": name, "planned": plan(question) or m, "needed": float(np.median(stops))}


def labels_within(one: Site, half: float) -> int:
    return labels_for(partial(stratified, one), len(one.truth), DRAWS, half)


def stop(one: Site, question: str, seed: int) -> int:
    images = order(len(one.truth), seed=seed)
    return sequence(one.truth[images], one.proxy, images, until=question).stop or len(images)


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Summarise one kind of question: the error of the plan, over labels needed."""
    planned, needed = (np.array([row[name] for row in rows], dtype=float) for name in ("planned", "needed"))
    said = {"kind": rows[0]["kind"], "question": rows[0]["question"], "cells": len(rows)}
    errors = np.abs(planned / needed - 1)
    return {
        **said,
        "error in the median": float(np.median(errors)),
        "within a third": float((errors <= 1 / 3).mean()),
        "planned over needed in the median": float(np.median(planned / needed)),
    }


if __name__ == "__main__":
    main()
