"""Measure a frozen EfficientNet-Lite0 under small decoders: seconds and performance, on P and with seven labels of a site.

The images are research data and do not come with the project: --data names a folder that holds one folder a set. P is 300 of
the DeepCrack tiles. Half of the site's photographs may be labelled, of which seven are drawn; models are scored on the other
half and on P's held-out photographs, at the threshold tuned on these. Each model M goes on from its weights in three ways: with
P and the seven images as they are, with batches that are half of them (120 steps), and with the seven alone. A frozen M that is
in --out already is not trained again, and has no seconds then. With --models, a folder of UNet++'s checkpoints of the same P,
size and seeds (unetplusplus-SEED.safetensors), UNet++ stands beside it, with the seven alone. Seconds are the process's own on
one core, so that other programs on the machine do not count, and include reading the images.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from record import leave, parser

import howfar
from adaptation import dataset, primary
from howfar.segmenters.checkpoint import Checkpoint
from howfar.training.image_mask_pairs import examples_of, split

USUAL: dict[str, Any] = {"size": 160, "device": "cpu", "progress": False}
LABELS = 7


def main() -> None:
    accepted = parser(__doc__ or "")
    accepted.add_argument("--data", type=Path, required=True)
    accepted.add_argument("--out", type=Path, required=True, help="folder of the checkpoints and maps")
    accepted.add_argument("--models", type=Path, help="folder of UNet++'s checkpoints")
    accepted.add_argument("--site", default="cfd")
    accepted.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2))
    accepted.add_argument("--decoders", nargs="+", default=("conv", "linear"))
    accepted.add_argument("--epochs", type=int, default=8, help="on P")
    accepted.add_argument("--ways", nargs="+", default=("beside P", "half", "alone"))
    accepted.add_argument("--more", type=int, default=4, help="on P and the labels of the site")
    accepted.add_argument("--steps", type=int, default=120, help="in the way half")
    accepted.add_argument("--alone", type=int, default=30, help="on the labels of the site alone, a step each")
    arguments = accepted.parse_args()
    torch.set_num_threads(1)
    rows = []
    for seed in arguments.seeds:
        for options in [*({"decoder": decoder} for decoder in arguments.decoders), *([{}] if arguments.models else [])]:
            found = measured(arguments, "frozen" if options else "unetplusplus", options, seed)
            print(*found, sep="\n", flush=True)
            rows += found
    leave("frozen_encoder", {"site": arguments.site, "labels": LABELS, "rows": rows}, arguments.json)


def measured(arguments: Any, model: str, options: dict[str, Any], seed: int) -> list[dict[str, Any]]:
    """Train on P, and go on from there with the labels of the site in each way; score all."""
    p, (pool, scored) = primary(arguments.data, 300), halves(dataset(arguments.site, arguments.data), seed)
    listed, seven = arguments.out / f"{arguments.site}-{seed}.txt", replace(pool, items=pool.items[:LABELS])
    listed.parent.mkdir(parents=True, exist_ok=True)
    listed.write_text("".join(f"{item.name}\n" for item in seven.items), encoding="utf-8")
    name = "-".join([model, *options.values(), str(seed)])
    usual = {**USUAL, "seed": seed, "options": options}
    kept = {example.name for example in split(examples_of(p), 0.1, seed)[1]}
    sets = {"site": scored, "primary": replace(p, items=tuple(item for item in p.items if item.name in kept))}
    folder = arguments.out / name
    first = Path(f"{folder}.safetensors") if model == "frozen" else arguments.models / f"{model}-{seed}.safetensors"
    if first.is_file():
        before, seconds = Checkpoint.load(first), None
    else:
        before, seconds = timed(p, model, first, {**usual, "epochs": arguments.epochs})
    more = {**usual, "start": before, "add": [(pool, listed)], "epochs": arguments.more}
    calls = {
        "beside P": (p, more),
        "half": (p, {**more, "balance": 0.5, "steps": arguments.steps}),
        "alone": (seven, {**usual, "start": before, "epochs": arguments.alone, "holdout": 0}),
    }
    ways = {}
    for way in arguments.ways if model == "frozen" else ("alone",):
        images, given = calls[way]
        ways[way] = timed(images, model, Path(f"{folder}-{way}.safetensors"), given)
    rows = []
    for labels, (made, spent) in {"none": (before, seconds), **ways}.items():
        # Nothing is held out of seven images: the threshold is the one before them.
        threshold = before.card.threshold if labels == "alone" else made.card.threshold
        scores = {part: score(made, whole, threshold, Path(f"{folder}-{labels}-{part}")) for part, whole in sets.items()}
        rows.append({"model": model, **options, "seed": seed, "labels": labels, "seconds": spent, **scores})
    return rows


def halves(whole: howfar.Dataset, seed: int) -> tuple[howfar.Dataset, howfar.Dataset]:
    """Divide a dataset of single photographs into those that may be labelled, in a random order, and those that are scored."""
    order = np.random.default_rng(seed).permutation(len(whole.items)).tolist()
    half = len(order) // 2
    return (
        replace(whole, items=tuple(whole.items[at] for at in order[:half])),
        replace(whole, items=tuple(whole.items[at] for at in sorted(order[half:]))),
    )


def timed(images: howfar.Dataset, model: str, out: Path, given: dict[str, Any]) -> tuple[Checkpoint, float]:
    """Train, and tell the seconds that this process computed."""
    start = time.process_time()
    made = howfar.train(images, model, out, **given)
    return made, round(time.process_time() - start, 1)


def score(checkpoint: Checkpoint, images: howfar.Dataset, threshold: float | None, maps: Path) -> dict[str, float]:
    """Score a checkpoint on images: ODS, and mean F at the threshold."""
    howfar.predict(checkpoint, images, maps, device="cpu", progress=False)
    found = howfar.evaluate(images, maps, threshold=threshold, progress=False)
    return {name: round(float(found.scores[name] or 0), 4) for name in ("ods", "mean_f")}


if __name__ == "__main__":
    main()
