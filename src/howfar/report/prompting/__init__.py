"""Report a study of prompts on one page: how well promptable segmenters do with each kind of prompt."""

from __future__ import annotations

from pathlib import Path

from howfar.numbers import format_number
from howfar.report.figures import draw_figures
from howfar.report.page import write_page
from howfar.report.tables import Cell, Column, Table, facts
from howfar.report.text import sentence_case
from howfar.results.prompting import Prompting


def write_prompting_report(prompting: Prompting, folder: str | Path) -> Path:
    """Write ``figures/prompting_rows.png`` and ``report.html``, and return the page's path.

    `folder` is the study's, below which the maps lie; what is in it by these names is replaced.
    """
    content = {
        "p": prompting,
        "lead": lead(prompting),
        "ods": score_table(prompting, "ods", "ods_threshold"),
        "mean_f": score_table(prompting, "mean_f"),
        "settings": _settings(prompting),
    }
    return write_page("prompting/page.html.j2", content, folder, draw_figures({"prompting_figures": prompting}, folder))


def lead(prompting: Prompting) -> str:
    """Say which prompt is best on each dataset, and how good that is."""
    parts = []
    for dataset in prompting.datasets:
        own = prompting.scores[prompting.scores["dataset"] == dataset].dropna(subset=["mean_f"])
        if len(own):
            best = own.iloc[int(own["mean_f"].argmax())]
            parts.append(f"on {dataset} {best['prompt']} has the highest mean F at 0.5, {best['mean_f']:.2f}")
    return sentence_case("; ".join(parts)) or "Nothing could be scored."


def score_table(prompting: Prompting, measure: str, beside: str = "") -> Table:
    """Make a table of a row a prompt, a column a dataset, of one score and where named another beside it."""
    scores = {(row["prompt"], row["dataset"]): row for row in prompting.scores.to_dict("records")}
    rows = []
    for prompt in prompting.prompts:
        cells = []
        for dataset in prompting.datasets:
            row = scores[prompt, dataset]
            value = float(row[measure])
            extra = f" at {row[beside]:.2f}" if beside and row[beside] == row[beside] else ""
            cells.append(Cell(f"{format_number(value, 3)}{extra}", None if value != value else value))
        rows.append((Cell(prompt), *cells))
    return Table((Column("prompt"), *(Column(dataset) for dataset in prompting.datasets)), tuple(rows))


def _settings(prompting: Prompting) -> Table:
    chosen = prompting.settings.items()
    return facts({name: "; ".join(map(str, value)) if isinstance(value, list | tuple) else value for name, value in chosen})
