"""Run and report the paper's study of edges (fig. 2): whether segmenters mark edges on images without foreground."""

from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from pydantic import Field

from howfar import options
from howfar.data import Dataset, decode, read_bytes
from howfar.data.prediction_maps import map_paths, read_prediction
from howfar.errors import check_at_least
from howfar.figures import Caption, registered, registration, style
from howfar.figures.contact_sheets import Thumbnail, extent, probabilities, square, thumbnail
from howfar.formatting_and_escaping import share, signed
from howfar.metrics.image_structure import edge_preference
from howfar.paper.study_common import AdaptationName, SomeModels, adapted, baseline_file, baseline_models, baseline_seed
from howfar.pipeline.prediction import load_model, predict
from howfar.progress import bar
from howfar.random_streams import stream
from howfar.report import section as doc
from howfar.results import Provenance, Skipped
from howfar.results.adaptation_result import BASELINE
from howfar.results.display_and_shared_records import Interval, matching
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


_STEP: Final = 1.05
_LABELS: Final = 0.72
"""Width of the column of names, in pictures."""
_FEWEST: Final = 4
"""Columns that there is room for: 144 pixels look coarse in larger pictures."""
_NUMBER: Final = 0.2
PAPERS: Final = "deepcrack"
"""The segmenter of which the paper says that it draws edges."""
LIMITS: Final = (
    "A strong gradient is not always an edge: texture has one too. The measure says that a map goes with what changes in the "
    "image, not with which objects end there.",
    "It compares ranks, so that a map of faint traces along every edge scores as one of certain lines: read it beside the mean "
    "probability.",
    "Each model is M of one seed; another training, or a longer one, may draw otherwise: see how well it does on P. Intervals "
    "are over images alone.",
)


def _caption(result: Edges) -> Caption:
    values = [f"{each.model} mean probability {each.probability}, follows edges {each.edges}" for each in result.models]
    return Caption(
        f"What the trained models draw on {result.dataset}",
        f"One row a model: M of {result.of}, trained with seed {result.seed}. One column an image of {result.dataset}, drawn "
        "with the seed. White is certain foreground. Under each map the rank correlation of map and gradient, which is higher "
        "the more the map follows edges.",
        f"Rows of small pictures. {'; '.join(values)}.",
    )


@registered(_caption, vector=False)
@style.drawing()
def edges_rows(result: Edges, *, folder: str | Path = ".", limit: int = 12) -> Figure:
    """Draw a row of photographs, and below a row of probability maps for each of the first `limit` models.

    After fig. 2 of Achara & Pandey. Where a map is shrunk, a pixel has the highest probability that it covers, so that thin
    lines stay. The maps lie below `folder`, the study's.
    """
    check_at_least(1, limit=limit)
    by_image = {image: own.set_index("model") for image, own in result.images.groupby("image", sort=False)}
    shown = [by_image[image] for image in result.shown]
    photographs = [thumbnail(str(own["path"].iloc[0])) for own in shown]
    high = max((extent(each.pixels)[1] for each in photographs if each.pixels is not None), default=1.0)
    across = _LABELS + max(len(shown), _FEWEST) * _STEP
    lines = len(result.models[:limit])
    figure, axes = style.picture_sheet(across, high + 0.06 + lines * (high + _NUMBER), top=-0.02)
    _label(axes, "photograph", "", high / 2)
    for position, (image, picture) in enumerate(zip(result.shown, photographs, strict=True)):
        square(axes, picture, f"photograph:{image}", _LABELS + position * _STEP, (high - 1) / 2)
    for line, each in enumerate(result.models[:limit]):
        model, top = each.model, high + 0.06 + line * (high + _NUMBER)
        mean = "" if each.edges.value is None else f"mean {signed(each.edges.value)}"
        _label(axes, style.name_text(model, 14), mean, top + high / 2)
        for position, (image, own) in enumerate(zip(result.shown, shown, strict=True)):
            left, there = _LABELS + position * _STEP, model in own.index
            picture = probabilities(Path(folder) / str(own.loc[model, "map"])) if there else Thumbnail(None, "not made")
            square(axes, picture, f"{model}:{image}", left, top + (high - 1) / 2)
            value = float(own["edges"].loc[model]) if there else float("nan")
            number = "the same everywhere" if value != value else signed(value)
            below = high if picture.pixels is None else (high + extent(picture.pixels)[1]) / 2
            style.words_below(axes, left + 0.5, top + below + 0.02, number, 7.5)
    left_out = "" if len(result.models) <= limit else f" The first {limit} of {len(result.models)} models are shown."
    note = f"White is certain foreground; under each map how far it follows edges, from −1 to 1.{left_out}"
    return style.head(figure, f"What the trained models draw on {style.name_text(result.dataset)}", note)


