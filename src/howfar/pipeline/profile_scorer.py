"""Score new images by a profile (a file made from the primary dataset): distance, predicted performance, failure flag."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import ArrayRows, Float64Array, spans
from howfar.backbones import as_backbone, is_stored
from howfar.backbones.backbone_loading import one_torch_thread_each
from howfar.backbones.preprocessing import prepared
from howfar.data import Dataset, DatasetsArgument, content_hash, parse, read_bytes
from howfar.data.class_names_and_predictions import class_names
from howfar.data.image_and_mask_folders import home_of, path_text
from howfar.data.image_bytes import place_of
from howfar.data.image_decoding import picture
from howfar.data.image_stacks import is_stack
from howfar.data.python_objects import ImageArgument, is_image_path, is_picture
from howfar.data.untrusted_documents_and_tables import TABLES, column_roles
from howfar.errors import ImageError, InputError, MissingPathError, UnknownNameError
from howfar.image_reading_options import READING, PixelReading, by_reading, reading_asked, reading_pixels
from howfar.io.file_location import absolute, as_location, is_url
from howfar.metrics.detection import Detection
from howfar.metrics.multiclass import METRIC
from howfar.option_checks_and_signatures import checked
from howfar.options_by_function import BackboneOptions, ScoringOptions
from howfar.pipeline.embedding import check_work
from howfar.pipeline.primary_reference import PrimaryReference
from howfar.protocols import Backbone, Rows
from howfar.relation import site_judge
from howfar.relation.gate import values_of
from howfar.relation.labelled_images import DISTANCES, HISTOGRAM
from howfar.relation.site_judge import AUTO, SiteJudgement
from howfar.results import Features, Skipped
from howfar.results.scores import Score, Scores
from howfar.runners import available_cores
from howfar.store import FeatureStore, Store
from howfar.tasks.classification_task import class_listing
from howfar.tasks.detection_task import BOXES, box_listing
from howfar.tasks.map_scores_and_signals import OWN, ImageMaps, MapFolders, stacked
from howfar.tasks.multiclass_task import class_maps_in
from howfar.tasks.task import ListedImage, ListedSignals

NewImages: TypeAlias = "ImageArgument | DatasetsArgument"
"""What is to be scored: images, datasets, or a list of these."""
NEW: Final = "new"
"""The dataset that images without a name of their own count to."""
FILES, PICTURES = "files", "pictures"


@dataclass(frozen=True)
class Arrival:
    """Describe one image to score: its dataset, its name in the result, and its file or URL."""

    dataset: str
    image: str
    path: Path | str


@dataclass(frozen=True, eq=False)
class Group:
    """Hold the images of one argument (or of adjacent image files), and the files that are no images.

    Ready-made `features` stand in place of images.
    """

    items: tuple[Arrival, ...]
    skipped: tuple[Skipped, ...] = ()
    dataset: Dataset | None = None
    features: Features | None = None


def arrivals(new: NewImages, reading: Mapping[str, Any] | None = None) -> list[Group]:
    """Divide the arguments to score into groups, in order; adjacent image files, there or not, form one group.

    Datasets are read by `reading`, that of a profile, where the user says nothing else.
    """
    several = new if isinstance(new, Sequence) and not isinstance(new, (str, bytes)) else [new]
    if not len(several):
        raise InputError.of("new", "must name at least one image or dataset", new)
    own, asked = PixelReading.of(reading or {}), reading_asked()
    chosen = {name: getattr(asked, name) or getattr(own, name) for name in ("bands", "range", "window")}
    with reading_pixels({**chosen, "overlap": asked.overlap, "frames": asked.frames}):
        groups: list[Group] = []
        for kind, members in groupby(several, _kind):
            if kind == FILES:
                groups.append(Group(tuple(map(arrival, members))))
            elif kind == PICTURES:
                groups.append(_group(parse(list(members), unnamed=NEW)))
            else:
                groups += [_group(parse(argument, unnamed=NEW), argument) for argument in members]
        return groups


def arrival(image: ImageArgument) -> Arrival:
    """Describe one image to score; a file belongs to the dataset of its folder, an image in memory to `NEW`."""
    if not isinstance(image, (str, Path)):
        return _group(parse([image], unnamed=NEW)).items[0]
    file = as_location(image)
    folder = home_of(file.parent)
    return Arrival(path_text(folder.name or "."), path_text(image), file)


def _kind(argument: Any) -> str:
    if is_image_path(argument) and (reading_asked().window or is_stack(argument)):
        return ""  # a raster is a dataset of its windows
    return FILES if is_image_path(argument) else PICTURES if is_picture(argument) else ""


def _group(parsed: Dataset | Features, argument: Any = None) -> Group:
    """Make a group of a dataset; where `argument`, which it was read from, was a relative path, its images have such too."""
    if isinstance(parsed, Features):
        return Group((), parsed.skipped, features=parsed)
    relative = False
    if isinstance(argument, (str, Path)) and not is_url(argument):
        given = str(argument).partition("=")[2] or str(argument)
        relative = not is_url(given) and not given.startswith("~") and not Path(given).is_absolute()
    items = []
    for item in parsed.items:
        # A picture in memory has no path that anybody could look for.
        place = place_of(item)
        if relative and Path(place).is_absolute() and Path(place).is_relative_to(Path.cwd()):
            place = str(Path(place).relative_to(Path.cwd()))
        items.append(Arrival(parsed.name, path_text(place), item.path))
    # Scoring reads no masks, so their faults do not matter.
    skipped = tuple(fault for fault in parsed.skipped if not fault.reason.startswith("mask: "))
    return Group(tuple(items), skipped, dataset=parsed)


def check_same(wanted: Mapping[str, Any], got: Mapping[str, Any], primary: str, what: str) -> None:
    """Raise `InputError`, naming every difference, for features of `what` that are not of `primary`'s profile's kind."""
    first, second = dict(_flat(wanted)), dict(_flat(got))
    differing = [
        f"{key}: {first.get(key, 'nothing')} and {second.get(key, 'nothing')}"
        for key in {**first, **second}
        if first.get(key) != second.get(key)
    ]
    if differing:
        raise InputError(
            f"{what} must give the features that {primary} was profiled with, and differs in {'; '.join(differing)} "
            "(the profile's first): use the same backbone, or make the profile again"
        )


def _flat(value: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for key, item in value.items():
        if isinstance(item, Mapping) and item:
            yield from _flat(item, f"{above}{key}.")
        else:
            yield f"{above}{key}", json.dumps(item, ensure_ascii=False, sort_keys=True)


FAR = 0.05
OWN_SUBSPACE: Final = (
    "distances are in the subspace of the primary alone: compare them with one another, not with those of `howfar compare`, "
    "which by default fits a subspace to each pair of datasets"
)
# The estimators that predict the same for every image.
CONSTANT = ("mean",)


def flagged(
    primary: str, predicted: float | None, estimator: str | None, p_value: float | None, tau: float | None
) -> tuple[bool | None, str]:
    """Decide whether the model probably fails on an image, with the reason in words; None where nothing is known.

    The image is flagged where its predicted performance is below τ. Where no estimator looks at the image (there is none, or
    one that predicts the same for all), it is also flagged where its conformal p-value is at most 0.05: it is farther from the
    primary dataset than 95 % of that dataset's own images.
    """
    if predicted is not None and tau is not None:
        if predicted < tau:
            return True, f"predicted {predicted:.2g} is below {tau:g}"
        if estimator not in CONSTANT:
            return False, f"predicted {predicted:.2g} is not below {tau:g}"
    if p_value is None:
        return None, f"{primary} has too few images or groups to tell, or all alike"
    if p_value <= FAR:
        return True, f"farther than 95 % of the images of {primary} (p = {p_value:.2g})"
    return False, f"not farther than 95 % of the images of {primary} (p = {p_value:.2g})"


READ = ("predicted_foreground", "foreground_width", "tile_agreement")
"""What the gate reads of a map's signals."""
PIXELS, RESIDUAL, JSON = "pixels", "residual", ".json"


