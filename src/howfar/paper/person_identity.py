"""Run the paper's study of persons (appendix E): are a person's images closest to each other, whatever view and weather?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from howfar.arrays import ArrayRows, Float64Array, FloatArray, quotient
from howfar.backbones.preprocessing import PerturbedBackbone
from howfar.data import Dataset
from howfar.data.image_and_mask_folders import natural_key
from howfar.data.image_groups_and_variations import FINEGPR, variation_columns, variations
from howfar.distances.mean_distances import identity_margin, image_to_dataset, self_distance
from howfar.errors import InputError
from howfar.io.partial_results import KeptArrays, part_key
from howfar.option_checks_and_signatures import nearest
from howfar.options import Space
from howfar.paper.study_common import SpaceSettings, perturbations_of
from howfar.progress import bar
from howfar.projection import Projector
from howfar.projection.pca_cache import CachedRows
from howfar.projection.projector import principal_coordinates
from howfar.random_streams import stream
from howfar.results import Features, Provenance
from howfar.results.display_and_shared_records import keyed
from howfar.results.distance_studies import UNCHANGED, Identity
from howfar.significance import interval, resample_counts
from howfar.studies.study_file.kind import BackboneNames, DatasetName, StudyKind, Work
from howfar.studies.study_file.read_study_file import Inputs

PERSON: Final = "person"
NAMED: Final = ("backbone", "perturbation", "variation")
PARTS: Final = "parts"
ACROSS: Final = 8
Key = tuple[str, str, str]
FEWEST = 5
"""Persons, or primary sets, from which on an interval over them says something."""


@dataclass(frozen=True, eq=False)
class VariationSets:
    """Hold a variation's s sets p_i v_k of eqs. 9 to 11, by person, then value, in natural order, and which are primary.

    A set holds the images of one of the `persons` under one of the `values`, by their ascending `rows` in the table.
    `references` are the (r,) places of the primary sets: each of a person who is seen under another value, too.
    """

    persons: NDArray[np.object_]
    values: NDArray[np.object_]
    rows: tuple[NDArray[np.intp], ...]
    references: NDArray[np.intp]

    @property
    def others(self) -> NDArray[np.bool_]:
        """Return masks, (r, s), of the sets of every other person than each primary set's."""
        return np.asarray(self.persons[self.references, None] != self.persons)

    @property
    def own(self) -> NDArray[np.bool_]:
        """Return masks, (r, s), of the sets of each primary set's person under every other value."""
        return np.asarray(~self.others & (self.references[:, None] != np.arange(len(self.persons))))

    def labels(self) -> pd.DataFrame:
        """Return a table of the sets' person and value."""
        return pd.DataFrame({"person": self.persons, "value": self.values})


def described(dataset: Dataset, pattern: str, columns: Sequence[str], persons: Sequence[str | int]) -> pd.DataFrame:
    """Return a table of the wanted persons' images (default: all), with text columns image, person and each variation.

    The columns come from the dataset's own table where `columns` names some, else from the images' names by the `pattern`.
    """
    names = [item.name for item in dataset.items]
    table = variation_columns(dataset, columns) if columns else variations(names, pattern)
    if PERSON not in table or len(table.columns) < 2:
        option, value = ("columns", list(columns)) if columns else ("pattern", pattern)
        raise InputError.of(option, "must have person, and another for what varies", value, "call who is seen person")
    table = table.astype(str)
    wanted, known = [str(person) for person in persons], sorted(set(table[PERSON]), key=natural_key)
    for person in wanted:
        if person not in known:
            raise InputError.of("persons", f"must be persons of {dataset.name}", person, nearest(person, known, "persons"))
    kept = set(wanted or known)
    if len(kept) < 2:
        raise InputError.of("persons", "must be at least two", sorted(kept), "distances tell one from another")
    table.insert(0, "image", names)
    return table[table[PERSON].isin(kept)].reset_index(drop=True)


