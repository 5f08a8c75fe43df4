"""A study of prompts as one page that can be sent on: ``report.html``, and its figure as a file beside it."""

from __future__ import annotations

from pathlib import Path

from howfar.figures.prompting import prompting_rows
from howfar.numbers import format_number
from howfar.report.captions import Caption
from howfar.report.embed import embed
from howfar.report.page import write_page
from howfar.report.tables import Cell, Column, Table
from howfar.results.prompting import Prompting

NAME = "prompting_rows"


def write_prompting_report(found: Prompting, folder: str | Path) -> Path:
    """Write ``figures/prompting_rows.png`` and ``report.html``, and return the page's path.

    Parameters
    ----------
    found
        The result.
    folder
        The study's, below which the maps lie; what is in it by these names is replaced.
    """
    place = Path(folder)
    pictures = place / "figures"
    pictures.mkdir(parents=True, exist_ok=True)
    drawn = embed(prompting_rows(found, folder=place), NAME, pictures, vector=False)
    content = {
        "p": found,
        "lead": lead(found),
        "figures": {NAME: (drawn, _caption(found))},
        "ods": _table(found, "ods", "ods_threshold"),
        "mean_f": _table(found, "mean_f"),
        "settings": _settings(found),
    }
    return write_page("prompting.html.j2", content, place)


def lead(found: Prompting) -> str:
    """Which prompt is best on each dataset, and how good that is."""
    parts = []
    for dataset in found.datasets:
        own = found.scores[found.scores["dataset"] == dataset].dropna(subset=["mean_f"])
        if len(own):
            best = own.iloc[int(own["mean_f"].argmax())]
            parts.append(f"on {dataset} {best['prompt']} has the highest mean F at 0.5, {best['mean_f']:.2f}")
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}." if text else "Nothing could be scored."


def _table(found: Prompting, measure: str, beside: str = "") -> Table:
    known = {(row["prompt"], row["dataset"]): row for row in found.scores.to_dict("records")}
    rows = []
    for prompt in found.prompts:
        cells = []
        for dataset in found.datasets:
            row = known[prompt, dataset]
            value = float(row[measure])
            extra = f" at {row[beside]:.2f}" if beside and row[beside] == row[beside] else ""
            cells.append(Cell(f"{format_number(value, 3)}{extra}", None if value != value else value))
        rows.append((Cell(prompt), *cells))
    return Table((Column("prompt"), *(Column(dataset) for dataset in found.datasets)), tuple(rows))


def _settings(found: Prompting) -> Table:
    rows = []
    for name, value in found.settings.items():
        text = "; ".join(map(str, value)) if isinstance(value, (list, tuple)) else "none" if value is None else str(value)
        rows.append((Cell(name), Cell(text)))
    return Table((Column("setting"), Column("value")), tuple(rows))


def _caption(found: Prompting) -> Caption:
    rows = found.scores.to_dict("records")
    values = [f"{row['prompt']} on {row['dataset']} mean F {row['mean_f']:.2f}" for row in rows]
    return Caption(
        "Prompts and what they give",
        "Of each dataset the image in the middle by F of the first prompt: photograph, ground truth, and the probabilities by "
        "each prompt, white being certain. Green points and boxes say foreground, red points background.",
        f"Rows of small pictures. {'; '.join(values)}.",
    )
