"""Make the tables of the study of identity: sets, distances between them, primary sets, images and pictures of the persons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd

from howfar.data.folder_walk import natural_key
from howfar.results import Features
from howfar.studies.identity.distances import FromReferences
from howfar.studies.identity.sets import PERSON, Compared

NAMED: Final = ("backbone", "perturbation", "variation")
ACROSS: Final = 8
Measured = Mapping[tuple[str, str, str], FromReferences]


def sets(compared: Mapping[str, Compared]) -> pd.DataFrame:
    """List every set of every variation, in the order of figures."""
    rows = [
        {
            "variation": variation,
            "person": own.person,
            "value": own.value,
            "images": len(own.rows),
            "reference": bool(place in each.references),
        }
        for variation, each in compared.items()
        for place, own in enumerate(each.sets)
    ]
    return pd.DataFrame(rows)


def distances(measured: Measured, compared: Mapping[str, Compared]) -> pd.DataFrame:
    """List the distances of all other sets from each primary set."""
    frames = []
    for key, each in measured.items():
        own, references = compared[key[2]].sets, compared[key[2]].references
        grid = np.arange(len(own))
        primary, other = np.repeat(references, len(own)), np.tile(grid, len(references))
        frame = pd.DataFrame(
            {
                "reference_person": [own[place].person for place in primary],
                "reference_value": [own[place].value for place in primary],
                "person": [own[place].person for place in other],
                "value": [own[place].value for place in other],
                "o_dist_mean": each.o_dist.ravel(),
                "relative": each.relative.ravel(),
            }
        )
        frames.append(_named(frame[primary != other], key))
    return pd.concat(frames, ignore_index=True)


def references(measured: Measured, compared: Mapping[str, Compared]) -> pd.DataFrame:
    """List the share of violated pairs and the margin of each primary set."""
    frames = []
    for key, each in measured.items():
        primary = [compared[key[2]].sets[place] for place in compared[key[2]].references]
        who = {"person": [own.person for own in primary], "value": [own.value for own in primary]}
        frame = pd.DataFrame({**who, "violated": each.violated, "margin": each.margins})
        frames.append(_named(frame, key))
    return pd.concat(frames, ignore_index=True)


def images(measured: Measured, compared: Mapping[str, Compared], table: pd.DataFrame) -> pd.DataFrame:
    """List I^dist of each image from the first primary set, but for those of that set."""
    frames = []
    for key, each in measured.items():
        own = compared[key[2]].sets
        rows = np.concatenate([one.rows for one in own])
        place = np.repeat(np.arange(len(own)), [len(one.rows) for one in own])
        frame = pd.DataFrame(
            {
                "person": [own[at].person for at in place],
                "value": [own[at].value for at in place],
                "image": table["image"].to_numpy()[rows],
                "i_dist_mean": each.i_dist,
            }
        )
        frames.append(_named(frame[place != compared[key[2]].references[0]], key))
    return pd.concat(frames, ignore_index=True)


def pictures(table: pd.DataFrame, features: Features, seed: int) -> pd.DataFrame:
    """Draw some images of each person, the same ones of all where all are seen under the same values."""
    paths = dict(zip(features.images, features.paths, strict=True))
    frames = []
    for person in sorted(set(table[PERSON]), key=natural_key):
        own = table[table[PERSON] == person]
        # One of each of so many parts, so that all values have their turn.
        edges = np.linspace(0, len(own), min(ACROSS, len(own)) + 1).astype(int)
        shown = own.iloc[np.random.default_rng(seed).integers(edges[:-1], edges[1:])]
        values = shown.drop(columns=["image", PERSON])
        text = [" · ".join(f"{name} {value}" for name, value in row.items()) for row in values.to_dict("records")]
        columns = {"person": person, "image": shown["image"], "path": shown["image"].map(paths), "text": text}
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def _named(frame: pd.DataFrame, key: tuple[str, str, str]) -> pd.DataFrame:
    for place, (name, value) in enumerate(zip(NAMED, key, strict=True)):
        frame.insert(place, name, value)
    return frame