def compared(table: pd.DataFrame, wanted: Sequence[str], most: int | None, seed: int) -> dict[str, VariationSets]:
    """Divide the images of `described` into sets for each wanted variation, by default all, with up to `most` primary sets."""
    known = [str(name) for name in table if name not in ("image", PERSON)]
    for name in wanted:
        if name not in known:
            raise InputError.of("variations", "must be among those of the images", name, nearest(name, known, "variations"))
    found = {}
    for variation in wanted or known:
        places: Any = table.groupby([PERSON, variation]).indices
        ordered = sorted(places, key=lambda key: (natural_key(key[0]), natural_key(key[1])))
        persons, values = np.array(ordered, dtype=object).T
        references = np.flatnonzero(pd.Series(persons).duplicated(keep=False))
        if most is not None and most < len(references):
            rng = stream(seed, "identity of sets", variation)
            references = np.sort(rng.choice(references, most, replace=False))
        found[variation] = VariationSets(persons, values, tuple(map(places.__getitem__, ordered)), references)
    empty = [name for name, each in found.items() if not len(each.references)]
    if empty and (wanted or len(empty) == len(found)):
        raise InputError.of("variations", "must have two values for some person", empty[0], "leave it out")
    return {name: each for name, each in found.items() if len(each.references)}


class FromReferences(NamedTuple):
    """Hold the measures from r primary sets to all s sets of a variation with N images.

    `o_dist` (r, s) is in mean form, and `relative` over the primary set's self-distance: NaN at the primary itself, `relative`
    also where that has one image. `violated` (r,) is the share of violated pairs, beside the `margins`. `i_dist` (N,) is each
    image's from the first primary set, in the order of the sets; NaN for its own.
    """

    o_dist: Float64Array
    relative: Float64Array
    violated: Float64Array
    margins: Float64Array
    i_dist: Float64Array


def from_references(
    rows: FloatArray, compared: VariationSets, components: int, mode: Space, measured: Callable[[], object] = lambda: None
) -> FromReferences:
    """Measure from each primary set to all others, calling `measured` after each."""
    sets: Sequence[NDArray[np.intp]] = compared.rows
    if mode == "joint":
        every = np.sort(np.concatenate(sets))
        rows = Projector(rows[every], min(components, max(1, len(every) - 1), rows.shape[1])).own()
        sets = [np.searchsorted(every, own) for own in sets]
    parts = [rows[own] for own in sets]
    # Each set's own sums are computed once.
    cached = [CachedRows(ArrayRows(part)) for part in parts]

    def pair(primary: int, secondary: int) -> tuple[FloatArray, FloatArray]:
        p, s = parts[primary], parts[secondary]
        most = min((len(p) if mode == "primary" else len(p) + len(s)) - 1, p.shape[1])
        # Where all components are kept, distances are those of the features themselves.
        if mode in ("none", "joint") or (mode == "pair" and most <= components):
            return p, s
        projected = next(Projector(cached[primary], min(components, most)).project([cached[secondary]], mode))
        return projected.primary, projected.secondary

    o_dist = np.full((len(compared.references), len(parts)), np.nan)
    own_distance, margins, masks = o_dist.copy(), [], (compared.own, compared.others)
    i_dist = [np.full(len(part), np.nan) for part in parts]
    for order, reference in enumerate(compared.references.tolist()):
        for place in range(len(parts)):
            if place != reference:
                p, s = pair(reference, place)
                distances = image_to_dataset(s, p)
                i_dist[place] = i_dist[place] if order else distances
                o_dist[order, place] = distances.mean()
                own_distance[order, place] = self_distance(p) if len(p) > 1 else np.nan
        margins.append(identity_margin(*(o_dist[order, mask[order]].tolist() for mask in masks)))
        measured()
    violated, margin = (np.array([getattr(each, name) for each in margins]) for name in ("violated", "margin"))
    return FromReferences(o_dist, quotient(o_dist, own_distance), violated, margin, np.concatenate(i_dist))


def unit_of(compared: VariationSets) -> str:
    """Return the unit that intervals resample: "persons", "primary sets" if persons are few, or "" for no interval."""
    if len(set(compared.persons[compared.references])) >= FEWEST:
        return "persons"
    return "primary sets" if len(compared.references) >= FEWEST else ""


Claim: TypeAlias = tuple[dict[str, Any], Float64Array]
"""A row of `Identity.claims` but for the changes, and the shares of violated pairs in every draw (none without an interval)."""