def judged(profile: PrimaryReference, images: Sequence[Score]) -> Scores:
    """Judge each dataset that has an estimate by its images' scores: mean performance, gate and probable failures."""
    judge, found = profile.judge, list[SiteJudgement]()
    if judge is None:
        return Scores(profile.primary, ())
    for dataset in dict.fromkeys(image.dataset for image in images):
        rows = [image for image in images if image.dataset == dataset]
        predicted, low, high = (
            np.array([getattr(image, name) for image in rows], dtype=np.float64)
            for name in ("predicted", "predicted_low", "predicted_high")
        )
        names = dict.fromkeys(name for image in rows for name in image.readings)
        columns = {name: np.array([image.readings.get(name) for image in rows], dtype=np.float64) for name in names}
        gate = None if judge.gate is None else judge.gate.read(dataset, values_of(columns), tiled=judge.terms.tiled)
        estimators = tuple(image.estimator for image in rows)
        found.append(judge.of_predictions(dataset, predicted, low, high, estimators, gate))
    known = [said for said in found if said.estimate is not None]
    return Scores(
        profile.primary,
        (),
        estimates=tuple(said.estimate for said in known if said.estimate is not None),
        gates=tuple(said.gate for said in known if said.gate is not None),
        failures=tuple(said.failures for said in known if said.failures is not None),
    )


