"""Measure what every way of adapting gains on new sites, with no label, with 1, 3, 7 and 14, over models, seeds and draws.

Reads the models that benchmarks/trained_performance.py makes (--out; docs/few-labels.md has those of vessels). Half of each
site's photographs may be learnt from: as unlabelled images, and, drawn at random one a photograph, as picks; up to 60 images
of the other half are scored, by every way the same. Each way's maps are scored at the adapted model's own threshold, which P's
held-out images tune, and at two that are chosen without labels: the one at which the site's predicted share is that of P, and
Otsu's. P's held-out images, and 15 images of each other site, are scored by the adapted weights too: a gain on the site that
costs these is harm.

A cell is a model, a seed, a site, a draw, a way and a number of labels. Cells are kept in the table --rows, so that a
measurement of many hours goes on after a kill and on another day: a cell is measured once for the same weights. `--summary`
reads the table alone. docs/make_few_labels.py makes the documentation's page of the record.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import torch
from answer import FIELDS, vessels
from few_labels_summary import summary
from record import leave, parser

import howfar
from howfar.adaptation_ways import RESCALE, UNADAPTED, Given, adapted, trained_on
from howfar.data import content_hash
from howfar.data.image_groups_and_variations import HashedDataset
from howfar.metrics import at_threshold
from howfar.pipeline.prediction import load_model
from howfar.studies.performance.image_performance import counts_of
from howfar.training.image_mask_pairs import TrainingExample, examples_of

FURTHER = "further"
"""The control of every way that trains on: the same steps on P alone, with no image of the site."""
WAYS = {
    0: (UNADAPTED, "norm", FURTHER, f"{FURTHER}+norm", "selftrain", "selftrain+norm", "scale", "scale+norm"),
    1: ("finetune", "finetune+norm"),
    3: ("finetune", "finetune+norm"),
    7: (*(way + then for way in ("retrain", "finetune", "norm-tune", "scale") for then in ("", "+norm")), "scale+selftrain"),
    14: ("retrain", "finetune", "finetune+norm"),
}
TILED = {0: (UNADAPTED, "norm"), 7: ("finetune", "scale"), 14: ("finetune",)}
"""Ways whose models predict the site whole, and by tiles at the pictures' own scale."""
BY_TILES = ("norm", "selftrain")
"""Ways that look at the site's images, which adapt otherwise where these are tiles."""
SCORED, OTHERS = 60, 15
WITHOUT_SITE = (FURTHER, "scale")
Made: TypeAlias = dict[tuple[str, int, bool], tuple[howfar.Checkpoint, float]]
KEYS = ["ground", "model", "seed", "site", "draw", "way", "labels", "tiled"]


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--data", type=Path)
    options.add_argument("--out", type=Path, help="folder of models; maps and states are kept below it while they are needed")
    options.add_argument("--rows", type=Path, required=True, help="table of all cells' images (.parquet), added to")
    options.add_argument("--ground", choices=tuple(FIELDS), default="cracks")
    options.add_argument("--models", nargs="+", default=("unetplusplus", "deepcrack"))
    options.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2))
    options.add_argument("--draws", type=int, nargs="+", default=(0,))
    options.add_argument("--sites", nargs="+", help="only these")
    options.add_argument("--labels", type=int, nargs="+", default=tuple(WAYS))
    options.add_argument("--ways", nargs="+", help="of those that are measured by default, only these")
    options.add_argument("--precision", default="bf16", help="of predicting: 32, bf16 or fp16")
    options.add_argument("--summary", action="store_true", help="measure nothing, and summarise the table")
    arguments = options.parse_args()
    table = Table(arguments.rows)
    if not arguments.summary:
        for subject in subjects(arguments):
            for draw in arguments.draws:
                measure(subject, draw, table, arguments)
    leave("few_labels", summary(table.rows()), arguments.json)


@dataclass
class Table:
    """Keep all measured rows in one file, written anew after each cell."""

    file: Path
    parts: list[pd.DataFrame] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.file.is_file():
            known = pd.read_parquet(self.file)
            self.parts.append(known if "ground" in known else known.assign(ground="cracks"))

    def rows(self) -> pd.DataFrame:
        """Join all cells' rows."""
        return pd.concat(self.parts, ignore_index=True)

    def has(self, about: dict[str, Any]) -> bool:
        """Tell whether a cell was measured for the same weights."""
        names = [*KEYS, "weights"]
        return any(bool((part[names] == pd.Series(about)[names]).all(axis=1).any()) for part in self.parts)

    def add(self, rows: pd.DataFrame) -> None:
        """Add a cell's rows in the place of those of other weights, and write the file whole or not at all."""
        first = rows[KEYS].iloc[0]
        self.parts = [part[~(part[KEYS] == first).all(axis=1)] for part in self.parts]
        self.parts.append(rows)
        beside = self.file.with_suffix(".new")
        self.rows().to_parquet(beside, compression="zstd", index=False)
        beside.replace(self.file)