def claim(measured: FromReferences, compared: VariationSets, draws: int, rng: np.random.Generator) -> Claim:
    """Summarise the measures from a variation's primary sets.

    A draw takes as many persons as there are, with replacement, each with all primary sets of that person; where there are few
    persons, it takes each person's primary sets anew. The sets that they are compared with stay.
    """
    others = compared.others
    pairs = compared.own.sum(axis=1) * others.sum(axis=1)
    times = _times(compared, draws, rng)
    weighted = times * pairs[:, None]
    finite = np.isfinite(measured.margins)
    defined = measured.margins[finite]
    medians = np.array([np.median(np.repeat(defined, taken)) for taken in times[finite].T if taken.any()])
    draws_of = np.asarray(measured.violated @ weighted / weighted.sum(axis=0), dtype=np.float64)
    # If only the value counts, a set of another person under the primary's value is always nearer, of the rest one half.
    same = others & (compared.values[compared.references, None] == compared.values)
    blind = (1 + same.sum(axis=1) / others.sum(axis=1)) / 2
    row = {
        "references": len(pairs),
        "pairs": int(pairs.sum()),
        "violated": float(measured.violated @ pairs / pairs.sum()),
        "margin": float(np.median(defined)) if len(defined) else np.nan,
        "least": float(defined.min()) if len(defined) else np.nan,
        "holding": int((measured.violated == 0).sum()),
        "blind": float(blind @ pairs / pairs.sum()),
        **_ends("", draws_of),
        **_ends("margin_", medians),
    }
    return row, draws_of


