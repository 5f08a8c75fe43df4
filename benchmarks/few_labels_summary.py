"""Summarise the cells of benchmarks/few_labels.py: gains over the model, harm, and the best way chosen on other sites."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from howfar.adaptation_ways import UNADAPTED
from howfar.studies.adaptation.adaptation_tables import ends, spread

TRAINED_ON = ["model", "seed", "site"]
CELL = [*TRAINED_ON, "draw"]
CONDITION = ["way", "labels", "tiled"]
DRAWS = 2_000
ALLOWED = 0.01
"""How far P's held-out ODS may fall beyond what it differs by between trainings."""
THRESHOLDS = {"f": "its own", "f_share": "P's share", "f_otsu": "Otsu's"}
RETRAIN_7, RETRAIN_14, FINETUNE_14 = ("retrain", 7, False), ("retrain", 14, False), ("finetune", 14, False)


def summary(rows: pd.DataFrame) -> dict[str, Any]:
    """Compare every way, number of labels and threshold with the model itself, on the images that both were scored on."""
    found: dict[str, Any] = {"cells": int(rows.groupby([*CELL, *CONDITION]).ngroups)}
    for name, part in parts(rows).items():
        found[name] = {
            "trainings": sorted({f"{model}-{seed}" for model, seed in zip(part["model"], part["seed"], strict=True)}),
            "sites": sorted(part["site"].unique()),
            "spread of M's held-out ODS": spread_of_model(part),
            "ways": ways(part),
            "by site": by_site(part),
            "without labels against retrain by seven": ratios(part),
            "seven by the way chosen on the other sites": chosen_on_other_sites(part),
        }
    return found