_ROWS = 256
_Predicted: TypeAlias = tuple[float | None, float | None, float | None, str | None]
_NOTHING: _Predicted = (None, None, None, None)
_Maps: TypeAlias = "Mapping[Path | str, ImageMaps | ListedImage]"
"""What is known of a dataset's predictions, by image file."""


class Scorer:
    """Score images by a profile, with the backbone kept loaded; made by `howfar.Profile.scorer`.

    `backbone` is a loaded one, None where there are ready-made embeddings alone; `work` are batch size, workers, store,
    estimator and folders of maps. Raises `InputError` where the backbone gives other features than the profile's, or an option
    is wrong.

    Examples
    --------
    >>> import howfar, tempfile
    >>> from howfar.demo import write_dataset
    >>> from howfar.studies.profile_dataset import profile
    >>> folder = write_dataset(Path(tempfile.mkdtemp()) / "roads", 20, seed=0, size=64)
    >>> scorer = profile(folder, "colour_moments", store=folder / "store", progress=False).scorer()
    >>> image = next((folder / "images").iterdir())
    >>> scorer.one(image).flag, scorer.one("no/such.png").reason
    (False, 'no such file')
    """

    def __init__(self, profile: PrimaryReference, backbone: Backbone | None, work: ScoringOptions | None = None) -> None:
        self.profile, self.backbone, self.work = profile, backbone, checked(ScoringOptions, work or {})
        self._runner = check_work("local", self.work["batch_size"], self.work["workers"])
        self._folders = _sources(profile, self.work)
        self.notes, self.faults, self._owners = profile.notes(), list[str](), dict[Path | None, str]()
        if profile.judge is not None:
            distances = () if profile.self_distance is None else DISTANCES
            known = (*distances, *self._folders.columns)
            self.notes += tuple(site_judge.notes(profile.judge, known, self.work["estimator"]))
        elif self._folders.predictions is not None or self.work["estimator"] != AUTO:
            name = "predictions" if self._folders.predictions is not None else "estimator"
            rest = "holds no estimators of performance: make it with labelled datasets and their performance"
            raise InputError(f"{name} is of no use: the profile of {profile.primary} {rest}")
        self._store: FeatureStore | None = None
        self._reading = replace(PixelReading.of(profile.identity.get(READING, {})), window=0)
        asked = replace(reading_asked(), window=0).identity()
        if asked and asked != self._reading.identity():
            raise InputError.of("bands and range", f"must be those of {profile.primary}'s profile", asked, "leave them out")
        if backbone is not None:
            own = {key: value for key, value in profile.identity.items() if key != READING}
            check_same(own, backbone.identity, profile.primary, f"backbone {backbone.name}")
            store = self.work["store"]
            if store is not None and is_stored(backbone):
                opened = Store(store) if isinstance(store, (str, Path)) else store
                self._store = opened.open(backbone.identity, sum(backbone.layers))

    def one(self, image: ImageArgument) -> Score | Skipped:
        """Score one image file or an image in memory (Pillow, array); an unreadable image gives the reason."""
        (outcome,) = self._batch((arrival(image),), {})
        return outcome

    def each(self, group: Group) -> Iterator[Score | Skipped]:
        """Yield each image's score, or why it was skipped, for a group, in order as batches finish.

        Raises `InputError` where ready-made features are of another kind than the profile's, images meet a profile of
        embeddings, or a folder of maps has none of a dataset's images.
        """
        if group.features is not None:
            yield from self._features(group.features)
        size, items = self.work["batch_size"], group.items
        maps: Any = {} if self._folders.predictions is None or group.dataset is None else self._folders.matched(group.dataset)
        if isinstance(self._folders, MapFolders) and self.profile.judge is not None and maps and group.dataset is not None:
            self._folders.check_network(self.profile.judge.terms.network, maps, self.profile.primary)
            first = next((files.places[OWN][0][0] for files in maps.values() if files.places[OWN][0][0]), None)
            own = group.dataset.name
            if (owner := self._owners.setdefault(first, own)) != own:
                raise InputError.of(OWN, "must hold maps of one dataset", f"{owner} and {own}", "check them one at a time")
        chunks = [items[at] for at in spans(len(items), size)]
        alone = len(chunks) < 2 or (self.work["workers"] or available_cores()) == 1
        with nullcontext() if alone else one_torch_thread_each():
            for outcomes in self._runner.run(partial(self._batch, maps=maps), chunks):
                yield from outcomes
        yield from group.skipped

    def _batch(self, items: Sequence[Arrival], maps: _Maps) -> list[Score | Skipped]:
        if self.backbone is None:
            raise _needs_embeddings(self.profile)
        reasons: dict[int, str] = {}
        contents: list[str] = []
        # Inputs that are not stored, by content, so that equal images are embedded once; without a store, by position.
        new: dict[str, tuple[NDArray[Any], str]] = {}
        for index, item in enumerate(items):
            try:
                data = read_bytes(by_reading(item.path, self._reading))
                content = str(index) if self._store is None else content_hash(data)
                if content not in new and not self._stored(content):
                    new[content] = prepared(self.backbone, picture(data)), item.image
                contents.append(content)
            except ImageError as error:
                reasons[index] = str(error)
        scored = iter(list[Score]())
        if contents:
            inputs, images = zip(*new.values(), strict=True) if new else ((), ())
            rows = self.backbone.embed(np.stack(inputs)) if new else np.empty((0, 0), np.float32)
            if new and self._store is not None:
                self._store.add(list(new), images, rows)
            readable = [item for index, item in enumerate(items) if index not in reasons]
            scored = iter(self._scores(rows if self._store is None else self._store.select(contents), readable, maps))
        return [
            Skipped(item.dataset, item.image, reasons[index]) if index in reasons else next(scored)
            for index, item in enumerate(items)
        ]

    def _stored(self, content: str) -> bool:
        return self._store is not None and self._store.contains(content) and not self._store.verify([content])

    def _features(self, features: Features) -> Iterator[Score]:
        check_same(self.profile.identity, features.identity, self.profile.primary, features.name)
        for at in spans(len(features), _ROWS):
            names = [path or name for path, name in zip(features.paths[at], features.images[at], strict=True)]
            items = [Arrival(features.name, name, Path(name)) for name in names]
            yield from self._scores(ArrayRows(features.rows.rows(at.start, at.stop)), items, {})

    def _scores(self, features: NDArray[np.float32] | Rows, items: Sequence[Arrival], maps: _Maps) -> list[Score]:
        measured = self.profile.measure(features)
        units = self.profile.columns(measured)
        predicted, words, signals = self._predicted(units, items, maps)
        self.faults += [f"{item.image}: {fault}" for item, fault in zip(items, words, strict=True) if fault]
        distances = {name: _optional(values) for name, values in measured.items() if name != RESIDUAL}
        gated = {name: _optional(units[name]) for name in ("i_dist", "knn", RESIDUAL)}
        scores, tau = [], None if self.profile.judge is None else self.profile.judge.terms.tau
        for index, item in enumerate(items):
            estimate, low, high, estimator = predicted[index]
            own = {name: values[index] for name, values in distances.items()}
            flag, reason = flagged(self.profile.primary, estimate, estimator, own["p_value"], tau)
            score = Score(
                dataset=item.dataset,
                image=item.image,
                **own,  # type: ignore[arg-type]  # no distance is None of those that a score must have
                predicted=estimate,
                predicted_low=low,
                predicted_high=high,
                estimator=estimator,
                flag=flag,
                reason=f"{reason}; {words[index]}" if words[index] else reason,
                readings={**signals[index], **{name: values[index] for name, values in gated.items()}},
            )
            scores.append(score)
        return scores

    def _predicted(
        self, units: Mapping[str, Float64Array], items: Sequence[Arrival], maps: _Maps
    ) -> tuple[Sequence[_Predicted], Sequence[str], Sequence[dict[str, float]]]:
        """Predict performance by the profile's estimators; also return faults of the maps and the gate's values."""
        judge = self.profile.judge
        if judge is None:
            return [_NOTHING] * len(items), [""] * len(items), [{}] * len(items)
        columns: dict[str, Any] = dict(units)
        words: Sequence[str] = [""] * len(items)
        readings: Sequence[dict[str, float]] = [{}] * len(items)
        if self._folders.predictions is not None:
            image_maps = [maps.get(item.path) or self._folders.beside(item.path) for item in items]
            signals, words = zip(*(files.read(judge.cut) for files in image_maps), strict=True)
            columns |= stacked(signals, self._folders.columns)
            # Of a map's signals: foreground share and width, tile agreement, and size in pixels.
            readings = [
                {name: float(values[name]) for name in READ if name in values}
                | ({PIXELS: float(np.sum(values[HISTOGRAM]))} if HISTOGRAM in values else {})
                for values in signals
            ]
        estimate, low, high, names = judge.predict(columns, self.work["estimator"])
        return list(zip(*map(_optional, (estimate, low, high)), names, strict=True)), words, readings


