"""Draw relative distances by the number of principal components, with the number from which on they hold."""

from __future__ import annotations

from matplotlib.figure import Figure

from howfar.figures.datasets import first
from howfar.figures.frame import head_panel, name_legend
from howfar.figures.style import MUTED, WIDTH, blank, drawing, head, look
from howfar.results.components import Components

COLUMNS = 3


def components_curve(result: Components, *, limit: int = 24) -> Figure:
    """Draw each secondary's relative distance against the number of components, one panel a backbone (appendix A.1).

    At most `limit` secondaries are drawn, the first.
    """
    shown, left_out = first(result.secondaries, limit)
    columns = min(COLUMNS, len(result.backbones))
    lines = -(-len(result.backbones) // columns)
    with drawing():
        figure = blank(WIDTH if columns > 1 else 5.6, 1.2 + 2.6 * lines)
        panels = figure.subplots(lines, columns, sharex=True, squeeze=False).ravel().tolist()
        for axes, backbone in zip(panels, result.backbones, strict=False):
            measured = result.distances[result.distances["backbone"] == backbone]
            for position, name in enumerate(shown):
                row, style = measured[measured["dataset"] == name], look(position)
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
