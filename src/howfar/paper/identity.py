"""Run the study of identity (appendix E, eqs. 9-11): is a person, under any view, weather or light, nearer than another?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from pydantic import Field

from howfar import options
from howfar.arrays import FloatArray
from howfar.backbones.preprocessing import PerturbedBackbone
from howfar.data.image_folder import natural_key
from howfar.data.variations import FINEGPR
from howfar.errors import InputError, UnknownNameError
from howfar.io.finished_parts import KeptArrays, part_key
from howfar.paper import identity_claims
from howfar.paper.identity_claims import PERSON, FromReferences, VariationSets, compared, described, from_references, stacked
from howfar.perturb import named as perturbation_named
from howfar.progress import bar
from howfar.projection.projector import principal_coordinates
from howfar.results import Features, Provenance
from howfar.results.distance_studies import UNCHANGED, Identity
from howfar.results.records import keyed
from howfar.studies.study_file.inputs import Inputs
from howfar.studies.study_file.kind import BackboneNames, DatasetName, KindSettings, StudyKind, Work, setting

NAMED: Final = ("backbone", "perturbation", "variation")
ACROSS: Final = 8
PARTS: Final = "parts"
Key = tuple[str, str, str]
Measured = Mapping[Key, FromReferences]


def sets(compared: Mapping[str, VariationSets]) -> pd.DataFrame:
    """List the image sets of every variation in the order of figures."""
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


def distances(measured: Measured, compared: Mapping[str, VariationSets]) -> pd.DataFrame:
    """List the distances of all other sets from each primary set."""
    frames = []
    for key, each in measured.items():
        own, references = compared[key[2]].sets, compared[key[2]].references
        primary, other = np.repeat(references, len(own)), np.tile(np.arange(len(own)), len(references))
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
        frames.append(keyed(frame[primary != other], **_keys(key)))
    return pd.concat(frames, ignore_index=True)


def references(measured: Measured, compared: Mapping[str, VariationSets]) -> pd.DataFrame:
    """List each primary set's share of violated pairs, and its margin."""
    frames = []
    for key, each in measured.items():
        primary = [compared[key[2]].sets[place] for place in compared[key[2]].references]
        who = {"person": [own.person for own in primary], "value": [own.value for own in primary]}
        frame = pd.DataFrame({**who, "violated": each.violated, "margin": each.margins})
        frames.append(keyed(frame, **_keys(key)))
    return pd.concat(frames, ignore_index=True)


def images(measured: Measured, compared: Mapping[str, VariationSets], table: pd.DataFrame) -> pd.DataFrame:
    """List I^dist from the first primary set for every image outside that set."""
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
        frames.append(keyed(frame[place != compared[key[2]].references[0]], **_keys(key)))
    return pd.concat(frames, ignore_index=True)


def pictures(table: pd.DataFrame, features: Features, seed: int) -> pd.DataFrame:
    """Choose some images of each person, with the same values for all persons if possible."""
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


def _keys(key: Key) -> dict[str, str]:
    return dict(zip(NAMED, key, strict=True))


class IdentitySettings(KindSettings):
    """Hold the settings of the study of identity."""

    dataset: DatasetName = Field(description="The dataset that holds the images of all persons.")
    backbones: BackboneNames = Field(description="The backbones that distances are measured by.")
    pattern: str = Field(
        FINEGPR, description="Regular expression of images' names, with a group person and one a variation; as FineGPR's."
    )
    columns: tuple[str, ...] = Field((), description="Columns of the dataset's table in place of the pattern; one is person.")
    variations: tuple[str, ...] = Field((), description="Which of the other groups or columns are studied; by default all.")
    persons: tuple[str | int, ...] = Field((), description="Which persons are compared; by default all. The paper takes two.")
    references: int | None = Field(
        None, ge=1, description="Draw this many primary sets of each variation, with the seed; by default all are taken."
    )
    perturbations: tuple[str, ...] = Field(("blur",), description="Changes of the images with which all is measured again.")
    components: int = setting(options.Components)
    projection: options.Space = setting(options.Projection)
    bootstrap: int = setting(options.Bootstrap)
    seed: int = setting(options.Seed)


class _People(NamedTuple):
    """Hold the readable images by person and variations, and their sets."""

    table: pd.DataFrame
    sets: Mapping[str, VariationSets]


def _check(settings: IdentitySettings, inputs: Inputs) -> None:
    for name in settings.perturbations:
        try:
            perturbation_named(name)
        except UnknownNameError as error:
            raise InputError(f"perturbations: {error}") from error
    if len(set(settings.perturbations)) < len(settings.perturbations):
        raise InputError.of("perturbations", "must not repeat one", list(settings.perturbations))
    table = described(inputs.file.datasets[settings.dataset], settings.pattern, settings.columns, settings.persons)
    _check_space(settings, compared(table, settings.variations, settings.references, settings.seed))


def _check_space(settings: IdentitySettings, sets: Mapping[str, VariationSets]) -> None:
    for name, each in sets.items():
        if settings.projection == "primary" and min(len(each.sets[place].rows) for place in each.references) < 2:
            rule = f"must not be primary where a set has one image, as those of {name}"
            raise InputError.of("projection", rule, settings.projection, "choose pair, joint or none")


