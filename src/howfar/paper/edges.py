"""Run the study of edges (fig. 2): measure what trained models mark on images without foreground."""

from __future__ import annotations

from itertools import combinations
from typing import Any, Final

import numpy as np
import pandas as pd
from PIL import Image
from pydantic import Field

from howfar import options
from howfar.arrays import Float64Array
from howfar.data import Dataset, decode, read_bytes
from howfar.data.predictions import map_paths, read_prediction
from howfar.metrics.image_structure import edge_preference
from howfar.paper.baseline_models import AdaptationName, SomeModels, baseline_file, baseline_models, baseline_seed
from howfar.pipeline.prediction import load_model, predict
from howfar.progress import bar
from howfar.results import Provenance, Skipped
from howfar.results.adaptation_result import BASELINE, Adaptations
from howfar.results.records import matching
from howfar.results.segmenter_studies import EdgeDifference, Edges, ModelEdges
from howfar.significance.bootstrap import average, image_weights
from howfar.streams import stream
from howfar.studies.study_file.inputs import Inputs
from howfar.studies.study_file.kind import DatasetName, KindSettings, StudyKind, Work, setting
from howfar.studies.study_inputs import drawn

MAPS: Final = "maps"
SIDE: Final = 512
"""Larger images are shrunk to this longer side, in pixels, before edges are sought."""
_STREAM: Final = 7
_MEASURES: Final = ("foreground", "probability", "edges")


class EdgesSettings(KindSettings):
    """Hold the settings of the study of edges."""

    of: AdaptationName = Field(
        min_length=1, description="The study of adaptation whose models M, of its first seed, are looked at."
    )
    dataset: DatasetName = Field(description="A dataset without what they were trained for; no masks are needed.")
    models: SomeModels = Field((), description="The models of that study to look at; by default all.")
    images: int = Field(4, ge=1, description="Show this many images, drawn with the seed; all are measured.")
    limit: int | None = setting(options.Limit)
    bootstrap: int = setting(options.Bootstrap)
    seed: int = setting(options.Seed)


def _check(settings: EdgesSettings, inputs: Inputs) -> None:
    baseline_models(inputs, settings.of, settings.models)


def _run(settings: EdgesSettings, inputs: Inputs) -> Edges:
    dataset = drawn(inputs.dataset(settings.dataset), settings.limit, settings.seed)
    names = baseline_models(inputs, settings.of, settings.models)
    frames, skipped = [], list[Skipped]()
    for name in names:
        frame, left_out = _mapped(name, dataset, settings, inputs)
        frames.append(frame)
        skipped += left_out
    images = pd.concat(frames, ignore_index=True)
    return Edges(
        dataset=settings.dataset,
        of=settings.of,
        seed=baseline_seed(inputs, settings.of),
        models=tuple(_summary(name, images, settings, inputs) for name in names),
        differences=tuple(_difference(one, other, images, settings) for one, other in combinations(names, 2)),
        shown=_shown(images, settings),
        images=images,
        provenance=Provenance.now(),
        skipped=tuple(dict.fromkeys(skipped)),
    )


def _mapped(name: str, dataset: Dataset, settings: EdgesSettings, inputs: Inputs) -> tuple[pd.DataFrame, tuple[Skipped, ...]]:
    """Predict a model's missing maps, and measure all its maps."""
    progress = inputs.execution.progress
    folder = inputs.folder / MAPS / name
    model = load_model(baseline_file(inputs, settings.of, name), device=inputs.device)
    predicted = predict(model, dataset, folder, progress=progress)
    threshold = _of_m("threshold", name, settings, inputs)
    places = {path: item for path, item in map_paths(folder, dataset).items() if path.is_file()}
    rows: list[dict[str, Any]] = []
    for path, item in bar(places.items(), progress=progress, total=len(places), desc=f"edges by {name}", unit="image"):
        own = {"path": str(item.path), "map": path.relative_to(inputs.folder).as_posix()}
        p = read_prediction(path).values
        picture = decode(read_bytes(item.path)).image.convert("RGB")
        rows.append({"model": name, "image": item.name, **own, **_measured(p, picture, threshold)})
    return pd.DataFrame(rows), predicted.skipped


def _measured(values: Any, picture: Image.Image, threshold: float) -> dict[str, float]:
    """Measure a map of 8-bit probabilities: the share above the threshold, the mean, and the agreement with edges."""
    p = values / 255.0
    scale = min(1.0, SIDE / max(picture.size))
    size = (max(1, round(scale * picture.width)), max(1, round(scale * picture.height)))
    shrunk = (np.asarray(each.resize(size, Image.Resampling.BOX)) for each in (Image.fromarray(values), picture))
    edges = edge_preference(*shrunk)
    share = float((p > threshold).mean())
    return {"foreground": share, "probability": float(p.mean()), "edges": np.nan if edges is None else edges}


def _of_m(column: str, name: str, settings: EdgesSettings, inputs: Inputs) -> float:
    """Return M's threshold, or its ODS on held-out photographs (NaN without any), from the adaptation study."""
    study: Adaptations = inputs.results[settings.of]  # type: ignore[assignment]  # the reference names this kind alone
    own = matching(study[name].models, model=BASELINE, seed=baseline_seed(inputs, settings.of))
    return float(pd.to_numeric(own[column]).iloc[0])


def _summary(name: str, images: pd.DataFrame, settings: EdgesSettings, inputs: Inputs) -> ModelEdges:
    own = matching(images, model=name)
    weights, ods = _weights(len(own), settings), _of_m("held_out_ods", name, settings, inputs)
    return ModelEdges(
        model=name,
        segmenter=inputs.model(name).segmenter,
        threshold=_of_m("threshold", name, settings, inputs),
        held_out_ods=None if ods != ods else ods,
        n=len(own),
        blank=int(own["edges"].isna().sum()),
        **{measure: average(own[measure].to_numpy(dtype=np.float64), weights) for measure in _MEASURES},
    )


def _difference(one: str, other: str, images: pd.DataFrame, settings: EdgesSettings) -> EdgeDifference:
    """Compute the mean difference between two models on images where both have a correlation."""
    by_model = images.pivot(index="image", columns="model", values="edges")
    values = (by_model[one] - by_model[other]).to_numpy(dtype=np.float64)
    return EdgeDifference(one, other, average(values, _weights(len(values), settings)))


def _weights(n: int, settings: EdgesSettings) -> Float64Array | None:
    """Return each image's count in each resample, equal for all models."""
    return image_weights(n, settings.bootstrap, [settings.seed, _STREAM])


def _shown(images: pd.DataFrame, settings: EdgesSettings) -> tuple[str, ...]:
    """Draw a random sample of images for the figure, in their order."""
    names = images["image"].unique()
    chosen = stream(settings.seed, "edges").choice(len(names), min(settings.images, len(names)), replace=False)
    return tuple(str(names[position]) for position in np.sort(chosen))


def _work(settings: EdgesSettings, inputs: Inputs) -> Work:
    count = len(drawn(inputs.dataset(settings.dataset), settings.limit, settings.seed))
    return Work(predicted=dict.fromkeys(baseline_models(inputs, settings.of, settings.models), count))


EDGES = StudyKind(
    name="edges",
    title="What do the models draw where there is nothing to find?",
    summary="Maps of trained models on a dataset without foreground, and how far they follow edges (figure 2).",
    settings=EdgesSettings,
    run=_run,
    result=Edges,
    work=_work,
    check=_check,
)
