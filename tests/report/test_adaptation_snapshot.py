"""What the pages of adaptation say, of believable studies and of changed ones.

The text lies in ``snapshots/``; ``HOWFAR_SNAPSHOTS=write`` writes it anew, to be read before it is committed. Of a changed
study only the lines are kept that differ from those of the study as it is.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from howfar.report import adaptation_report as report
from howfar.report import adaptation_sentences as words
from howfar.report.section import Context, FigurePart, Section, Table
from howfar.results.adaptation_result import Adaptation, Adaptations
from howfar.results.display_and_shared_records import Interval
from snapshots import WRITE

FOLDER = Path(__file__).parent / "snapshots"
ROWS = 4
WHOLE = {
    "a study with background and random", "every strategy", "lowered", "not measured", "random: better", "random: not compared",
    "background raised", "one seed", "half to choose from, nothing held out", "ODS falls on one dataset", "an earlier version",
    "no held-out score",
}  # fmt: skip


def check(name: str, told: Mapping[str, list[str]]) -> None:
    """Compare what the first of some studies says, and by what the others differ, with the text that was kept."""
    base, *others = told.items()
    lines = [f"# {base[0]}", *base[1]]
    for title, own in others:
        lines += ["", f"# {title}", *(line for line in own if line not in set(base[1]))]
    text, file = "\n".join(lines) + "\n", FOLDER / f"{name}.txt"
    if WRITE:
        FOLDER.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text.splitlines() == file.read_text(encoding="utf-8").splitlines()


def rows(title: str, table: Table) -> list[str]:
    """Write the first rows of a table (all settings), marked cells between stars, and how many there are."""
    assert all(len(row) == len(table.columns) for row in table.rows)
    shown = [
        " | ".join(f"*{cell.text}*" if cell.strong else cell.text for cell in row)
        for row in table.rows[: None if title == "settings" else ROWS]
    ]
    heads = " | ".join(column.title for column in table.columns)
    return [f"{title}, {len(table.rows)} rows: {heads}", *(f"  {line}" for line in shown)]


def section(made: Section) -> list[str]:
    lines = [f"lead: {made.lead}", *(f"sentence: {text}" for text in made.sentences)]
    for part in made.parts:
        if isinstance(part, FigurePart):
            lines.append(
                f"figure {part.name} [{part.label}]: {part.caption.title}. {part.caption.text} ({part.caption.alternative})"
            )
        else:
            lines += rows(f"table {part.name} [{part.label}] {part.title}", part.table)
            lines += rows("  printed", part.printed) if part.printed else []
    return [*lines, *(f"limit: {text}" for text in made.limits)]


def page(study: Adaptation, whole: bool) -> list[str]:
    """The sentences of the page of one segmenter, and where `whole` its tables."""
    lines = [f"lead: {words.lead(study)}", f"random: {words.against_random(study)}", f"any: {words.any_beats(study)}"]
    lines += [f"background: {words.suppressed(study)}", f"both F: {words.disagreement(study)}"]
    lines += [f"limit: {text}" for text in words.limits(study)]
    if not whole:
        return lines
    tables: dict[str, Callable[[Adaptation], Table]] = {
        "mean F": lambda each: report.scores(each, "mean_f"),
        "ODS": lambda each: report.scores(each, "ods"),
        **{
            make.__name__: make
            for make in (
                report.both, report.gains, report.against_random, report.contributions, report.suppression,
                report.trained, report.chosen, report.slopes, report.strata, report.settings,
            )
        },
    }  # fmt: skip
    return [*lines, *(line for title, make in tables.items() for line in rows(title, make(study)))]


def changed(study: Adaptation, frame: str, where: Mapping[str, Any], **values: Any) -> Adaptation:
    """The study with other numbers in some rows of one of its tables."""
    table = getattr(study, frame).copy()
    here = np.logical_and.reduce([table[name].isin([value]) for name, value in where.items()])
    assert here.any()
    for name, value in values.items():
        table[name] = table[name].astype(object)
        table.loc[here, name] = value
    return replace(study, **{frame: table})


def gained(study: Adaptation, low: float, high: float, **where: str) -> Adaptation:
    """The study with another gain of far-7, by default of all secondaries."""
    place = {"model": "far-7", "dataset": "all", **where}
    return changed(study, "gains", place, gain=(low + high) / 2, low=low, high=high)


def over(study: Adaptation, low: float, high: float, beats: Any = False, below: Any = False) -> Adaptation:
    """The study with another difference of far-7 from random."""
    middle = {"over_random": (low + high) / 2, "over_random_low": low, "over_random_high": high}
    place = {"model": "far-7", "dataset": "all"}
    return changed(study, "gains", place, **middle, beats_random=beats, below_random=below)


def priced(study: Adaptation, change: Iterable[float], cost: Iterable[float]) -> Adaptation:
    names = ("change", "low", "high", "cost", "cost_low", "cost_high")
    return changed(study, "suppression", {"model": "far-7-B7"}, **dict(zip(names, (*change, *cost), strict=True)))


def seeds(study: Adaptation, count: int) -> Adaptation:
    first = study.models[study.models["seed"] == 0]
    return replace(study, models=pd.concat([first.assign(seed=seed) for seed in range(count)]))


def test_one_segmenter(study: Adaptation, bakeoff: Adaptation) -> None:
    ods = study.scores.query("model == 'M' and dataset == 'walls' and seed < 3")["ods"].astype(float).mean()
    shots = study.models["shots"].replace({7: 1, 1: 0, 3: 0})
    no_winner = bakeoff.gains["beats_random"].map({True: False, False: False})
    variants = {
        "a study with background and random": study,
        "every strategy": bakeoff,
        "no strategy beats random": replace(bakeoff, gains=bakeoff.gains.assign(beats_random=no_winner)),
        "lowered": gained(study, -0.15, -0.05),
        "no evidence": gained(study, -0.01, 0.03),
        "the interval ends at 0": gained(study, 0.0, 0.02),
        "not measured": gained(study, np.nan, np.nan),
        "one image of one dataset": replace(study, secondaries=("roads",), models=study.models.assign(shots=shots)),
        "worse on one dataset": gained(study, -0.3, -0.1, dataset="walls"),
        "norm gains": gained(study, 0.02, 0.08, model="norm"),
        "random: no evidence": over(study, -0.01, 0.03),
        "random: beaten": over(study, 0.01, 0.03, beats=True),
        "random: better": over(study, -0.03, -0.01, below=True),
        "random: beaten by itself alone": over(study, 0.01, 0.03),
        "random: better by itself alone": over(study, -0.03, -0.01),
        "random: one seed, None": over(study, 0.01, 0.03, None, None),
        "random: one seed, NaN": over(study, 0.01, 0.03, np.nan, np.nan),
        "random: not compared": over(study, np.nan, np.nan),
        "random alone": replace(
            study,
            **{
                name: frame[~frame["model"].str.startswith("far")].reset_index(drop=True)
                for name in ("models", "gains", "suppression", "strata", "slopes")
                for frame in [getattr(study, name)]
            },
        ),
        "background raised": priced(study, (0.05, 0.04, 0.06), (0.02, 0.01, 0.03)),
        "background unclear": priced(study, (-0.01, -0.03, 0.01), (-0.001, -0.01, 0.01)),
        "one seed": seeds(study, 1),
        "five seeds": seeds(study, 5),
        "half to choose from, nothing held out": replace(
            study, settings={**study.settings, "pool": 0.5, "training": {"holdout": 0}}
        ),
        "ODS falls on one dataset": changed(study, "scores", {"model": "far-7", "dataset": "walls"}, ods=ods - 0.01),
        "ODS falls everywhere": replace(
            study, scores=study.scores.assign(ods=study.scores["ods"].where(study.scores["model"] == "M", 0.0))
        ),
        "without ODS": replace(study, scores=study.scores.assign(ods=np.nan)),
        "an earlier version": replace(
            study, scores=study.scores.drop(columns="mean_f_ods"), slopes=study.slopes[:0], strata=study.strata[:0]
        ),
        "no held-out score": replace(study, models=study.models.assign(held_out_ods=None)),
    }
    check("adaptation", {title: page(each, title in WHOLE) for title, each in variants.items()})


def test_several_segmenters(several: Adaptations, run_folder: Path) -> None:
    plain = [
        replace(
            each,
            gains=each.gains[~each.gains["model"].str.startswith("random")].assign(over_random=np.nan),
            models=each.models[each.models["strategy"] != "random"].reset_index(drop=True),
            blind=(),
        )
        for each in several.studies.values()
    ]
    first = several.studies[several.segmenters[0]]
    gains = {
        "falls": gained(first, -0.15, -0.05),
        "no evidence": gained(first, -0.05, 0.25),
        "no interval": changed(first, "gains", {"model": "far-7", "dataset": "all"}, gain=-0.1, low=np.nan, high=np.nan),
        "not measured": gained(first, np.nan, np.nan),
    }
    variants = {
        "three segmenters": several,
        "without random and blind sets": Adaptations.of(dict(zip(several.segmenters, plain, strict=True))),
        "one seed": Adaptations.of({name: seeds(each, 1) for name, each in several.studies.items()}),
        **{title: Adaptations.of({**several.studies, several.segmenters[0]: each}) for title, each in gains.items()},
    }
    context = Context(run_folder / "gain")
    check("adaptations", {title: section(report.section(each, context)) for title, each in variants.items()})


def test_changes_are_judged_as_they_are_shown() -> None:
    assert not Interval(0.0004, 0.0003, 0.0005).above
    assert words.opposed(0.001, -0.001)
    assert not words.opposed(0.0004, -0.2)
    assert not words.opposed(0.1, float("nan"))
