"""Report the study of components: table 6, the relative distances by the number of components, and where they hold."""

from __future__ import annotations

from functools import partial

from howfar.figures.components import components_curve
from howfar.figures.registration import Caption
from howfar.report.parts import Context, FigurePart, Section, TablePart
from howfar.report.printed import SHORT_ROWS, TABLE_6, scaled_rows
from howfar.report.tables import Cell, Column, Table, decimal, percentage
from howfar.report.text import listing
from howfar.results.components import Components


def section(result: Components, context: Context) -> Section:
    """Make the section of a study of components."""
    shown = result.backbones.index("unetplusplus") if "unetplusplus" in result.backbones else 0
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
            FigurePart("curve", partial(components_curve, result), _caption(result)),
        ],
        limits=[
            "A row's scaled distances sum to 1, so that one of them falls where another rises; the figure shows relative "
            "distances, which do not depend on the other datasets.",
            "The numbers of components listed are those that were tried: a plateau is one among them.",
        ],
    )


def lead(result: Components) -> str:
    """Say from how many components on distances hold, over all backbones."""
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
    columns = (Column("components"), *(Column(name) for name in result.secondaries), Column("explained"))
    measured = result.distances[result.distances["backbone"] == backbone]
    rows = []
    for z in sorted(set(measured["components"])):
        row = measured[measured["components"] == z].set_index("dataset")
        scaled = dict(zip(row.index, row["o_dist_scaled"].tolist(), strict=True))
        cells = [decimal(scaled[name]) for name in result.secondaries]
        least = percentage(float(row["explained_variance"].min()))
        rows.append((Cell(f"{z}", float(z), strong=z == result.plateaus[backbone]), *cells, least))
    return Table(columns, tuple(rows))


def _caption(result: Components) -> Caption:
    return Caption(
        "Relative distance by the number of components",
        "One panel a backbone, one line a dataset: O^dist over P's distance from itself with as many components. The upright "
        "line marks the plateau, where there is one.",
        lead(result),
    )
