"""Run the paper's study of edges (fig. 2): whether segmenters mark edges on images without foreground."""

from functools import partial
from itertools import combinations
from typing import Any, Final

import numpy as np
import pandas as pd
from PIL import Image
from pydantic import Field

from howfar import options
from howfar.data import Dataset, decode, read_bytes
from howfar.data.prediction_maps import map_paths, read_prediction
from howfar.metrics.image_structure import edge_preference
from howfar.paper.study_common import AdaptationName, SomeModels, adapted, baseline_file, baseline_models, baseline_seed
from howfar.pipeline.prediction import load_model, predict
from howfar.progress import bar
from howfar.random_streams import stream
from howfar.results import Provenance, Skipped
from howfar.results.adaptation_result import BASELINE
from howfar.results.display_and_shared_records import matching
from howfar.results.segmenter_studies import EdgeDifference, Edges, ModelEdges
from howfar.significance.bootstrap import average, image_weights
from howfar.studies.study_file.kind import DatasetName, KindSettings, StudyKind, Work, setting
from howfar.studies.study_file.read_study_file import Inputs
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


def _models(settings: EdgesSettings, inputs: Inputs) -> tuple[str, ...]:
    return baseline_models(inputs, settings.of, settings.models)


def _check(settings: EdgesSettings, inputs: Inputs) -> None:
    _models(settings, inputs)


def _run(settings: EdgesSettings, inputs: Inputs) -> Edges:
    dataset = drawn(inputs.dataset(settings.dataset), settings.limit, settings.seed)
    seed, studied = baseline_seed(inputs, settings.of), adapted(inputs, settings.of)
    names = _models(settings, inputs)
    trained: dict[str, Any] = {name: matching(studied[name].models, model=BASELINE, seed=seed).iloc[0] for name in names}
    mapped = [_mapped(name, dataset, float(row["threshold"]), settings.of, inputs) for name, row in trained.items()]
    images = pd.concat([frame for frame, _ in mapped], ignore_index=True)
    weights = partial(image_weights, draws=settings.bootstrap, seed=[settings.seed, _STREAM])
    models = []
    for name, row in trained.items():
        own, ods = matching(images, model=name), row["held_out_ods"]
        measures = {each: average(own[each].to_numpy(dtype=np.float64), weights(len(own))) for each in _MEASURES}
        blank, ods = int(own["edges"].isna().sum()), None if pd.isna(ods) else float(ods)
        segmenter = inputs.model(name).segmenter
        models.append(ModelEdges(name, segmenter, float(row["threshold"]), ods, n=len(own), blank=blank, **measures))
    by_model = images.pivot(index="image", columns="model", values="edges").astype(np.float64)
    differences = (
        EdgeDifference(one, other, average(by_model[one] - by_model[other], weights(len(by_model))))
        for one, other in combinations(trained, 2)
    )
    # A random sample of images for the figure, in their order.
    shown = images["image"].unique()
    chosen = stream(settings.seed, "edges").choice(len(shown), min(settings.images, len(shown)), replace=False)
    return Edges(
        dataset=settings.dataset,
        of=settings.of,
        seed=seed,
        models=tuple(models),
        differences=tuple(differences),
        shown=tuple(map(str, shown[np.sort(chosen)])),
        images=images,
        provenance=Provenance.now(),
        skipped=tuple(dict.fromkeys(each for _, skipped in mapped for each in skipped)),
    )


def _mapped(name: str, dataset: Dataset, threshold: float, of: str, inputs: Inputs) -> tuple[pd.DataFrame, tuple[Skipped, ...]]:
    """Predict a model's missing maps, and measure all its maps."""
    progress, folder = inputs.execution.progress, inputs.folder / MAPS / name
    predicted = predict(load_model(baseline_file(inputs, of, name), device=inputs.device), dataset, folder, progress=progress)
    places = {path: item for path, item in map_paths(folder, dataset).items() if path.is_file()}
    rows: list[dict[str, Any]] = []
    for path, item in bar(places.items(), progress=progress, total=len(places), desc=f"edges by {name}", unit="image"):
        own = {"path": str(item.path), "map": path.relative_to(inputs.folder).as_posix()}
        picture = decode(read_bytes(item.path)).image.convert("RGB")
        values: Any = read_prediction(path).values
        p = values / 255.0
        scale = min(1.0, SIDE / max(picture.size))
        size = (max(1, round(scale * picture.width)), max(1, round(scale * picture.height)))
        shrunk = (np.asarray(each.resize(size, Image.Resampling.BOX)) for each in (Image.fromarray(values), picture))
        edges = edge_preference(*shrunk)
        measures = {"foreground": float((p > threshold).mean()), "probability": float(p.mean())}
        rows.append({"model": name, "image": item.name, **own, **measures, "edges": np.nan if edges is None else edges})
    return pd.DataFrame(rows), predicted.skipped


def _work(settings: EdgesSettings, inputs: Inputs) -> Work:
    count = len(drawn(inputs.dataset(settings.dataset), settings.limit, settings.seed))
    return Work(predicted=dict.fromkeys(_models(settings, inputs), count))


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