def _label(axes: Axes, name: str, number: str, middle: float) -> None:
    keywords: dict[str, Any] = {"fontsize": 9, "color": style.INK, "ha": "right", "va": "center", "parse_math": False}
    axes.text(_LABELS - 0.08, middle - (0.05 if number else 0), name, fontweight="bold", **keywords)
    if number:
        axes.text(_LABELS - 0.08, middle + 0.09, number, **{**keywords, "fontsize": 7.5, "color": style.MUTED})


def section(result: Edges, context: doc.Context) -> doc.Section:
    """Build the section of a study of edges."""
    n = result.models[0].n
    how = (
        f"Means over {n} {doc.plural(n, 'image', 'images')}, with 95 % bootstrap intervals. Follows edges: Spearman's rank "
        "correlation, over the pixels of an image, of the map with the strength of the image's gradient (Sobel); 0 has nothing "
        "to do with edges."
    )
    most = max((each.edges.value for each in result.models if each.edges.value is not None), default=None)
    held_out = "on the held-out photographs of P: how well the model does what it was trained for"
    blank = "images whose map is the same everywhere, which have no correlation"
    cell = partial(doc.interval_cell, write=partial(doc.unsigned, decimals=3))

    def follows(each: ModelEdges) -> doc.Cell:
        return cell(each.edges, strong=len(result.models) > 1 and each.edges.value == most)

    models = doc.tabulate(
        result.models,
        ("model", "", lambda each: doc.Cell(each.model)),
        ("ODS on P", held_out, lambda each: doc.decimal(each.held_out_ods)),
        ("threshold", "tuned on the same photographs", lambda each: doc.decimal(each.threshold, 2)),
        ("foreground", "share of an image above the threshold", lambda each: cell(each.foreground)),
        ("mean probability", "", lambda each: cell(each.probability)),
        ("follows edges", "rank correlation of map and gradient, mean over the images", follows),
        ("blank", blank, lambda each: doc.count(each.blank)),
    )
    differences = doc.tabulate(
        result.differences,
        ("models", "", lambda each: doc.Cell(f"{each.model} − {each.other}")),
        ("difference", "", lambda each: doc.interval_cell(each.edges, doc.three)),
    )
    same = "Difference of the rank correlations of map and gradient on the same images, with its 95 % bootstrap interval."
    apart = doc.TablePart("differences", "How much more one model follows edges than another", differences, same)
    caption = registration("edges_rows", edges_rows).caption(result)
    parts: list[doc.Part] = [
        doc.FigurePart("rows", partial(edges_rows, result, folder=context.folder), caption, "Figure 2"),
        doc.TablePart("models", f"What the models draw on {result.dataset}", models, how),
        *([apart] if result.differences else []),
    ]
    shares = [f"{each.model} {share(each.foreground.value or 0.0)}" for each in result.models]
    draws = doc.plural(len(shares), "the model draws", "the models draw")
    sentences = [f"Of an image {draws} as foreground, at the threshold tuned on P: {doc.listing(shares, 6)}."]

    # The paper says of fig. 2 that DeepCrack follows edges more than the other models.
    own = next((each.model for each in result.models if each.segmenter == PAPERS), "")
    gaps = {each.model: _between(result, own, each.model) for each in result.models if each.segmenter != PAPERS}
    gaps = {name: gap for name, gap in gaps.items() if gap.value is not None}
    if gaps:
        said = doc.listing([f"{gap.signed(2)} against {name}" for name, gap in gaps.items()], 6)
        verdict = "does not hold here against every model"
        if all(gap.clear and (gap.value or 0.0) > 0 for gap in gaps.values()):
            verdict = "holds here"
        elif all(gap.clear and (gap.value or 0.0) < 0 for gap in gaps.values()):
            verdict = "is the other way round here"
        sentences.insert(0, f"The paper's claim that its model DC (here {own}) follows edges more {verdict}: {said}.")
    return doc.Section(lead(result), parts, sentences, LIMITS)


def lead(result: Edges) -> str:
    """Name the model that follows edges most, and state whether its lead is beyond chance."""
    known = [each for each in result.models if each.edges.value is not None]
    ordered = sorted(known, key=lambda each: -float(each.edges.value or 0.0))
    if not ordered:
        return f"No model draws anything on {result.dataset} that differs within an image."
    first = ordered[0]
    said = f"{first.model} follows the edges of {result.dataset} with a rank correlation of {first.edges.signed(2)}"
    if len(ordered) == 1:
        return f"{said}."
    unclear = [each.model for each in ordered[1:] if not _between(result, first.model, each.model).clear]
    sure = f"; beyond chance not more than {doc.listing(unclear)}" if unclear else ", more than every other model"
    return f"Of {len(result.models)} models {said}{sure}."


def _between(result: Edges, one: str, other: str) -> Interval:
    """Return the difference between two models, the first minus the second."""
    gaps = {(each.model, each.other): each.edges for each in result.differences}
    return -gaps[other, one] if (other, one) in gaps else gaps.get((one, other), Interval(None))
