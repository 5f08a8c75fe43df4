"""Draw mean F of every model of a pool against the number of images of each dataset that it learnt from."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from howfar.figures.datasets import first
from howfar.figures.frame import head_panel, name_legend
from howfar.figures.style import MUTED, WIDTH, blank, drawing, head, look
from howfar.results.pool import Pool

COLUMNS = 3
_APART = 0.06
"""Distance of models that stand beside each other, so that their bars can be told apart."""


def labels_curve(result: Pool, *, limit: int = 12) -> Figure:
    """Draw mean F against the number of images of each dataset, one panel a secondary dataset, one line a model.

    F is at each training's own threshold, bars are 95 % intervals over photographs and trainings, and
    the dashed line is the level that counts as reached. At most `limit` datasets are drawn, the first.
    """
    datasets, left_out = first(result.secondaries, limit)
    columns = min(COLUMNS, len(datasets))
    lines = -(-len(datasets) // columns)
    with drawing():
        figure = blank(WIDTH if columns > 1 else 5.6, 1.2 + 2.5 * lines)
        panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel().tolist()
        for axes, dataset in zip(panels, datasets, strict=False):
            _panel(axes, result, dataset)
        for spare in panels[len(datasets) :]:
            spare.remove()
        for axes in panels[max(0, len(datasets) - columns) : len(datasets)]:
            axes.tick_params(labelbottom=True)
            axes.set_xlabel("images of each dataset")
        panels[0].set_ylim(bottom=0)
        figure.supylabel("mean F", fontsize=9.5)
        handles, _ = panels[0].get_legend_handles_labels()
        name_legend(figure, [line for line in handles if not str(line.get_label()).startswith("_")], min(len(handles), 6))
        note = f"Bars are 95 % intervals; dashed: F {result.level:g}, the level. {left_out}"
        head(figure, "Mean F by the number of images", note.strip())
    return figure


def _panel(axes: Axes, result: Pool, dataset: str) -> None:
    axes.grid(True, axis="y")
    axes.axhline(result.level, color=MUTED, lw=1, ls=(0, (4, 3)), zorder=1, label="_level")
    middle = (len(result.models) - 1) / 2
    for place, model in enumerate(result.models):
        rows = result.scores[(result.scores["model"] == model) & (result.scores["dataset"] == dataset)].sort_values("shots")
        # The numbers of shots grow as powers do, so that they stand at equal steps.
        at = [result.shots.index(int(shots)) + _APART * (place - middle) for shots in rows["shots"]]
        style = look(place)
        axes.plot(at, rows["mean_f"], color=style.colour, ls=style.dash, marker=style.marker, ms=4, lw=1.6, label=model)
        axes.vlines(at, rows["mean_f_low"], rows["mean_f_high"], color=style.colour, lw=1, alpha=0.7, label="_interval")
    axes.set_xticks(range(len(result.shots)), labels=[f"{shots}" for shots in result.shots])
    head_panel(axes, dataset)
