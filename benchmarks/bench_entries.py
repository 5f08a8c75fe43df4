"""Write the entries of `howfar bench` from the run folders of `benchmarks/answer.py`: tables of signals and scores, no images.

One file for each field, primary dataset, model and seed, a row an image. `role` says what its dataset is: a labelled "site",
the primary's own kind ("home"), a "corrupted" version of it, or a "stranger" without the structures (no performance).
`maps` says whether its map was predicted whole or by tiles. The other columns are performance at the model's threshold, what
`howfar assess` reads of image and map, and three columns that rivals need:

pairwise_dice  mean Dice of every two maps of the same architecture's seeds, each at its own threshold (Zenk et al. 2025)
rca            reverse classification accuracy: a random forest on pixels learns the map, and segments labelled images of the
               primary dataset; the best Dice of the six most alike ones (Valindria et al. 2017)
s_otdd         s-OTDD of the dataset's images from the primary's labelled ones: embeddings, the label is the quarter of the
               primary's foreground shares that an image's predicted share (of the primary: its true one) falls in

Of a histogram the values below the threshold are added up in the first: no method reads more, and the file is half as large.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from answer import FIELDS, STRANGERS, Sets, corrupted
from PIL import Image
from record import leave, parser
from scipy import ndimage
from sklearn.ensemble import RandomForestClassifier

import howfar
from howfar.data.binary_masks import read_mask
from howfar.distances import sliced_otdd
from howfar.option_checks_and_signatures import checked
from howfar.options_by_function import RelateOptions
from howfar.pipeline.profile_file import Profile
from howfar.results import Evaluation
from howfar.studies.assessment.score_and_corrupt import TILED, score_file
from howfar.studies.performance.image_performance import MeasuredImages, home_of
from howfar.studies.performance.relate_and_estimate import expectation

SIDE, REFERENCES, TREES, PIXELS = 160, 6, 8, 2000
QUARTERS = (0.25, 0.5, 0.75)
WHOLE, BY_TILES = "whole", "tiled"


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--runs", type=Path, required=True, help="folder of models and run folders that answer.py wrote")
    options.add_argument("--out", type=Path, required=True, help="folder of the entries")
    options.add_argument("--models", nargs="+", required=True, metavar="FIELD-ARCHITECTURE-SEED")
    arguments = options.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    sizes = {}
    for name in arguments.models:
        table = entry(name, arguments.data, arguments.runs)
        write(table, arguments.out / f"{name}.parquet")
        sizes[name] = {"images": len(table), "bytes": (arguments.out / f"{name}.parquet").stat().st_size}
        print(name, sizes[name], flush=True)
    leave("bench_entries", {"entries": sizes}, arguments.json)


def entry(name: str, data: Path, runs: Path) -> pd.DataFrame:
    field = name.partition("-")[0]
    sets, run = FIELDS[field](data), runs / name / "run"
    own, *others = (Evaluation.load(score_file(run, one.name)) for one in (sets[0], *sets[1]))
    comparison, profile = howfar.Comparison.load(run), Profile.load(run)
    given: Any = checked(RelateOptions, {"threshold": own.threshold})
    measured = expectation(comparison, [own, *others], given, rivals=False)[0]
    further = corrupted(run, profile, own.threshold, runs)
    parts = [rows(measured, "site", WHOLE), at_home(own, own.threshold, WHOLE)]
    parts += [] if further is None else [rows(further, "corrupted", WHOLE)]
    tiled = [score_file(run, f"{one.name}{TILED}") for one in (sets[0], *sets[1])]
    if all(file.is_file() for file in tiled):
        evaluations = [Evaluation.load(file) for file in tiled]
        again: Any = checked(RelateOptions, {"threshold": evaluations[0].threshold})
        parts.append(rows(expectation(comparison, evaluations, again, rivals=False)[0], "site", BY_TILES))
        parts.append(at_home(evaluations[0], evaluations[0].threshold, BY_TILES))
    shifts = shift(own, others, sets, runs)
    beside = pd.concat([signals_of_rivals(name, evaluation, own, sets, runs) for evaluation in (own, *others)])
    beside = beside.merge(shifts, on="dataset", how="left").assign(maps=WHOLE)
    table = pd.concat(parts, ignore_index=True).merge(beside, on=["dataset", "image", "maps"], how="left")
    return pd.concat([table, strangers(name, runs)], ignore_index=True)


def rows(measured: MeasuredImages, role: str, maps: str) -> pd.DataFrame:
    """List images with their columns and performance."""
    frame = measured.images[["dataset", "image"]].reset_index(drop=True).assign(role=role, maps=maps)
    return frame.assign(performance=measured.scores.performance, **listed(measured.columns, measured.scores.threshold))


def at_home(own: Evaluation, threshold: float | None, maps: str) -> pd.DataFrame:
    home = home_of(own, threshold, None)
    assert home is not None
    images = [group.partition("/")[2] for group in home.groups]
    frame = pd.DataFrame({"dataset": home.sets, "image": images, "role": "home", "maps": maps, "performance": home.performance})
    return frame.assign(**listed(home.columns, threshold))


def strangers(name: str, runs: Path) -> pd.DataFrame:
    """List images of sets without the structures, with what the gate reads of them."""
    run = runs / name / "strangers"
    images, wanted = howfar.Comparison.load(run).images, STRANGERS[name.partition("-")[0]]
    images = images[images["dataset"].isin(wanted)]
    frame = images[["dataset", "image"]].assign(role="stranger", maps=WHOLE, performance=np.nan)
    frame = frame.assign(**{one.removeprefix("gate_"): images[one] for one in images if one.startswith("gate_")})
    frame = frame.rename(columns={"distance": "i_dist"})
    maps = [read_signals(run, one) for one in wanted]
    return frame.merge(pd.concat(maps, ignore_index=True), on=["dataset", "image"], how="left")


def read_signals(run: Path, dataset: str) -> pd.DataFrame:
    found = Evaluation.load(score_file(run, dataset)).images
    columns = [name for name in SIGNALS if name in found]
    return found[["dataset", "image", *columns]]


SIGNALS = (
    "predicted_foreground",
    "foreground_width",
    "pixels",
    "tile_agreement",
    "average_confidence",
    "flip_agreement",
    "soft_f",
)


def listed(columns: Any, threshold: float | None) -> dict[str, Any]:
    """Return columns for a table: of a histogram, what lies below the threshold is added up in the first value."""
    at = int(np.ceil(255 * (0.5 if threshold is None else threshold)))
    found: dict[str, Any] = {}
    for name, values in columns.items():
        found[name] = values
        if name == "histogram":
            lumped = np.array(values, dtype=np.float64)
            lumped[:, 0], lumped[:, 1:at] = values[:, :at].sum(axis=1), 0.0
            found[name] = [None if np.isnan(row).any() else row.astype(np.int32).tolist() for row in lumped]
    return found


def write(table: pd.DataFrame, file: Path) -> None:
    """Write a table: numbers as float32 but for performance, sorted columns compressed well."""
    for name in table.columns:
        if table[name].dtype == np.float64 and name != "performance":
            table[name] = table[name].astype(np.float32)
    numbers = [name for name in table.columns if table[name].dtype.kind == "f"]
    stored = pa.Table.from_pandas(table, preserve_index=False)
    split = dict.fromkeys(numbers, "BYTE_STREAM_SPLIT")
    texts = ["dataset", "image", "role", "maps"]
    if "histogram" in table:
        split["histogram.list.element"] = "DELTA_BINARY_PACKED"
    pq.write_table(
        stored, file, compression="zstd", compression_level=19, use_dictionary=texts, column_encoding=split, store_schema=False
    )


def signals_of_rivals(name: str, evaluation: Evaluation, own: Evaluation, sets: Sets, runs: Path) -> pd.DataFrame:
    """Compute pairwise Dice with the other seeds, and reverse classification accuracy, of a dataset's images."""
    field, architecture, _ = name.split("-")
    images = evaluation.images
    frame = images[["dataset", "image"]].reset_index(drop=True)
    maps = [np.asarray(Image.open(path)) for path in images["prediction"]]
    cut = 255 * (own.threshold or 0.5)
    others = [folder for folder in sorted(runs.glob(f"{field}-{architecture}-*")) if folder.name != name]
    members = [members_of(folder / "run", evaluation.dataset, own.dataset) for folder in others]
    if members:
        frame["pairwise_dice"] = [
            agreement(each > cut, [member.get(image) for member in members])
            for each, image in zip(maps, frame["image"], strict=True)
        ]
    return frame.assign(rca=list(reverse_accuracy(evaluation, own, maps, cut, sets)))