def parts(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Part the rows by ground and architecture, and of several architectures put together what more than one was tried with."""
    found = {}
    for ground, there in rows.groupby("ground"):
        for model, own in there.groupby("model"):
            found[f"{model} on {ground}"] = own
        several = there[there.groupby(CONDITION)["model"].transform("nunique") > 1]
        if len(several):
            found[f"all on {ground}"] = several
    return found


def label_of(way: str, labels: int, tiled: bool) -> str:
    """Name a way with its number of labels."""
    return f"{labels} labels: {named(way, tiled)}"


def named(way: str, tiled: bool) -> str:
    """Name a way, and how the site was predicted."""
    return way + (", by tiles" if tiled else "")


def ways(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Give a row for every way and number of labels: mean F, ODS, gains over M by threshold, and harm."""
    table = []
    for (labels, way, tiled), part in rows.groupby(["labels", "way", "tiled"], sort=True):
        site, base = part[part["of"] == "site"], of_model(rows)
        row: dict[str, Any] = {"labels": int(labels), "way": way, "tiled": bool(tiled), "cells": part.groupby(CELL).ngroups}
        there = within(base[base["of"] == "site"], common(site, base))
        row["trainings"] = int(part.groupby(["model", "seed"]).ngroups)
        row["mean F"], row["mean F of M there"] = round(over_cells(site, "f"), 4), round(over_cells(there, "f"), 4)
        row["ODS"] = round(over_cells(site, "ods"), 4)
        row["seconds"] = round(float(part.groupby(CELL)["seconds"].first().min()), 1)
        for column, name in THRESHOLDS.items():
            row[f"gain of mean F at {name} threshold"] = gain(base[base["of"] == "site"], site, "f", column)
        row["gain of ODS"] = ods_gain(base, site)
        row["P's held-out ODS"] = harm(base, part, "P", "ods")
        row["forgets"] = forgets(base, part)
        row["spread between draws"] = spread_of_draws(site)
        row["other sets' mean F"] = harm(base, part, "other", "f")
        table.append(row)
    return table


def of_model(rows: pd.DataFrame) -> pd.DataFrame:
    """Take the rows of the model as it is, predicted whole."""
    return rows[(rows["way"] == UNADAPTED) & ~rows["tiled"]]


def over_cells(rows: pd.DataFrame, column: str) -> float:
    """Average over images, then draws, then sites and trainings, which count alike."""
    return float(rows.groupby(CELL)[column].mean().groupby(TRAINED_ON).mean().mean())


def differences(base: pd.DataFrame, part: pd.DataFrame, was: str, column: str) -> pd.DataFrame:
    """Subtract image by image, after averaging over draws, which pick other images for the same training."""
    keys = [*TRAINED_ON, "image", "photograph"]
    first, second = base.groupby(keys)[was].mean(), part.groupby(keys)[column].mean()
    both = (second - first).dropna().rename("difference").reset_index()
    return both.assign(seed=both["model"] + "-" + both["seed"].astype(str), dataset=both["site"])


def gain(base: pd.DataFrame, part: pd.DataFrame, was: str, column: str) -> dict[str, float] | None:
    """Compute the mean gain and its 95 % interval over photographs and trainings, by the rule of adaptation studies."""
    both = differences(base, part, was, column)
    if both.empty:
        return None
    low_high = ends(spread(both, DRAWS, np.random.default_rng(zlib.crc32(column.encode()))))
    return {name: round(float(value), 4) for name, value in zip(("mean", "low", "high"), low_high, strict=True)}


def ods_gain(base: pd.DataFrame, site: pd.DataFrame) -> dict[str, float] | None:
    """Compute the mean gain of a site's ODS over sites and trainings, and the worst."""
    one = site.groupby(CELL)["ods"].first()
    was = base[base["of"] == "site"].groupby(TRAINED_ON)["ods"].first()
    return mean_and_worst((one - was).dropna())


def harm(base: pd.DataFrame, part: pd.DataFrame, of: str, column: str) -> dict[str, float] | None:
    """Say how far P's held-out score, or that of the other sets, changes by adapting to a site: mean and worst."""
    return mean_and_worst(changes(base, part, of, column))


def mean_and_worst(change: pd.Series) -> dict[str, float] | None:
    """Average changes over draws first, as sites and trainings count alike, and name the worst of all cells."""
    if change.empty:
        return None
    means = change.groupby([name for name in change.index.names if name != "draw"]).mean()
    return {"mean": round(float(means.mean()), 4), "worst": round(float(change.min()), 4)}


def changes(base: pd.DataFrame, part: pd.DataFrame, of: str, column: str) -> pd.Series:
    """Subtract M's score of P, or of another set, from that of each adapted model."""
    one = part[part["of"] == of].groupby([*CELL, "dataset"])[column].mean()
    was = base[base["of"] == of].groupby([*TRAINED_ON, "dataset"])[column].mean()
    return (one - was).dropna()


def forgets(base: pd.DataFrame, part: pd.DataFrame) -> bool | None:
    """Tell whether P's held-out ODS falls in any cell by more than `ALLOWED` beyond what M's differs by between trainings."""
    spread = spread_of_model(base)
    falls = (-changes(base, part, "P", "ods")).groupby("model").max()
    known = [fall > spread[model] + ALLOWED for model, fall in falls.items() if spread and model in spread]
    return any(known) if known else None


def spread_of_model(rows: pd.DataFrame) -> dict[str, float] | None:
    """Find by architecture the standard deviation between trainings of M's ODS on P's held-out images, which differ too."""
    base = of_model(rows)
    each = base[base["of"] == "P"].groupby(["model", "seed"])["ods"].first()
    spread = each.groupby("model").std().dropna()
    return {str(model): round(float(value), 4) for model, value in spread.items()} or None


def spread_of_draws(site: pd.DataFrame) -> dict[str, float] | None:
    """Find the standard deviation between draws of the labelled images of a training's mean F on a site.

    It is pooled over trainings and sites with several draws, each by its draws less one.
    """
    means = site.groupby(CELL)["f"].mean()
    several = means[means.groupby(TRAINED_ON).transform("size") > 1]
    if several.empty:
        return None
    off = several - several.groupby(TRAINED_ON).transform("mean")
    places = several.groupby(TRAINED_ON).ngroups
    freedom = len(several) - places
    deviation = round(float(np.sqrt(np.square(off).sum() / freedom)), 4)
    trainings = several.groupby(["model", "seed"]).ngroups
    return {"deviation": deviation, "degrees of freedom": freedom, "sites of trainings": places, "trainings": trainings}


def over_draws(rival: pd.DataFrame, picked: pd.DataFrame) -> dict[str, Any] | None:
    """Compare two ways by each draw of the labelled images, over the trainings and sites that have every draw.

    All trainings learn from the same draws, so that the interval of `gain` does not tell what other draws would give. This one
    is Student's over the draws, which it takes as they fell: sites and trainings are those that were measured.
    """
    keys = [*CELL, "image"]
    apart = (picked.set_index(keys)["f"] - rival.set_index(keys)["f"]).dropna().groupby(CELL).mean()
    drawn = apart.unstack("draw").dropna()
    count = drawn.shape[1]
    if count < 2 or drawn.empty:
        return None
    means = drawn.groupby("site").mean().mean()
    half = float(stats.t.ppf(0.975, count - 1) * means.std() / np.sqrt(count))
    trainings = drawn.groupby(["model", "seed"]).ngroups
    ends = {"mean": means.mean(), "low": means.mean() - half, "high": means.mean() + half}
    found = {name: round(float(value), 4) for name, value in ends.items()}
    return {"by draw": [round(float(value), 4) for value in means], "trainings": trainings, "mean F": found}


def by_site(rows: pd.DataFrame) -> dict[str, Any]:
    """List mean F and ODS on every site by every way, means over trainings and draws."""
    site = rows[rows["of"] == "site"]
    found: dict[str, Any] = {}
    for (name, labels, way, tiled), part in site.groupby(["site", "labels", "way", "tiled"]):
        scores = {"mean F": round(over_cells(part, "f"), 4), "ODS": round(over_cells(part, "ods"), 4)}
        found.setdefault(str(name), {})[label_of(way, labels, tiled)] = scores
    return found


def condition(rows: pd.DataFrame, key: tuple[str, int, bool]) -> pd.DataFrame:
    """Take the rows of one way, number of labels, and whole or by tiles."""
    way, labels, tiled = key
    return rows[(rows["way"] == way) & (rows["labels"] == labels) & (rows["tiled"] == tiled) & (rows["of"] == "site")]


def ratios(rows: pd.DataFrame) -> dict[str, Any]:
    """Divide what each way without labels gains by what seven random labels gain by `retrain`, over the same cells."""
    retrained = condition(rows, RETRAIN_7)
    if retrained.empty:
        return {}
    found = {}
    zero = rows[(rows["labels"] == 0) & (rows["of"] == "site")]
    for (way, tiled), part in zero.groupby(["way", "tiled"]):
        cells = common(part, retrained)
        base = within(of_model(rows), cells)
        mine = gain(base[base["of"] == "site"], within(part, cells), "f", "f")
        theirs = gain(base[base["of"] == "site"], within(retrained, cells), "f", "f")
        if (way == UNADAPTED and not tiled) or mine is None or theirs is None:
            continue
        ratio = None if theirs["mean"] <= 0 else round(mine["mean"] / theirs["mean"], 2)
        found[label_of(str(way), 0, bool(tiled))] = {"gain": mine, "gain of retrain": theirs, "ratio": ratio}
    return found


def common(one: pd.DataFrame, other: pd.DataFrame, keys: Sequence[str] = TRAINED_ON) -> pd.MultiIndex:
    """List the trainings and sites, or whatever `keys` tell apart, that both have."""
    return cells_of(one, keys).intersection(cells_of(other, keys))


def cells_of(rows: pd.DataFrame, keys: Sequence[str] = TRAINED_ON) -> pd.MultiIndex:
    """List the trainings and sites, or whatever `keys` tell apart, that there are rows of."""
    return pd.MultiIndex.from_frame(rows[list(keys)].drop_duplicates())


def within(rows: pd.DataFrame, cells: pd.MultiIndex) -> pd.DataFrame:
    """Keep the rows of some trainings and sites, or of what else the index `cells` names."""
    return rows[pd.MultiIndex.from_frame(rows[list(cells.names)]).isin(cells)]


def mean_by_site(rows: pd.DataFrame) -> pd.Series:
    """Average mean F over the cells of each site."""
    return rows.groupby(CELL)["f"].mean().groupby("site").mean()


def chosen_on_other_sites(rows: pd.DataFrame) -> dict[str, Any]:
    """Choose for every site the way with seven labels that is best on the other sites; compare it with fourteen, and `retrain`.

    Ways are those, whole or by tiles, that were measured wherever `retrain` was. They are chosen over the cells, and draws of
    the labelled images, that all of them have, and compared over all that the chosen one and its rival have.
    """
    seven = rows[(rows["labels"] == 7) & (rows["of"] == "site")]
    everywhere = condition(rows, RETRAIN_7)
    needed = cells_of(everywhere)
    candidates = {key: part for key, part in seven.groupby(["way", "tiled"]) if not len(needed.difference(cells_of(part)))}
    if not len(needed) or len(needed.unique("site")) < 2:
        return {}
    cells = cells_of(everywhere, CELL)
    for part in candidates.values():
        cells = cells.intersection(cells_of(part, CELL))
    means = pd.DataFrame({key: mean_by_site(within(part, cells)) for key, part in candidates.items()})
    choices = {str(site): means.drop(index=site).mean().idxmax() for site in means.index}
    picked = pd.concat([part[part["site"] == site] for site, key in choices.items() for part in (candidates[key],)])
    found: dict[str, Any] = {"candidates": [named(*key) for key in candidates]}
    found["chosen"] = {site: named(*key) for site, key in choices.items()}
    found["mean F"] = round(over_cells(picked, "f"), 4)
    found["ODS"] = round(over_cells(picked, "ods"), 4)
    for key in (RETRAIN_14, FINETUNE_14, (*FINETUNE_14[:2], True), RETRAIN_7):
        rival = condition(rows, key)
        both = common(picked, rival, CELL)
        if len(both):
            found[f"over {label_of(*key)}"] = {
                "cells": len(both),
                "trainings": within(picked, both).groupby(["model", "seed"]).ngroups,
                "mean F": gain(within(rival, both), within(picked, both), "f", "f"),
                "ODS": round(over_cells(within(picked, both), "ods") - over_cells(within(rival, both), "ods"), 4),
                "draws": over_draws(within(rival, both), within(picked, both)),
            }
    return found