def load_again(profile: PrimaryReference, **options: Any) -> Backbone:
    """Load a profile's backbone with the profile's options, updated by `options`; raise `HowfarError` if it is not at hand."""
    if profile.identity.get("kind") == "embeddings":
        raise _needs_embeddings(profile)
    try:
        with reading_pixels(profile.identity.get(READING, {})):
            return as_backbone(profile.backbone, cast("BackboneOptions", {**profile.options, **options}))
    except UnknownNameError as error:
        line = f"{profile.primary} was profiled with {profile.backbone}, which is no registered backbone"
        raise UnknownNameError(f"{line}: score in Python, and pass it as backbone") from error
    except MissingPathError as error:
        remedy = "name the file with weights" if "weights" in profile.options else "the profile itself holds no weights"
        line = f"{profile.backbone}, which {profile.primary} was profiled with, is not at hand"
        raise MissingPathError(f"{line}: {error}; {remedy}") from error


def gathered(scorer: Scorer, outcomes: Sequence[Score | Skipped]) -> Scores:
    """Judge the datasets of images that are scored."""
    images = tuple(outcome for outcome in outcomes if isinstance(outcome, Score))
    faults, scorer.faults = scorer.faults, []
    unusable = (
        [f"{len(faults)} of {len(images)} images have no usable prediction; the first is {min(faults)}"] if faults else []
    )
    return replace(
        judged(scorer.profile, images),
        images=images,
        skipped=tuple(outcome for outcome in outcomes if isinstance(outcome, Skipped)),
        notes=(*scorer.notes, *unusable, *site_judge.learnt_notes(scorer.profile.judge, (score.dataset for score in images))),
    )