def _times(compared: VariationSets, draws: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Count how often each draw takes each primary set, (r, draws); without an interval there are no draws."""
    unit = unit_of(compared)
    persons = np.unique(compared.persons[compared.references], return_inverse=True)[1]
    if not (unit and draws):
        return np.zeros((len(persons), 0), np.int64)
    count = int(persons.max()) + 1
    if unit == "persons":
        return resample_counts(count, draws, rng)[persons].astype(np.int64)
    times = np.zeros((len(persons), draws), np.int64)
    for person in range(count):
        times[persons == person] = resample_counts(int((persons == person).sum()), draws, rng)
    return times


def _ends(name: str, draws: Float64Array) -> dict[str, float]:
    low, high = interval(draws) if len(draws) else (np.nan, np.nan)
    return {f"{name}low": low, f"{name}high": high}


def rows(claims: Mapping[Key, Claim], units: Mapping[str, str]) -> list[dict[str, Any]]:
    """Build the rows of the result's table of claims by (backbone, perturbation, variation)."""
    found = []
    for key, (row, draws) in claims.items():
        before, draws_before = claims[key[0], UNCHANGED, key[2]]
        # Both claims use the same draws.
        change = {"change": row["violated"] - before["violated"], **_ends("change_", draws - draws_before)}
        if key[1] == UNCHANGED:
            change = dict.fromkeys(change, np.nan)
        over = units[key[2]] if len(draws) else ""
        found.append({**dict(zip(NAMED, key, strict=True)), **row, **change, "interval_over": over})
    return found


def tables(
    measured: Mapping[Key, FromReferences], compared: Mapping[str, VariationSets], table: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    """Build the result's tables of distances, of primary sets (references) and of images."""
    frames: dict[str, list[pd.DataFrame]] = {"distances": [], "references": [], "images": []}
    for key, each in measured.items():
        variation, named = compared[key[2]], dict(zip(NAMED, key, strict=True))
        labels, references = variation.labels(), variation.references
        every = np.arange(len(labels))
        pairs = labels.iloc[references].add_prefix("reference_").merge(labels, how="cross")
        pairs = pairs.assign(o_dist_mean=each.o_dist.ravel(), relative=each.relative.ravel())
        frames["distances"].append(keyed(pairs[(references[:, None] != every).ravel()], **named))
        own = labels.iloc[references].assign(violated=each.violated, margin=each.margins)
        frames["references"].append(keyed(own, **named))
        place = np.repeat(every, list(map(len, variation.rows)))
        images = labels.iloc[place].assign(image=table["image"].to_numpy()[np.concatenate(variation.rows)])
        images = images.assign(i_dist_mean=each.i_dist)
        frames["images"].append(keyed(images[place != references[0]], **named))
    return {name: pd.concat(parts, ignore_index=True) for name, parts in frames.items()}


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


class IdentitySettings(SpaceSettings):
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


def _check(settings: IdentitySettings, inputs: Inputs) -> None:
    perturbations_of(settings.perturbations)
    table = described(inputs.file.datasets[settings.dataset], settings.pattern, settings.columns, settings.persons)
    _check_space(settings, compared(table, settings.variations, settings.references, settings.seed))


def _check_space(settings: IdentitySettings, sets: Mapping[str, VariationSets]) -> None:
    for name, each in sets.items():
        if settings.projection == "primary" and min(len(each.rows[place]) for place in each.references) < 2:
            rule = f"must not be primary where a set has one image, as those of {name}"
            raise InputError.of("projection", rule, settings.projection, "choose pair, joint or none")


def _run(settings: IdentitySettings, inputs: Inputs) -> Identity:
    """Embed the images once per backbone and perturbation, then measure all sets from the features."""
    dataset = inputs.dataset(settings.dataset)
    table = described(dataset, settings.pattern, settings.columns, settings.persons)
    wanted = set(table["image"])
    dataset = replace(dataset, items=tuple(item for item in dataset.items if item.name in wanted))
    loaded = [inputs.backbone(name) for name in settings.backbones]
    changed = (PerturbedBackbone(*each) for each in product(loaded, perturbations_of(settings.perturbations)))
    views = [features for (features,) in inputs.features([dataset], [*loaded, *changed])]
    labels = [*product(settings.backbones, [UNCHANGED]), *product(settings.backbones, settings.perturbations)]
    readable = table[table["image"].isin(views[0].images)].reset_index(drop=True)
    sets = compared(readable, settings.variations, settings.references, settings.seed)
    _check_space(settings, sets)
    kept = KeptArrays(inputs.folder / PARTS)
    by_label = dict(zip(labels, views, strict=True))
    total = len(labels) * sum(len(each.references) for each in sets.values())
    # What a part's numbers depend on beside its features and variation.
    chosen = settings.model_dump(mode="json", exclude={"title", "backbones", "perturbations", "variations", "bootstrap"})
    measured: dict[Key, FromReferences] = {}
    with bar(progress=inputs.execution.progress, patient=True, total=total, unit="set", desc="sets") as shown:
        for label in product(settings.backbones, (UNCHANGED, *settings.perturbations)):
            features, rows = by_label[label], None
            for variation, each in sets.items():
                part = part_key("identity", chosen, variation, dict(features.identity), features.contents, readable.to_csv())
                arrays = kept.read(part)
                if arrays is None:
                    rows = _rows(features) if rows is None else rows
                    arrays = from_references(rows, each, settings.components, settings.projection, shown.update)._asdict()
                    kept.keep(part, arrays)
                else:
                    shown.update(len(each.references))
                measured[(*label, variation)] = FromReferences(**arrays)
    result = _result(settings, readable, sets, views[0], measured)
    kept.forget()
    return result


def _rows(features: Features) -> FloatArray:
    """Read features, rotated to principal axes if these are fewer than the columns; distances are unchanged."""
    if features.rows.shape[1] <= len(features):
        return features.to_array()
    first = {content: row for row, content in reversed(list(enumerate(features.contents)))}
    # Turning leaves rounding between equal images, whose distance is 0.
    return principal_coordinates(features.rows)[[first[content] for content in features.contents]]


def _result(
    settings: IdentitySettings,
    table: pd.DataFrame,
    sets: Mapping[str, VariationSets],
    features: Features,
    measured: Mapping[Key, FromReferences],
) -> Identity:
    units = {variation: unit_of(each) for variation, each in sets.items()}
    # The same draws by every backbone and perturbation, so that changes are paired.
    found = {
        key: claim(each, sets[key[2]], settings.bootstrap, np.random.default_rng([settings.seed, 1]))
        for key, each in measured.items()
    }
    of_sets = []
    for variation, each in sets.items():
        primary = np.isin(np.arange(len(each.rows)), each.references)
        of_sets.append(keyed(each.labels().assign(images=list(map(len, each.rows)), reference=primary), variation=variation))
    unstudied = () if settings.variations else [name for name in table if name not in ("image", PERSON, *sets)]
    notes = [f"Nobody is seen under two values of {name}: it is not studied." for name in unstudied]
    notes += [f"Not read: {each.path} ({each.reason})." for each in features.skipped]
    return Identity(
        dataset=settings.dataset,
        backbones=settings.backbones,
        perturbations=(UNCHANGED, *settings.perturbations),
        variations=tuple(sets),
        persons=tuple(dict.fromkeys(person for each in sets.values() for person in each.persons)),
        components=settings.components,
        projection=settings.projection,
        sets=pd.concat(of_sets, ignore_index=True),
        **tables(measured, sets, table),
        claims=pd.DataFrame(rows(found, units)),
        pictures=pictures(table, features, settings.seed),
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