def members_of(run: Path, dataset: str, primary: str) -> dict[str, Any]:
    """Return another seed's foreground by image: the primary's held-out images are not those of this seed."""
    threshold = 255 * (Evaluation.load(score_file(run, primary)).threshold or 0.5)
    images = Evaluation.load(score_file(run, dataset)).images
    return {
        image: np.asarray(Image.open(path)) > threshold
        for image, path in zip(images["image"], images["prediction"], strict=True)
    }


def agreement(own: Any, others: list[Any]) -> float:
    """Compute the mean Dice of every two members; NaN if one of them has no map of the image."""
    if any(other is None for other in others):
        return float("nan")
    return float(np.mean([dice(a, b) for a, b in combinations([own, *others], 2)]))


def dice(a: Any, b: Any) -> float:
    total = int(a.sum()) + int(b.sum())
    return 1.0 if total == 0 else 2.0 * int((a & b).sum()) / total


def reverse_accuracy(evaluation: Evaluation, own: Evaluation, maps: list[Any], cut: float, sets: Sets) -> Iterator[float]:
    """Yield each image's reverse classification accuracy by the primary's evaluated images."""
    masks = {item.name: item.mask for item in sets[0].items}
    references = [
        (image, *pixels(Path(path)), small(read_mask(masks[image])))
        for image, path in zip(own.images["image"], own.images["path"], strict=True)
    ]
    rng = np.random.default_rng(0)
    for image, path, each in zip(evaluation.images["image"], evaluation.images["path"], maps, strict=True):
        x, look = pixels(Path(path))
        y = small(each > cut).ravel()
        near = sorted((one for one in references if one[0] != image), key=lambda one: float(np.sum((one[2] - look) ** 2)))[
            :REFERENCES
        ]
        chosen = rng.choice(len(y), min(PIXELS, len(y)), replace=False)
        if len(np.unique(y[chosen])) < 2:
            yield 0.0
            continue
        model = RandomForestClassifier(
            TREES, max_depth=10, min_samples_leaf=4, class_weight="balanced_subsample", random_state=0
        )
        model.fit(x[chosen], y[chosen])
        yield max(dice(model.predict_proba(one[1])[:, 1] > 0.5, one[3].ravel()) for one in near)


