"""Report the study of components: table 6, relative distances by the number of components, and their curve."""

from __future__ import annotations

from functools import partial
from typing import Any

from matplotlib.figure import Figure

from howfar.figures import Caption
from howfar.figures.style import MUTED, WIDTH, blank, drawing, first, head, head_panel, look, name_legend
from howfar.paper.printed_values import SHORT_ROWS, TABLE_6, scaled_rows
from howfar.report.section import (
    Cell,
    ColumnOf,
    Context,
    FigurePart,
    Section,
    Table,
    TablePart,
    decimal,
    listing,
    percentage,
    tabulate,
)
from howfar.results.distance_studies import Components
from howfar.results.records import matching

COLUMNS = 3


def components_curve(result: Components, *, limit: int = 24) -> Figure:
    """Draw each secondary's relative distance by number of components, a panel per backbone (appendix A.1).

    At most `limit` secondaries are drawn, the first.
    """
    shown, left_out = first(result.secondaries, limit)
    columns = min(COLUMNS, len(result.backbones))
    lines = -(-len(result.backbones) // columns)
    with drawing():
        figure = blank(WIDTH if columns > 1 else 5.6, 1.2 + 2.6 * lines)
        panels = figure.subplots(lines, columns, sharex=True, squeeze=False).ravel().tolist()
        for axes, backbone in zip(panels, result.backbones, strict=False):
            for position, name in enumerate(shown):
                row, style = matching(result.distances, backbone=backbone, dataset=name), look(position)
                marks = {"color": style.colour, "ls": style.dash, "marker": style.marker, "ms": 3.5, "lw": 1.6}
                axes.plot(row["components"], row["relative"], label=name, **marks)
            plateau = result.plateaus[backbone]
            if plateau is not None:
                axes.axvline(plateau, color=MUTED, lw=1, ls=(0, (4, 3)), zorder=1)
            head_panel(axes, backbone, "no plateau" if plateau is None else f"holds from {plateau}")
            axes.tick_params(labelbottom=True)
            axes.set_xlabel("principal components z")
        for spare in panels[len(result.backbones) :]:
            spare.remove()
        figure.supylabel("relative distance", fontsize=9.5)
        handles, _ = panels[0].get_legend_handles_labels()
        name_legend(figure, handles, min(len(handles), 6))
        note = f"Distance from {result.primary} over its distance from itself. {left_out}"
        head(figure, "Distances by the number of components", note.strip())
    return figure


def section(result: Components, context: Context) -> Section:
    """Build the section of a study of components."""
    shown = result.backbones.index("unetplusplus") if "unetplusplus" in result.backbones else 0
    caption = Caption(
        "Relative distance by the number of components",
        "One panel a backbone, one line a dataset: O^dist over P's distance from itself with as many components. The upright "
        "line marks the plateau, where there is one.",
        lead(result),
    )
    printed = scaled_rows(TABLE_6, "components (UNet++)", result.secondaries, context.symbols)
    return Section(
        lead=lead(result),
        sentences=[result.plateau_line(name) for name, z in result.plateaus.items() if z is not None],
        parts=[
            *(
                TablePart(
                    f"scaled-{position}",
                    f"Row-scaled O^dist by the number of components, {backbone}",
                    _table(result, backbone),
                    "Each row is divided by its sum over the datasets. Explained: the least share of variance, over the pairs."
                    + (SHORT_ROWS if printed is not None and position == shown + 1 else ""),
                    "Table 6",
                    printed if position == shown + 1 else None,
                )
                for position, backbone in enumerate(result.backbones, 1)
            ),
            FigurePart("curve", partial(components_curve, result), caption),
        ],
        limits=[
            "A row's scaled distances sum to 1, so that one of them falls where another rises; the figure shows relative "
            "distances, which do not depend on the other datasets.",
            "The numbers of components listed are those that were tried: a plateau is one among them.",
        ],
    )


def lead(result: Components) -> str:
    """State the number of components from which distances are stable, over all backbones."""
    found = [z for z in result.plateaus.values() if z is not None]
    without = [name for name, z in result.plateaus.items() if z is None]
    tried = listing([str(z) for z in result.components], 8)
    change = f"{100 * result.share:g} %"
    if not found:
        return f"No backbone's distances hold within {change} from any number of components on (tried: {tried})."
    span = f"{min(found)}" if min(found) == max(found) else f"{min(found)} to {max(found)}, by the backbone,"
    behind = f"; by {listing(without)} from none of those tried ({tried})" if without else ""
    return f"From {span} components on, the order holds and no relative distance changes by {change} or more{behind}."


def _table(result: Components, backbone: str) -> Table:
    measured = matching(result.distances, backbone=backbone)
    rows = [(z, own.set_index("dataset")) for z, own in measured.groupby("components")]

    def scaled(name: str) -> ColumnOf[Any]:
        return name, "", lambda row: decimal(float(row[1]["o_dist_scaled"][name]))

    return tabulate(
        rows,
        ("components", "", lambda row: Cell(f"{row[0]}", float(row[0]), strong=row[0] == result.plateaus[backbone])),
        *map(scaled, result.secondaries),
        ("explained", "", lambda row: percentage(float(row[1]["explained_variance"].min()))),
    )
