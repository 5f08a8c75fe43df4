"""Assess new sites in one run: the expected score of a model there, its certainty, the reasons and the next step."""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Unpack

import numpy as np

from howfar.backbones import BackboneArgument
from howfar.data import Dataset, DatasetArgument, DatasetsArgument
from howfar.errors import HowfarError, InputError
from howfar.io.location import absolute, as_location
from howfar.keywords import AssessOptions, BackboneOptions, CertifyOptions, CompareOptions, RelateOptions, TaskOptions
from howfar.options import DEFAULT_BACKBONE
from howfar.pipeline.pairs import forget_pairs
from howfar.pipeline.reference_profile import PROFILE, Profile
from howfar.progress import stage
from howfar.relation.image_columns import EVERY_SIGNAL, HISTOGRAM
from howfar.relation.site_judge import AUTO, MEAN
from howfar.results import Comparison, Evaluation, Features, Provenance, Relation, SetEstimate
from howfar.results.assessment import Assessment, SiteAnswer
from howfar.results.records import plain
from howfar.results.run_files import page_folder
from howfar.settings import checked, command_words, declared, picked, with_options
from howfar.studies.assessment.answers import LABELS, TILE_FLAG, Answers, Commands, basis_note, basis_of, own_words
from howfar.studies.assessment.preparation import (
    PERFORMANCE,
    AssessmentScores,
    Preparation,
    blank_sites,
    check_folders,
    own_score,
    preparation,
)
from howfar.studies.distance import features_of, measured_run
from howfar.studies.performance.image_performance import Further
from howfar.studies.performance.performance_files import files_of, read_performances
from howfar.studies.performance.relate import check_resampling, expectation, fallbacks, related
from howfar.studies.profile import measured_images
from howfar.studies.run_folder import draw
from howfar.studies.selection import select
from howfar.studies.study_inputs import Execution, drawn, keep_pictures, read_datasets, sources_of

if TYPE_CHECKING:
    from howfar.pipeline.prediction import ModelArgument
    from howfar.results.records import NetworkReading


STORE = "--store"


def command_again(commands: Commands, prepared: Preparation) -> str:
    """Return the command line that repeats an assessment in its own folder, with absolute paths."""
    maps: tuple[str, ...]
    if prepared.model is None:
        maps = ("--predictions", str(absolute(commands.maps)))
    else:
        file = Path(commands.model)
        maps = ("--model", str(absolute(file)) if file.is_file() else commands.model, *commands.read)
    tiled = (TILE_FLAG,) if prepared.given["tiled"] else ()
    chosen = [*commands.chosen]
    if STORE in chosen:
        place = chosen.index(STORE) + 1
        chosen[place] = str(as_location(chosen[place]))
    words = (commands.primary, *commands.sites.values(), *maps, *tiled, *chosen, "--out", str(absolute(commands.run)))
    return shlex.join(("howfar", "assess", *words))


def model_identity(prepared: Preparation, parts: AssessmentScores) -> dict[str, Any]:
    """Return the weights' hash and the input settings that maps depend on; for given maps, return their hashes."""
    if prepared.model is not None:
        card = prepared.model.card
        return dict(plain({**prepared.model.identity, **({} if card is None else {"segmenter": card.segmenter})}))
    return {f"maps of {evaluation.dataset}": _digest(evaluation) for evaluation in (parts.own, *parts.evaluations)}


def _digest(evaluation: Evaluation) -> str:
    """Hash the image names and prediction signals of an evaluation, so that another model gives another hash."""
    rows, digest = evaluation.images.sort_values("image"), hashlib.sha256()
    for name in ("image", HISTOGRAM, *EVERY_SIGNAL):
        for value in rows.get(name, ()):
            digest.update(f"{np.asarray(value).tolist()}\0".encode("utf-8", "backslashreplace"))
    return digest.hexdigest()


def changes(folder: Path, identity: Mapping[str, Any]) -> Iterator[str]:
    """Yield a note if the answers already in a folder came from another model or other input settings."""
    try:
        earlier = Assessment.load(folder).identity
    except HowfarError:
        return  # there is none, or it is damaged
    shared = [name for name in earlier if name in identity]
    names = [name for name in shared if earlier[name] != identity[name]] if shared else [*earlier, *identity]
    if earlier and names:
        told = "; ".join(f"{name}: {_short(earlier.get(name))} then, {_short(identity.get(name))} now" for name in names)
        yield f"The model has changed since the answers that these replace in the run folder ({told})."


def _short(value: Any) -> str:
    return "none" if value is None else str(value)[:12]


