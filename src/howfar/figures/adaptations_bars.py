"""Draw figs. 7 and 17 of the paper for several segmenters: F of each dataset by each model, a panel a segmenter."""

from __future__ import annotations

import math

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from howfar.figures.adaptation_bars import (
    BACKGROUND,
    SCORES,
    TITLE,
    Bars,
    bar_faces,
    beside_random,
    draw_group,
    frame_bars,
    group_name,
    ranges,
)
from howfar.figures.adaptation_models import (
    Measure,
    by_background,
    by_shots,
    check_measure,
    scored,
    seeds_of,
    seeds_text,
    strategy_of,
)
from howfar.figures.datasets import first
from howfar.figures.frame import head_panel, name_legend, nothing
from howfar.figures.style import WIDTH, blank, drawing, head, name_text
from howfar.results.adaptation import ALL, Adaptation
from howfar.results.adaptations import Adaptations

COLUMNS = 3


def adaptations_bars(
    result: Adaptations, *, strategy: str | None = None, background: bool = False, limit: int = 24, measure: Measure = "f_ods"
) -> Figure:
    """Draw F of each dataset's images that no model learnt from, one bar a model, one panel a segmenter.

    Figs. 7 and 17 of Achara & Pandey show several segmenters side by side, and the ODS of each dataset (`measure` "f_ods"),
    whose threshold looks at its labels; "f" draws mean F at each model's own threshold, of which the gains are. All panels
    have one scale. Within a panel all is as in `adaptation_bars`: random hollow, bars means over seeds, lines from the lowest
    seed to the highest. At most `limit` datasets are shown, blind sets with masks last.
    """
    check_measure(measure)
    study = result.first
    chosen, score = strategy_of(study, strategy), SCORES[measure]
    title = f"{score.name}, {BACKGROUND if background else TITLE}"
    models = by_background(study, chosen) if background else beside_random(study, chosen)
    datasets = list(dict.fromkeys(name for each in result.adaptations for name in scored(each)))
    if not models or not datasets:
        return nothing(title, f"no model of {chosen} learnt from background images" if datasets else "no image has an F")
    shown, left_out = first(datasets, limit)
    groups = [*shown, *([ALL] if len(study.secondaries) > 1 else [])]
    seeds, faces = seeds_of(study, models), bar_faces(study, models, chosen)
    bars = {name: ranges(each, models, seeds, score.column) for name, each in result.runs().items()}
    columns = min(COLUMNS, len(result.models))
    lines = math.ceil(len(result.models) / columns)
    tops = [bar.high for own in bars.values() for bar in own.values()]
    with drawing():
        height = max(0.17 * len(models), 0.36) + 0.16
        figure = blank(WIDTH, 1.25 + (0.45 + height * len(groups)) * lines)
        panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel().tolist()
        for axes, (name, own) in zip(panels, bars.items(), strict=False):
            for position, dataset in enumerate(groups):
                draw_group(axes, position, dataset, own, faces)
            frame_bars(axes, [group_name(study, dataset) for dataset in groups], tops, score.name)
            head_panel(axes, name, _change(study, own, (models[0], _last(study, models, chosen))))
        for spare in panels[len(bars) :]:
            spare.remove()
        handles = [Patch(**face, label=model) for model, face in faces.items()]
        name_legend(figure, handles, min(len(handles), 7), columnspacing=1.6)
        whisker = "; lines: lowest to highest seed" if len(seeds) > 1 else ""
        note = f"Trained on {name_text(study.primary)}; images chosen by {chosen}; {seeds_text(seeds)}{whisker}. {left_out}"
        head(figure, title, note.strip())
    return figure


def _last(study: Adaptation, models: list[str], strategy: str) -> str:
    """Name the strategy's model with the most shots or background: random's stand beside."""
    own = {*by_shots(study, strategy), *by_background(study, strategy)}
    return [model for model in models if model in own][-1]


def _change(study: Adaptation, bars: Bars, models: tuple[str, str]) -> str:
    """Write from which mean over the secondaries to which two models go."""
    dataset = ALL if len(study.secondaries) > 1 else study.secondaries[0]
    return " → ".join(f"{model} {bars[model, dataset].mean:.3f}" for model in models if (model, dataset) in bars)