def _run(settings: IdentitySettings, inputs: Inputs) -> Identity:
    """Embed the images once per backbone and perturbation, then measure all sets from the features."""
    dataset = inputs.dataset(settings.dataset)
    table = described(dataset, settings.pattern, settings.columns, settings.persons)
    wanted = set(table["image"])
    dataset = replace(dataset, items=tuple(item for item in dataset.items if item.name in wanted))
    loaded = [inputs.backbone(name) for name in settings.backbones]
    changes = [perturbation_named(name) for name in settings.perturbations]
    changed = [PerturbedBackbone(backbone, change) for backbone in loaded for change in changes]
    views = [features for (features,) in inputs.features([dataset], [*loaded, *changed])]
    labels = [(name, UNCHANGED) for name in settings.backbones]
    labels += [(name, change) for name in settings.backbones for change in settings.perturbations]
    readable = table[table["image"].isin(views[0].images)].reset_index(drop=True)
    people = _People(readable, compared(readable, settings.variations, settings.references, settings.seed))
    _check_space(settings, people.sets)
    kept = KeptArrays(inputs.folder / PARTS)
    measured = dict(_measured(dict(zip(labels, views, strict=True)), people, settings, kept, inputs))
    result = _result(settings, people, views[0], measured)
    kept.forget()
    return result


def _measured(
    views: Mapping[tuple[str, str], Features], people: _People, settings: IdentitySettings, kept: KeptArrays, inputs: Inputs
) -> Iterator[tuple[Key, FromReferences]]:
    """Yield the measures of each backbone, perturbation and variation in the order of the tables."""
    keys = [
        (backbone, change, variation)
        for backbone in settings.backbones
        for change in (UNCHANGED, *settings.perturbations)
        for variation in people.sets
    ]
    total = sum(len(people.sets[variation].references) for _, _, variation in keys)
    with bar(progress=inputs.execution.progress, patient=True, total=total, unit="set", desc="sets") as shown:
        rows: dict[tuple[str, str], FloatArray] = {}
        for key in keys:
            features, sets = views[key[:2]], people.sets[key[2]]
            part = _part_key(key, features, people, settings)
            arrays = kept.read(part)
            if arrays is None:
                if key[:2] not in rows:
                    rows = {key[:2]: _rows(features)}
                arrays = _fresh(rows[key[:2]], sets, settings, shown)._asdict()
                kept.keep(part, arrays)
            else:
                shown.update(len(sets.references))
            yield key, FromReferences(**arrays)


def _fresh(rows: FloatArray, sets: VariationSets, settings: IdentitySettings, shown: Any) -> FromReferences:
    parts = []
    for part in from_references(rows, sets, settings.components, settings.projection):
        parts.append(part)
        shown.update()
    return stacked(parts)


def _rows(features: Features) -> FloatArray:
    """Read features, rotated to principal axes if these are fewer than the columns; distances are unchanged."""
    if features.rows.shape[1] <= len(features):
        return features.to_array()
    first = {content: row for row, content in reversed(list(enumerate(features.contents)))}
    # Turning leaves rounding between equal images, whose distance is 0.
    return principal_coordinates(features.rows)[[first[content] for content in features.contents]]


def _part_key(key: Key, features: Features, people: _People, settings: IdentitySettings) -> str:
    """Return the key of a part of the run, from everything that its numbers depend on."""
    chosen = settings.model_dump(mode="json", exclude={"title", "backbones", "perturbations", "variations", "bootstrap"})
    return part_key("identity", chosen, key[2], dict(features.identity), features.contents, people.table.to_csv())


def _result(
    settings: IdentitySettings, people: _People, features: Features, measured: Mapping[Key, FromReferences]
) -> Identity:
    units = {variation: identity_claims.unit_of(each) for variation, each in people.sets.items()}
    # The same draws by every backbone and perturbation, so that changes are paired.
    found = {
        key: identity_claims.claim(each, people.sets[key[2]], settings.bootstrap, np.random.default_rng([settings.seed, 1]))
        for key, each in measured.items()
    }
    unstudied = () if settings.variations else [name for name in people.table if name not in ("image", PERSON, *people.sets)]
    notes = [f"Nobody is seen under two values of {name}: it is not studied." for name in unstudied]
    notes += [f"Not read: {each.path} ({each.reason})." for each in features.skipped]
    return Identity(
        dataset=settings.dataset,
        backbones=settings.backbones,
        perturbations=(UNCHANGED, *settings.perturbations),
        variations=tuple(people.sets),
        persons=tuple(dict.fromkeys(each.person for sets in people.sets.values() for each in sets.sets)),
        components=settings.components,
        projection=settings.projection,
        sets=sets(people.sets),
        distances=distances(measured, people.sets),
        references=references(measured, people.sets),
        claims=pd.DataFrame(identity_claims.rows(found, units)),
        images=images(measured, people.sets, people.table),
        pictures=pictures(people.table, features, settings.seed),
        provenance=Provenance.now(),
        notes=tuple(notes),
    )


def _work(settings: IdentitySettings, inputs: Inputs) -> Work:
    changed = [f"{name} of {change}" for name in settings.backbones for change in settings.perturbations]
    return Work(embedded=dict.fromkeys([*settings.backbones, *changed], (settings.dataset,)))


IDENTITY = StudyKind(
    name="identity",
    title="Do distances tell persons apart?",
    summary="Margin and violated pairs of persons as view, weather, light or scene varies (eqs. 9-11, figs. 30-32, table 9).",
    settings=IdentitySettings,
    run=_run,
    result=Identity,
    work=_work,
    check=_check,
)