_COMPARING = (
    "components", "projection", "neighbours", "seed", "bootstrap", "permutations", "rivals", "baselines",
    "runner", "batch_size", "workers", "progress", "memory", "store", "device", "weights",
)  # fmt: skip
UNKNOWN: Final = "FOLDER"
"""What a command has in place of where a dataset lies, where it is in memory alone."""
_WRITTEN_APART = ("tiled", "size", "mean", "std", "output", "channel")
"""Options that are written with the model's."""
_RELATING = ("tau", "level", "error_rate", "bootstrap", "seed", "group", "estimator")


@with_options(AssessOptions)
def assess(
    primary: DatasetArgument,
    sites: DatasetsArgument,
    out: str | Path,
    *,
    model: ModelArgument | None = None,
    predictions: str | Path | None = None,
    backbone: BackboneArgument = DEFAULT_BACKBONE,
    **options: Unpack[AssessOptions],
) -> Assessment:
    """Assess a model on each site: expected score, certainty, reasons and next step, in one run folder and report.

    Its parts may be called alone too: `howfar.predict` makes maps, `howfar.evaluate` scores them, `howfar.compare` measures
    distances, and `howfar.relate` estimates what has no labels, sets it against the labelled datasets and lists probable
    failures. With a model `howfar.corrupt` makes labelled sets of the primary's own images, which say how large an error is to
    be expected before any site is labelled. The run folder holds a profile too, by which `score`, `check` and `certify` judge
    further images as this command did. A run that was killed goes on where it was when it is called again.

    Parameters
    ----------
    primary
        P, with masks, labels or true boxes: what the model was trained on. Of these images those that a checkpoint learnt from
        are not scored; for any other model, have predictions of images alone that it did not learn from.
    sites
        One dataset, a list of them, or a mapping from names. Those with masks (labels, true boxes) are the labelled foreign
        sets, from which the score of those without is predicted; each is answered too, with its labels hidden.
    out
        The run folder: what compare and relate write, assessment.json, maps, scores, and the report.
    model
        A checkpoint, an ``.onnx`` file, a torch module, or what `howfar.pipeline.prediction.load_model` made of one.
    predictions
        In place of a model a folder with a folder of probability maps for each dataset by its name, and where known
        ``NAME-flipped`` with those of the mirrored images and ``NAME-tiled`` with those by tiles. Several classes
        (``task="multiclass"``): a folder of class maps for each. Classification: a table ``NAME.csv`` or ``NAME.parquet``.
        Detection: ``NAME.json``, a table or a folder, and where known ``NAME-flipped``. Formats are those of
        `howfar.evaluate`.
    backbone
        What distances are measured by, as `howfar.compare` takes it.

    Returns
    -------
    Assessment
        One answer a site. ``.sites``, ``.labelled``, ``.plot``.

    Raises
    ------
    HowfarError
        A primary without labels, neither model nor predictions or both, a model of another task than segmentation, a dataset
        without predictions, two datasets of one name, no labelled site where corrupted sets cannot be made.

    Examples
    --------
    >>> import shutil, tempfile
    >>> from howfar.demo import write_dataset
    >>> folder = Path(tempfile.mkdtemp())
    >>> roads, *others = (write_dataset(folder / name, 5, seed=k, size=48) for k, name in enumerate(("roads", "a", "b", "new")))
    >>> for site in (roads, *others):
    ...     path = shutil.copytree(site / "masks", folder / "maps" / site.name)
    >>> shutil.rmtree(others[-1] / "masks")
    >>> maps, quick = folder / "maps", {"backbone": "colour_moments", "baselines": False, "progress": False}
    >>> answers = assess(roads, others, folder / "run", predictions=maps, **quick)
    >>> [(site.dataset, site.measured) for site in answers.sites]
    [('a', 1.0), ('b', 1.0), ('new', None)]
    """
    given = checked(AssessOptions, options)
    chosen: Any = {name: given[name] for name in _RELATING}  # type: ignore[literal-required]  # names of options
    relating = checked(RelateOptions, chosen)
    check_resampling(relating)
    read = _images(read_datasets(primary, sites))
    folder = page_folder("out", out, Assessment.COMMAND, PERFORMANCE)
    assert folder is not None  # for the type checker: a folder is always given
    prepared = preparation(folder, read[0], model, predictions, given)
    check_folders(read, prepared.task)
    asked = [drawn(dataset, given["limit"], given["seed"]) for dataset in read[1:]]
    parts = prepared.parts(read[0], asked)
    comparison, features = _compared(read[0], asked, backbone, folder, given, options)
    comparison = replace(comparison, sources={**comparison.sources, **sources_of(read, [primary], sites)})
    profile = _profiled(comparison, features)
    relating["threshold"] = parts.own.threshold
    files = prepared.files([read[0], *asked])
    # Not a bar of one step, which would stand still for minutes: this shows its seconds.
    with stage(f"judging {len(comparison.datasets)} sites", given["progress"]):
        relation, judge = related(
            comparison,
            read_performances([parts.own, *parts.evaluations]),
            relating,
            files_of(files),
            source=parts.source,
            further=_further(parts, profile, backbone, comparison, options),
        )
        tiled = _by_tiles(comparison, parts, relating)
    commands = replace(
        _commands(read, comparison.sources, model, prepared, parts),
        scored=_scored(relation, given),
        predictions=_files(asked, parts) if prepared.model is None else {},
        read=_read(prepared.reading, given),
        chosen=_chosen(backbone, given),
    )
    answers = Answers(
        relation,
        commands,
        basis_of(parts.labelled),
        judge.corrupted(),
        {evaluation.dataset: evaluation.scored for evaluation in parts.evaluations},
        blank_sites(parts.evaluations),
        tiled,
    )
    assessment = _assessed(comparison, answers, parts, [site.name for site in asked])
    identity = model_identity(prepared, parts)
    assessment = replace(
        assessment,
        model=_called(model, predictions),
        notes=(*changes(folder, identity), *assessment.notes),
        command=command_again(commands, prepared),
        identity=identity,
        reading=prepared.reading,
    )
    prepared.save(parts)
    written = _written(assessment, comparison, relation, folder)
    profile.with_judge(judge).save(folder / PROFILE)
    return keep_pictures(written, read)


