"""Report the study of scenes: closest and farthest categories, their violins and images, and how far backbones agree."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from howfar.figures.registration import Caption
from howfar.figures.scenes import scene_images, scene_violins
from howfar.numbers import format_interval
from howfar.report.parts import Context, FigurePart, Part, Section, TablePart
from howfar.report.scenes import paper, tables
from howfar.report.text import listing
from howfar.results.scenes import End, Scenes

NAMED = 3


def section(result: Scenes, context: Context) -> Section:
    """Make the section of a study of scenes."""
    return Section(
        lead=lead(result),
        sentences=[*_shared(result), *_agreement(result), *_by_relative(result)],
        parts=[
            TablePart("categories", "The categories and their images", tables.categories(result), label="Table 7"),
            TablePart("backbones", "The backbones and their features", tables.backbones(result), label="Table 8"),
            *(part for place, primary in enumerate(result.primaries, 1) for part in _of_primary(result, primary, place)),
            *_agreement_part(result),
        ],
        limits=_limits(result),
    )


def lead(result: Scenes) -> str:
    """Name the closest categories to each primary one by the first backbone, and say how far backbones agree on the order."""
    first = result.names()[0]
    count = min(NAMED, result.k) if len(result.primaries) <= NAMED else 1
    head, *rest = [(primary, listing(result.closest(primary, first)[:count])) for primary in result.primaries]
    verb, what = ("is", "closest category") if count == 1 else ("are", f"{count} closest categories")
    closest = [f"to {head[0]} {verb} {head[1]}", *(f"to {primary} {names}" for primary, names in rest)]
    text = f"By {first} the {what} {_joined(closest)}"
    taus = result.agreement["kendall"].dropna()
    if not len(taus):
        return f"{text}."
    span = f"{taus.min():.2f}" if len(taus) == 1 else f"{taus.min():.2f} to {taus.max():.2f}"
    return f"{text}; two backbones agree on the order of all with Kendall's τ {span}.".replace("-", "−")


def _joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])}, and {parts[-1]}"


def _shared(result: Scenes) -> Iterator[str]:
    """Say which categories every backbone puts among the k closest."""
    if len(result.backbones) < 2:
        return
    for primary in result.primaries:
        closest = [set(result.closest(primary, backbone)) for backbone in result.names()]
        common = [name for name in result.closest(primary, result.names()[0]) if all(name in each for each in closest)]
        who = f"All {len(closest)} backbones" if len(closest) > 2 else "Both backbones"
        if common:
            yield f"{who} put {listing(common, 8)} among the {result.k} closest to {primary}."
        else:
            yield f"No category is among the {result.k} closest to {primary} by all backbones."


def _agreement(result: Scenes) -> Iterator[str]:
    """Say by primary category which two backbones agree the most, and which the least."""
    for primary in result.primaries:
        pairs = result.agreement[(result.agreement["primary"] == primary) & result.agreement["kendall"].notna()]
        if len(pairs) < 2:
            continue
        ordered = pairs.sort_values("kendall", kind="stable")
        least, most = (ordered.iloc[place] for place in (0, -1))
        yield (
            f"From {primary}, {most['one']} and {most['other']} agree the most on the order ({_tau(most)}), "
            f"{least['one']} and {least['other']} the least ({_tau(least)})."
        )


def _by_relative(result: Scenes) -> Iterator[str]:
    """Say where the k closest would be others by relative distance, which differs from O^dist where pairs have own spaces."""
    changed: list[str] = []
    for primary in result.primaries:
        for backbone in result.names():
            rows = result.measured(primary, backbone).sort_values("relative", kind="stable")
            others = [str(name) for name in rows["dataset"][: result.k] if name not in result.closest(primary, backbone)]
            if rows["relative"].notna().all() and others:
                among = "to" if changed else f"would be among the {result.k} closest to"
                changed.append(f"{listing(others, 8)} {among} {primary} by {backbone}")
    if changed:
        yield f"By relative distance in place of O^dist, {_joined(changed)}."


def _tau(row: Any) -> str:
    value, low, high = (float(row[name]) for name in ("kendall", "kendall_low", "kendall_high"))
    interval = (None, None) if low != low else (low, high)
    return f"τ {format_interval(value, *interval)}".replace("-", "−")


def _of_primary(result: Scenes, primary: str, place: int) -> Iterator[Part]:
    """Make the tables and figures of one primary category."""
    yield TablePart(
        f"ends-{place}",
        f"The {result.k} closest and farthest categories from {primary}",
        tables.ends(result, primary),
        "By O^dist, as in the paper, the closest and the farthest first; relative: O^dist over P's distance from itself.",
    )
    shown = (
        "the categories that were named" if result.sets else f"the {result.k} closest categories and the {result.k} farthest"
    )
    yield FigurePart(
        f"violins-{place}",
        partial(scene_violins, result, primary),
        Caption(
            f"How distances from {primary} are spread",
            f"One panel a backbone: I^dist of each image of {shown}, the closest on top. Bars span the quartiles, white dots "
            f"are medians, grey strokes are the mean distance of {primary}'s images from each other in the same space.",
            " ".join(f"{backbone}: {', '.join(result.shown(primary, backbone))}." for backbone in result.names()),
        ),
        paper.label(paper.VIOLINS, primary, "Figure 18"),
    )
    yield _images(result, primary, place, "closest", paper.label(paper.CLOSEST, primary, "Figure 19"))
    yield _images(result, primary, place, "farthest", paper.label(paper.FARTHEST, primary, "Figure 20"))
    yield TablePart(
        f"distances-{place}",
        f"Relative distance of every category from {primary}",
        tables.distances(result, primary),
        "O^dist over P's distance from itself, with its 95 % interval over the images, and the place by O^dist.",
    )


def _images(result: Scenes, primary: str, place: int, end: End, label: str) -> FigurePart:
    rows = []
    for backbone in result.names():
        found = result.at_the_end(primary, backbone, end)
        rows.append(f"{backbone}: {', '.join(f'{a}/{b}' for a, b in zip(found['dataset'], found['image'], strict=True))}.")
    which = "closest to" if end == "closest" else "farthest from"
    text = (
        f"One row a backbone: of every category the one image that is {which} {primary} by I^dist, and of these the {result.k} "
        f"{end}. Under each: its category, its mean distance, and the category's place by O^dist, 1 being the closest."
    )
    draw = partial(scene_images, result, primary, end)
    return FigurePart(f"{end}-{place}", draw, Caption(f"The {end} images, {primary}", text, " ".join(rows)), label)


def _agreement_part(result: Scenes) -> Iterator[TablePart]:
    if len(result.agreement):
        yield TablePart(
            "agreement",
            "How far backbones agree on the order of the categories",
            tables.agreement(result),
            f"Kendall's τ of the order by O^dist, and the share of the {result.k} closest that two backbones have in common; "
            "95 % intervals over the images of the categories.",
        )


def _limits(result: Scenes) -> list[str]:
    limits = [
        "An image of few details, or a category of images that are alike, can be close by I^dist without being alike in kind.",
        "The intervals of relative distances are over the images of both categories; those of the agreement are over the "
        "images of the secondary categories alone. Neither is over the choice of categories.",
    ]
    if result.settings.projection == "pair":
        limits.append(
            "Every pair of categories has its own components, as in the paper: distances of images of two categories are not "
            "measured in one space, and their order is to be read with that in mind."
        )
    return limits