def _sources(profile: PrimaryReference, work: ScoringOptions) -> MapFolders | ListedSignals:
    """Return the folders of maps, or the file of predictions, given in the options."""
    predictions = None if work["predictions"] is None else absolute(work["predictions"])
    metric, flipped = "" if profile.judge is None else profile.judge.metric, work["flipped"]
    many = [(name, work[name]) for name in ("ensemble", "tiles") if work[name]]
    roles, names = column_roles(work["columns"]), class_names(work["classes"])
    ending = "" if predictions is None or not predictions.is_file() else predictions.suffix.lower()
    boxes = predictions is not None and predictions.exists() and metric.startswith(BOXES) and not many
    if predictions is not None and (boxes or (ending == JSON and not many)):
        mirrored = None if flipped is None else absolute(flipped)
        return box_listing(predictions, mirrored, Detection.named(metric), roles, names)
    if ending not in TABLES:
        for name in ("columns", "classes"):
            if work[name]:
                raise InputError.of(name, "is of use only to classes and boxes", work[name], "leave it out")
    if predictions is not None and predictions.is_dir() and metric == METRIC:
        for name, folder in (("flipped", flipped), *many) if flipped else many:
            raise InputError.of(name, "is of no use to maps of several classes", str(folder), "leave it out")
        return class_maps_in(predictions)
    if predictions is None or ending not in (JSON, *TABLES):
        return MapFolders.of(work["predictions"], flipped, work["ensemble"], work["tiles"])
    for name, folder in many:
        raise InputError.of(name, "is of use only to maps", str(folder), "leave it out")
    if flipped is not None:
        raise InputError.of("flipped", "is of no use to classification", str(flipped), "leave it out")
    return class_listing(predictions, roles, names)


def _needs_embeddings(profile: PrimaryReference) -> InputError:
    return InputError(f"{profile.primary} was profiled from ready-made embeddings: pass such, not images")


def _optional(values: Float64Array) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]