def pixels(path: Path) -> tuple[Any, Any]:
    """Compute features of an image's pixels, (pixels, 10), and its look, the mean and deviation of colours."""
    image = Image.open(path).convert("RGB")
    image.thumbnail((SIDE, SIDE), Image.Resampling.BILINEAR)
    rgb = np.asarray(image, dtype=np.float32) / 255
    grey = rgb.mean(axis=2)
    smooth = [ndimage.gaussian_filter(grey, sigma) for sigma in (1, 2, 4, 8)]
    edges = [ndimage.gaussian_gradient_magnitude(grey, sigma) for sigma in (1, 2)]
    stacked = np.dstack(
        [rgb, grey - smooth[1], grey - smooth[3], smooth[0] - smooth[2], smooth[1] - smooth[3], *edges, smooth[2]]
    )
    return stacked.reshape(-1, stacked.shape[2]), np.concatenate([rgb.mean(axis=(0, 1)), rgb.std(axis=(0, 1))])


def small(mask: Any) -> Any:
    image = Image.fromarray(np.asarray(mask, dtype=np.uint8) * 255)
    image.thumbnail((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.asarray(image) > 127


def shift(own: Evaluation, others: list[Evaluation], sets: Sets, runs: Path) -> pd.DataFrame:
    """Compute s-OTDD of every site's images from the primary's labelled ones."""
    by_dataset = {one.name: one for one in (sets[0], *sets[1])}
    reference, true = embedded(by_dataset[own.dataset], own, runs), own.images["foreground"].to_numpy(dtype=float)
    centre, spread = reference.mean(axis=0), float(reference.std())
    edges = np.quantile(true, QUARTERS)
    found = []
    for other in others:
        shares = other.images["predicted_foreground"].to_numpy(dtype=float)
        sides = [(x - centre) / spread for x in (embedded(by_dataset[other.dataset], other, runs), reference)]
        labels = [np.searchsorted(edges, values) for values in (shares, true)]
        found.append({"dataset": other.dataset, "s_otdd": sliced_otdd(*sides, *labels)})
    return pd.DataFrame(found)


def embedded(dataset: howfar.Dataset, evaluation: Evaluation, runs: Path) -> Any:
    """Return the features of the evaluated images."""
    known = set(evaluation.images["image"])
    chosen = replace(dataset, items=tuple(item for item in dataset.items if item.name in known))
    features = howfar.embed(chosen, store=runs / "store", progress=False)
    place = {image: row for row, image in enumerate(features.images)}
    rows = features.rows.rows(0, features.rows.shape[0]).astype(np.float64)
    return rows[[place[image] for image in evaluation.images["image"]]]


if __name__ == "__main__":
    main()