def _images(read: Sequence[Any]) -> list[Dataset]:
    ready = next((dataset.name for dataset in read if not isinstance(dataset, Dataset)), None)
    if ready is not None:
        raise InputError.of("primary and sites", "must be images, not embeddings", ready)
    return list(read)


def _compared(
    primary: Dataset,
    sites: Sequence[Dataset],
    backbone: BackboneArgument,
    out: Path,
    given: AssessOptions,
    options: AssessOptions,
) -> tuple[Comparison, Callable[[], tuple[Features, ...]]]:
    """Measure the distances of the sites; options that the caller omitted have the defaults of `compare`.

    All images of the primary dataset are measured, however many of a site are drawn: what the gate reads must not depend on
    that. The second part gives the features again.
    """
    comparing = _comparing(options)
    comparing["rivals"] = given["rivals"]
    return measured_run(primary, sites, backbone, out, comparing)


def _comparing(options: AssessOptions) -> Any:
    return {name: options[name] for name in _COMPARING if name in options}  # type: ignore[literal-required]  # options


def _profiled(comparison: Comparison, features: Callable[[], tuple[Features, ...]]) -> Profile:
    """Make the profile of the primary dataset, with which other commands judge further images."""
    name = comparison.backbone.name
    reloading = {key: value for key, value in comparison.options.items() if key not in ("name", "device")}
    return Profile.of(features()[0], comparison.settings, name, reloading)


def _further(
    parts: AssessmentScores, profile: Profile, backbone: BackboneArgument, comparison: Comparison, options: AssessOptions
) -> Further | None:
    """Measure the corrupted versions of the primary's images with its profile; they are not datasets of the run."""
    if parts.corrupted is None:
        return None
    comparing = _comparing(options)
    # size, mean, std and output say how the model is fed: the backbone is loaded as for the sites.
    loading, execution = picked(BackboneOptions, comparing), Execution.of(checked(CompareOptions, comparing))
    features, _ = features_of(parts.corrupted.datasets, backbone, loading, comparison.settings, execution)
    measured = measured_images(profile, features, parts.corrupted.evaluations, None, parts.own.threshold)
    return Further(measured.columns, measured.scores.performance, measured.sets)


def _commands(
    read: Sequence[Dataset],
    sources: Mapping[str, str],
    model: ModelArgument | None,
    prepared: Preparation,
    parts: AssessmentScores,
) -> Commands:
    named = {dataset.name: f"{dataset.name}={sources.get(dataset.name, UNKNOWN)}" for dataset in read}
    card = None if prepared.model is None else prepared.model.card
    return Commands(
        primary=named[read[0].name],
        sites={dataset.name: named[dataset.name] for dataset in read[1:]},
        model="" if model is None else str(model) if isinstance(model, (str, Path)) else "CKPT",
        maps=Path(os.path.normpath(prepared.maps)),
        run=Path(os.path.normpath(prepared.run)),
        tiled=all(evaluation.tiled for evaluation in (parts.own, *parts.evaluations)),
        seed=prepared.given["seed"],
        segmenter="unetplusplus" if card is None else card.segmenter,
        task=prepared.task,
    )