@dataclass(frozen=True)
class Subject:
    """Hold a trained model, a site's two halves, and what harm is measured on."""

    ground: str
    model: str
    seed: int
    checkpoint: howfar.Checkpoint
    examples: tuple[TrainingExample, ...]
    own: howfar.Dataset
    pool: howfar.Dataset
    scored: howfar.Dataset
    others: tuple[howfar.Dataset, ...]
    photographs: dict[str, str]
    work: Path
    precision: str


def subjects(arguments: Any) -> Iterator[Subject]:
    """List models, seeds and sites, the seeds outermost, so that a measurement that is cut short has whole seeds."""
    p, sets = ground(arguments)
    hashed = {one.name: HashedDataset.of(one, None) for one in sets}
    for seed in arguments.seeds:
        for model in arguments.models:
            checkpoint = howfar.Checkpoint.load(arguments.out / "models" / f"{model}-{seed}.safetensors")
            held = set(checkpoint.card.data["held_out"])
            own = replace(p, items=tuple(item for item in p.items if content_hash(item.path.read_bytes()) in held))
            for site in arguments.sites or hashed:
                one = hashed[site]
                pool, scored = (parted(one, half) for half in one.divided(0.5, 0))
                yield Subject(
                    ground=arguments.ground,
                    model=model,
                    seed=seed,
                    checkpoint=checkpoint,
                    examples=examples_of(p),
                    own=own,
                    pool=pool,
                    scored=drawn(scored, SCORED),
                    others=tuple(drawn(each.dataset, OTHERS) for name, each in hashed.items() if name != site),
                    photographs=dict(one.photographs),
                    work=arguments.out / "few" / f"{model}-{seed}-{site}",
                    precision=arguments.precision,
                )


def ground(arguments: Any) -> tuple[howfar.Dataset, tuple[howfar.Dataset, ...]]:
    """List P and the sites of benchmarks/answer.py; of vessels HRF's photographs are one site."""
    if arguments.ground == "vessels":
        return vessels(arguments.data)[0], (howfar.Dataset.from_folder(arguments.data / "hrf"),)
    p, sites = FIELDS[arguments.ground](arguments.data)
    return p, tuple(sites)


def parted(one: HashedDataset, names: Sequence[str]) -> howfar.Dataset:
    """Keep the named images of a set."""
    wanted = set(names)
    return replace(one.dataset, items=tuple(item for item in one.dataset.items if item.name in wanted))


def drawn(one: howfar.Dataset, count: int) -> howfar.Dataset:
    """Draw images of a set, the same every time."""
    order = np.random.default_rng(0).permutation(len(one.items))[:count]
    return replace(one, items=tuple(one.items[place] for place in sorted(order)))


def picks_of(subject: Subject, draw: int, count: int) -> tuple[TrainingExample, ...]:
    """Draw labelled images of the pool, one a photograph while there are photographs; seven are the first of fourteen."""
    examples = examples_of(subject.pool)
    order = np.random.default_rng([draw, 19]).permutation(len(examples))
    first: dict[str, int] = {}
    for place in order:
        first.setdefault(examples[place].photograph, int(place))
    chosen = [*first.values(), *(int(place) for place in order if int(place) not in first.values())]
    return tuple(examples[place] for place in chosen[:count])


def measure(subject: Subject, draw: int, table: Table, arguments: Any) -> None:
    """Adapt by every way and number of labels that is not in the table yet, and add what it scores."""
    made: Made = {}
    for labels in arguments.labels:
        for way in WAYS[labels]:
            if (arguments.ways and way not in arguments.ways) or (labels == 0 and draw != 0):
                continue  # without labels there is nothing to draw
            for tiled in (False, True) if way in TILED.get(labels, ()) else (False,):
                about = {
                    "ground": subject.ground,
                    "model": subject.model,
                    "seed": subject.seed,
                    "site": subject.pool.name,
                    "draw": draw,
                }
                about |= {"way": way, "labels": labels, "tiled": tiled, "weights": subject.checkpoint.card.weights}
                if table.has(about):
                    continue
                checkpoint, seconds = made_by(subject, way, picks_of(subject, draw, labels), tiled, made)
                rows = scored(subject, checkpoint, tiled).assign(**about, seconds=seconds)
                table.add(rows)
                means = rows.groupby("of")[["f", "ods"]].mean().round(3).to_dict()
                print(about, f"{seconds:.0f} s", means, flush=True)
    shutil.rmtree(subject.work, ignore_errors=True)


