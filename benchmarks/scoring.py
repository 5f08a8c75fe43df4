"""Compare the time of scoring an image by a profile, beyond that of the backbone, with measuring it by `compare`.

All runs on one thread. The backbone's own time is reading, decoding, preparing and embedding.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from record import leave, parser, spread

import howfar
from howfar.arrays import ArrayRows
from howfar.backbones import load_backbone
from howfar.data import decode, read_bytes
from howfar.demo import write_dataset
from howfar.options_by_function import ScoringOptions
from howfar.pipeline.profile_file import Profile
from howfar.pipeline.profile_scorer import Group, Scorer, arrivals
from howfar.protocols import Backbone
from howfar.results import Features
from howfar.results.scores import Score
from howfar.studies.profile_dataset import profile

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
NUMBERS = ("i_dist", "i_dist_mean", "relative", "knn", "mahalanobis", "percentile", "p_value")


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--images", type=int, default=537, help="images of the primary set")
    options.add_argument("--new", type=int, default=32, help="images to score")
    options.add_argument("--backbone", default="efficientnet_lite0")
    options.add_argument("--batch-size", type=int, default=16)
    options.add_argument("--repeats", type=int, default=11)
    arguments = options.parse_args()
    if any(os.environ.get(name) != value for name, value in ONE_THREAD.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | ONE_THREAD)
    backbone = load_backbone(arguments.backbone)
    limit_torch()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name, count, shift in (("roads", arguments.images, 0.0), ("site", arguments.new, 0.5)):
            write_dataset(folder / name, count, seed=len(name), shift=shift, kind="texture")
        roads, site = (howfar.embed(folder / name, backbone, folder / "store", progress=False) for name in ("roads", "site"))
        made, predicting = profiles(roads, site, folder / "roads.howfar")
        results = {
            "images of the primary": len(roads),
            "length of a feature": roads.rows.shape[1],
            "the profile's bytes": (folder / "roads.howfar").stat().st_size,
            "milliseconds an image": {
                **whole(made, backbone, folder / "site", arguments.batch_size, arguments.repeats),
                **beyond(made, predicting, site, arguments.batch_size, arguments.repeats),
                **by_compare(roads, site, arguments.repeats),
            },
            "largest relative difference from compare": difference(made, roads, site),
        }
    leave("scoring", results, arguments.json)


def limit_torch() -> None:
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


def profiles(roads: Features, site: Features, file: Path) -> tuple[Profile, Profile]:
    """Load a profile from its file, and make one that also predicts performance, from random labels."""
    profile(roads).save(file)
    table = pd.DataFrame({"image": site.images, "performance": np.linspace(0.2, 0.9, len(site))})
    return Profile.load(file), profile(roads, labelled=site, performance=table)


def whole(made: Profile, backbone: Backbone, folder: Path, batch_size: int, repeats: int) -> dict[str, Any]:
    """Time scoring from file to score, one by one and in batches, and the backbone's share of it."""
    scorer = Scorer(made, backbone, ScoringOptions(batch_size=batch_size, workers=1))
    (group,) = arrivals(str(folder))
    paths = [item.path for item in group.items]
    chunks = [paths[start : start + batch_size] for start in range(0, len(paths), batch_size)]
    jobs: dict[str, Callable[[], object]] = {
        "file to score, one by one": lambda: [scorer.one(path) for path in paths],
        "file to score, in batches": lambda: list(scorer.each(group)),
        "of which the backbone's own, one by one": lambda: [own(backbone, [path]) for path in paths],
        "of which the backbone's own, in batches": lambda: [own(backbone, chunk) for chunk in chunks],
    }
    return {name: timed(job, len(paths), min(repeats, 5)) for name, job in jobs.items()}


def own(backbone: Backbone, paths: Sequence[Path]) -> object:
    return backbone.embed(np.stack([backbone.prepare(decode(read_bytes(path)).image) for path in paths]))


def beyond(made: Profile, predicting: Profile, site: Features, batch_size: int, repeats: int) -> dict[str, Any]:
    """Time the steps after the backbone, which make scores of features."""
    plain, with_estimator = Scorer(made, None), Scorer(predicting, None)
    single = [part(site, i, i + 1) for i in range(len(site))]
    batches = [part(site, start, min(start + batch_size, len(site))) for start in range(0, len(site), batch_size)]
    jobs: dict[str, Callable[[], object]] = {
        "beyond the backbone, one by one": lambda: [scores(plain, one) for one in single],
        "beyond the backbone, in batches": lambda: [scores(plain, one) for one in batches],
        "beyond the backbone, one by one, with predicted performance": lambda: [scores(with_estimator, one) for one in single],
    }
    return {name: timed(job, len(site), repeats) for name, job in jobs.items()}


def by_compare(roads: Features, site: Features, repeats: int) -> dict[str, Any]:
    """Time the same numbers of one image without a profile: the projection is fitted again."""
    first = part(site, 0, 1)
    return {"beyond the backbone, by compare": timed(lambda: compare(roads, first), 1, repeats)}


def difference(made: Profile, roads: Features, site: Features) -> dict[str, float]:
    images = compare(roads, site).images
    own_distance = made.self_distance or 1.0
    wanted = images.assign(relative=images["i_dist_mean"] / own_distance)
    found = made.score(site).to_frame()
    return {
        name: float(np.max(np.abs(found[name] - wanted[name]) / np.abs(wanted[name]).clip(lower=1e-300))) for name in NUMBERS
    }


def compare(roads: Features, site: Features) -> Any:
    return howfar.compare(roads, site, projection="primary", bootstrap=0, permutations=0)


def scores(scorer: Scorer, features: Features) -> list[object]:
    found: list[object] = list(scorer.each(Group((), features=features)))
    if not all(isinstance(one, Score) for one in found):
        raise SystemExit(f"not scored: {found}")
    return found


def part(features: Features, start: int, stop: int) -> Features:
    rows = ArrayRows(features.rows.rows(start, stop).copy())
    names, paths, contents = (one[start:stop] for one in (features.images, features.paths, features.contents))
    return replace(features, rows=rows, images=names, paths=paths, contents=contents)


def timed(job: Callable[[], object], images: int, repeats: int) -> dict[str, float]:
    job()
    found = []
    for _ in range(repeats):
        started = time.perf_counter()
        job()
        found.append(1e3 * (time.perf_counter() - started) / images)
    return spread(found)


if __name__ == "__main__":
    main()