def _files(sites: Sequence[Dataset], parts: AssessmentScores) -> dict[str, tuple[str, ...]]:
    """Map each site to its ``--predictions`` arguments, with ``--classes`` if a COCO file names their classes."""
    named = [(str(of.main), *(() if of.categories is None else ("--classes", str(of.categories)))) for of in parts.predictions]
    return dict(zip((site.name for site in sites), named, strict=True))


def _scored(relation: Relation, given: AssessOptions) -> tuple[str, ...]:
    """Return the options with which another command measures the same performance: threshold, task and its settings."""
    threshold = () if relation.settings.threshold is None else ("--threshold", f"{relation.settings.threshold:g}")
    reading: dict[str, Any] = {name: given[name] for name in declared(TaskOptions)}  # type: ignore[literal-required]  # options
    reading["partial"] = given["partial"] or given["limit"] is not None
    return (*command_words(CertifyOptions, {"task": given["task"]}), *threshold, *command_words(CertifyOptions, reading))


def _read(reading: NetworkReading | None, given: AssessOptions) -> tuple[str, ...]:
    """Return the options for the model's input and, for a foreign network, its output."""
    size = ("--size", str(given["size"])) if given["size"] else ()
    return (*size, *(() if reading is None else reading.options()))


def _chosen(backbone: BackboneArgument, given: AssessOptions) -> tuple[str, ...]:
    """Return the other options of an assessment, so that a repeated command asks for the same."""
    name = backbone if isinstance(backbone, str) else "BACKBONE"
    named = ("--backbone", name) if name != DEFAULT_BACKBONE else ()
    rest = {name: value for name, value in given.items() if name not in _WRITTEN_APART}
    return (*named, *command_words(AssessOptions, rest))


def _called(model: ModelArgument | None, predictions: str | Path | None) -> str:
    if predictions is not None:
        return f"the model of {predictions}"
    return Path(model).name if isinstance(model, (str, Path)) else "the model"


def _by_tiles(comparison: Comparison, parts: AssessmentScores, given: RelateOptions) -> tuple[SetEstimate, ...]:
    """Estimate performance from the sites' maps by tiles; return () without such maps or without a labelled site."""
    if not parts.tiled or not any(evaluation.scored for evaluation in parts.tiled[1:]):
        return ()
    try:
        return expectation(comparison, parts.tiled, given, rivals=False).expected.estimates
    except InputError:
        if given["estimator"] == AUTO:
            raise
        return ()  # the estimator that was asked for reads mirrored maps, and none of these are made by tiles


def _assessed(comparison: Comparison, answers: Answers, parts: AssessmentScores, sites: Sequence[str]) -> Assessment:
    relation, commands = answers.relation, answers.commands
    primary, called = comparison.primary.name, commands.task.performance_name
    notes = [basis_note(answers.basis, len(answers.corrupted), primary, answers.blank), *_notes(relation), *parts.notes]
    own = own_score(parts.own, parts.source)
    return Assessment(
        primary=primary,
        model="",
        metric=relation.metric,
        tau=relation.settings.tau,
        basis=answers.basis,
        sites=tuple(_with_labels(answers.site(name), comparison, commands.seed) for name in sites),
        labelled=answers.labelled(),
        tiled=commands.tiled,
        task=commands.task.name,
        provenance=Provenance.now(),
        notes=tuple(note for note in notes if note),
        own=own,
        first="" if own is None else own_words(own, primary, called),
    )


def _with_labels(site: SiteAnswer, comparison: Comparison, seed: int) -> SiteAnswer:
    """Add the images to label if the next step is to label; the recommended command chooses the same images."""
    if site.next.action != "label":
        return site
    chosen = select(comparison, site.dataset, min(LABELS, site.n), "random", seed=seed)
    return replace(site, to_label=tuple(pick.image for pick in chosen.picks))


def _notes(relation: Relation) -> Iterator[str]:
    if relation.estimator == MEAN and relation.settings.estimator != MEAN:
        yield "No estimator could read the model's predictions: every site is expected to score the labelled datasets' mean."
    else:
        yield from fallbacks(relation.estimates, relation.estimator)
    if any(row.measured is None for row in relation.estimates) and len(relation.judgements) == 0:
        yield "With a single labelled dataset nothing could be tested: how far the estimates miss is not known."


def _written(assessment: Assessment, comparison: Comparison, relation: Relation, folder: Path) -> Assessment:
    """Save the comparison, relation and assessment in the run folder in order of dependence, and draw the report."""
    comparison.save(folder)
    relation.save(folder)
    answers = assessment.made_from(comparison, relation)
    answers.save(folder)
    draw(comparison, folder, relation=relation, assessment=answers)
    forget_pairs(folder)
    return answers
