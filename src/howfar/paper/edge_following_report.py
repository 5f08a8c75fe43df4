"""Report the paper's study of edges (fig. 2): whether segmenters mark edges on images without foreground."""

from functools import partial
from pathlib import Path
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from howfar.errors import check_at_least
from howfar.figures import Caption, registered, registration, style
from howfar.figures.contact_sheets import Thumbnail, extent, probabilities, square, thumbnail
from howfar.formatting_and_escaping import share, signed
from howfar.report import section as doc
from howfar.results.display_and_shared_records import Interval
from howfar.results.segmenter_studies import Edges, ModelEdges

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