def made_by(
    subject: Subject, way: str, picks: tuple[TrainingExample, ...], tiled: bool, made: Made
) -> tuple[howfar.Checkpoint, float]:
    """Adapt by a way; what its first part gave is gone on from, where that was made already, with the seconds of both."""
    if way == UNADAPTED:
        return subject.checkpoint, 0.0
    key = (way, len(picks), tiled and any(part in BY_TILES for part in way.split("+")))
    if key not in made:
        first, _, last = way.rpartition("+")
        before, already = made_by(subject, first, picks, tiled, made) if first else (subject.checkpoint, 0.0)
        given = Given(subject.examples, subject.pool, picks, subject.work / "states", tiled, device="cpu", progress=False)
        start = time.perf_counter()
        found = further(subject, before, last) if last in WITHOUT_SITE and not picks else adapted(before, last, given)
        made[key] = found, already + time.perf_counter() - start
    return made[key]


def further(subject: Subject, checkpoint: howfar.Checkpoint, way: str) -> howfar.Checkpoint:
    """Train on P alone for as many steps as the other ways do; kept, since it is the same for all sites."""
    file = subject.work.parent / f"{checkpoint.card.weights.split(':')[-1][:16]}-{way}.safetensors"
    if not file.is_file():
        given = Given(subject.examples, None, (), subject.work / "states", device="cpu", progress=False)
        rescale = RESCALE if way == "scale" else 0.0
        trained_on(checkpoint, given, (), balance=None, rescale=rescale).save(file)
    return howfar.Checkpoint.load(file)


def scored(subject: Subject, checkpoint: howfar.Checkpoint, tiled: bool) -> pd.DataFrame:
    """Score the site's other half, P's held-out images and other sets: rows of images with F at each threshold."""
    model = load_model(checkpoint, precision=subject.precision, tiled=tiled)
    whole = load_model(checkpoint, precision=subject.precision) if tiled else model
    own = evaluated(subject.own, whole, subject.work)
    threshold = round(float(checkpoint.card.threshold or 0.5), 2)
    share = predicted_share(own, threshold)
    rows = []
    site = evaluated(subject.scored, model, subject.work)
    parts = [("site", site), ("P", own)]
    if not tiled:
        parts += [("other", evaluated(one, model, subject.work)) for one in subject.others]
    for of, found in parts:
        counts = counts_of(found.images)
        chosen = {"f": threshold, "f_share": threshold_of(found, share), "f_otsu": otsu(found)}
        one = pd.DataFrame({name: at_threshold(counts, value).per_image_f for name, value in chosen.items()})
        one["of"], one["dataset"], one["image"] = of, found.dataset, found.images["image"].to_numpy()
        one["ods"], one["threshold"] = found.scores["ods"], threshold
        rows.append(one)
    frame = pd.concat(rows, ignore_index=True).dropna(subset=["f"])
    frame["photograph"] = [subject.photographs.get(name, name) for name in frame["image"]]
    return frame


def evaluated(one: howfar.Dataset, model: Any, work: Path) -> howfar.Evaluation:
    """Predict and score a set; its maps are not kept."""
    folder = work / "maps"
    shutil.rmtree(folder, ignore_errors=True)
    howfar.predict(model, one, folder, progress=False)
    return howfar.evaluate(one, folder, progress=False)


def histogram(found: howfar.Evaluation) -> np.ndarray:
    """Sum the histograms of a set's maps over its images."""
    return np.sum([np.asarray(row, dtype=np.float64) for row in found.images["histogram"]], axis=0)


def predicted_share(found: howfar.Evaluation, threshold: float) -> float:
    counts = histogram(found)
    return float(counts[np.arange(256) / 255 > threshold].sum() / counts.sum())


def threshold_of(found: howfar.Evaluation, share: float) -> float:
    """Choose the threshold at which a set's predicted share is nearest to that of P's images at theirs."""
    counts = histogram(found)
    above = np.cumsum(counts[::-1])[::-1] / counts.sum()
    shares = [above[min(int(np.floor(255 * t / 100)) + 1, 255)] for t in range(100)]
    return int(np.argmin(np.abs(np.array(shares) - share))) / 100


def otsu(found: howfar.Evaluation) -> float:
    """Choose the threshold between the two kinds of probability whose means lie farthest apart (Otsu, 1979)."""
    counts, p = histogram(found), np.arange(256) / 255
    below, above = np.cumsum(counts)[:-1], np.cumsum(counts[::-1])[::-1][1:]
    first, second = np.cumsum(counts * p)[:-1], np.cumsum((counts * p)[::-1])[::-1][1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (first / below - second / above) ** 2
    if not np.isfinite(between).any():
        return 0.5  # all maps hold one value
    return round(float(min(np.nanargmax(between) / 255, 0.99)), 2)


if __name__ == "__main__":
    torch.set_num_threads(1)  # two threads of one busy core take ten times as long
    main()
