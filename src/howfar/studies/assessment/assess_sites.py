"""Assess a model on new sites (`howfar assess`): each site's expected score, its certainty, the reasons and the next step."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Unpack

import numpy as np

from howfar.backbones import BackboneArgument
from howfar.data import Dataset, DatasetArgument, DatasetsArgument
from howfar.data.image_groups_and_variations import grouped
from howfar.errors import HowfarError, InputError
from howfar.image_reading_options import reading_asked
from howfar.io.file_location import absolute, as_location
from howfar.option_checks_and_signatures import checked, command_words, declared, picked, with_options
from howfar.options import DEFAULT_BACKBONE
from howfar.options_by_function import (
    AssessOptions,
    BackboneOptions,
    CertifyOptions,
    CompareOptions,
    RelateOptions,
    TaskOptions,
)
from howfar.pipeline.pair_measurement import forget_pairs
from howfar.pipeline.prediction import ModelArgument
from howfar.pipeline.profile_file import PROFILE, Profile
from howfar.progress import stage
from howfar.relation.labelled_images import EVERY_SIGNAL, HISTOGRAM
from howfar.relation.site_judge import AUTO, MEAN
from howfar.results import Comparison, Provenance, SetEstimate
from howfar.results.assessment_result import BEHIND, Assessment
from howfar.results.checksums_and_overwrite_guard import page_folder
from howfar.results.display_and_shared_records import plain
from howfar.studies.assessment.score_and_corrupt import PERFORMANCE, AssessmentScores, Preparation, preparation, score_file
from howfar.studies.assessment.site_answers import LABELS, TAU, UNKNOWN_NETWORK, Answers, Commands, basis_note, own_words
from howfar.studies.compare_datasets import features_of, measured_run
from howfar.studies.performance.image_performance import files_of, read_performances
from howfar.studies.performance.relate_and_estimate import check_resampling, expectation, fallbacks, related
from howfar.studies.profile_dataset import measured_images
from howfar.studies.run_report import draw
from howfar.studies.select_images import select
from howfar.studies.study_inputs import Execution, drawn, keep_pictures, read_datasets, sources_of
from howfar.tasks.map_scores_and_signals import DOUBLED

STORE = "--store"


def model_identity(prepared: Preparation, parts: AssessmentScores) -> dict[str, Any]:
    """Return the weights' hash and the input settings that maps depend on; for given maps, return their hashes."""
    if prepared.model is not None:
        card = prepared.model.card
        return dict(plain({**prepared.model.identity, **({} if card is None else {"segmenter": card.segmenter})}))
    identity = {}
    for evaluation in (parts.own, *parts.evaluations):
        # Image names and prediction signals: another model gives another hash.
        rows, digest = evaluation.images.sort_values("image"), hashlib.sha256()
        for name in ("image", HISTOGRAM, *EVERY_SIGNAL):
            for value in rows.get(name, ()):
                digest.update(f"{np.asarray(value).tolist()}\0".encode("utf-8", "backslashreplace"))
        identity[f"maps of {evaluation.dataset}"] = digest.hexdigest()
    return identity


def changes(folder: Path, identity: Mapping[str, Any]) -> Iterator[str]:
    """Yield a note if the answers already in a folder came from another model or other input settings."""
    try:
        earlier = Assessment.load(folder).identity
    except HowfarError:
        return  # there is none, or it is damaged
    shared = [name for name in earlier if name in identity]
    names = [name for name in shared if earlier[name] != identity[name]] if shared else [*earlier, *identity]
    if earlier and names:

        def short(value: Any) -> str:
            return "none" if value is None else value[:12] if isinstance(value, str) else str(value)

        told = "; ".join(f"{name}: {short(earlier.get(name))} then, {short(identity.get(name))} now" for name in names)
        yield f"The model has changed since the answers that these replace in the run folder ({told})."


_COMPARING = (
    "components", "projection", "neighbours", "seed", "bootstrap", "permutations", "rivals", "baselines",
    "runner", "batch_size", "workers", "progress", "memory", "store", "device", "weights",
)  # fmt: skip
NOT_TRAINED = (
    "howfar cannot train your model. Its command “howfar adapt” tests with a network of its own "
    f"({UNKNOWN_NETWORK}) whether training helps."
)
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

    It runs `howfar.predict`, `howfar.evaluate`, `howfar.compare` and `howfar.relate`; with a model `howfar.corrupt` also makes
    labelled sets of the primary's own images, which tell the expected error before any site is labelled. By the profile in the
    run folder `score`, `check` and `certify` judge further images as this command did. A killed run continues when it is called
    again.

    Parameters
    ----------
    primary
        P: what the model was trained on. Distances are from all of its images; the score at home is that of the labelled ones
        (masks, labels, true boxes). Those that a checkpoint of howfar learnt from are not scored; for any other model, label,
        or have predictions of, images alone that it did not learn from.
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
    known = read_datasets(primary, sites)
    read = [dataset for dataset in known if isinstance(dataset, Dataset)]
    if len(read) < len(known):
        ready = next(dataset.name for dataset in known if not isinstance(dataset, Dataset))
        rule, remedy = "must be images, not embeddings", "use howfar compare and howfar relate"
        raise InputError.of("primary and sites", rule, ready, remedy)
    read = grouped(read, given["group"])
    given["range"] = reading_asked().range or None  # the numbers, where the primary gave them
    folder = page_folder("out", out, Assessment.COMMAND, PERFORMANCE)
    assert folder is not None  # for the type checker: a folder is always given
    prepared = preparation(folder, read[0], model, predictions, given)
    asked = [drawn(dataset, given["limit"], given["seed"]) for dataset in read[1:]]
    parts = prepared.parts(read[0], asked)
    comparing: Any = {name: options[name] for name in _COMPARING if name in options}  # type: ignore[literal-required]  # options
    # Of the primary dataset all images are measured, so that the gate does not depend on the limit.
    with_rivals: Any = {**comparing, "rivals": given["rivals"]}
    comparison, features = measured_run(read[0], asked, backbone, folder, with_rivals)
    comparison = replace(comparison, sources={**comparison.sources, **sources_of(read, [primary], sites)})
    reloading = {key: value for key, value in comparison.options.items() if key not in ("name", "device")}
    profile = Profile.of(features()[0], comparison.settings, comparison.backbone.name, reloading)
    relating["threshold"] = parts.own.threshold
    # Not a bar of one step, which would stand still for minutes: this shows its seconds.
    with stage("judging the sites", given["progress"]):
        evaluations = read_performances([parts.own, *parts.evaluations])
        files = files_of([score_file(folder, dataset.name) for dataset in (read[0], *asked)])
        further = None
        if parts.corrupted is not None:  # which are no datasets of the run
            # size, mean, std and output say how the model is fed: the backbone is loaded as for the sites.
            loading, execution = picked(BackboneOptions, comparing), Execution.of(checked(CompareOptions, comparing))
            corrupted, _ = features_of(parts.corrupted.datasets, backbone, loading, comparison.settings, execution)
            further = measured_images(profile, corrupted, parts.corrupted.evaluations, None, parts.own.threshold)
        relation, judge = related(comparison, evaluations, relating, files, source=parts.source, further=further)
        tiled = _by_tiles(comparison, parts, relating)
    tau = given["tau"] if "tau" in options else None
    commands = _commands(read, comparison.sources, model, prepared, parts, relation.settings.threshold, backbone, tau)
    answers = Answers(relation, commands, parts, judge.corrupted(), tiled)
    called = Path(model).name if isinstance(model, (str, Path)) else "the model"
    if predictions is not None:
        maps = absolute(prepared.maps) if Path(prepared.maps).name in ("", "..") else predictions
        called = f"{BEHIND}{maps}"
    assessment = _assessed(comparison, answers, prepared, called)
    # Each file is written after those that it depends on, and the page last.
    parts.save(folder)
    comparison.save(folder)
    relation.save(folder)
    assessment = assessment.made_from(comparison, relation)
    assessment.save(folder)
    draw(comparison, folder, relation=relation, assessment=assessment)
    forget_pairs(folder)
    profile.with_judge(judge).save(folder / PROFILE)
    return keep_pictures(assessment, read)


def _commands(
    read: Sequence[Dataset],
    sources: Mapping[str, str],
    model: ModelArgument | None,
    prepared: Preparation,
    parts: AssessmentScores,
    threshold: float | None,
    backbone: BackboneArgument,
    tau: float | None,
) -> Commands:
    """Collect the parts of command lines; predictions with a COCO file of classes name it as ``--classes``."""
    given, loaded = prepared.given, prepared.model
    named = {dataset.name: f"{dataset.name}={sources.get(dataset.name, UNKNOWN)}" for dataset in read}
    sites = [dataset.name for dataset in read[1:]]
    card = None if loaded is None else loaded.card
    reading = None if loaded is None else loaded.reading
    size = ("--size", str(given["size"])) if given["size"] else ()
    files = [(str(of.main), *(() if of.categories is None else ("--classes", str(of.categories)))) for of in parts.predictions]
    # With these another command measures the same performance.
    scored: dict[str, Any] = {name: given[name] for name in declared(TaskOptions)}  # type: ignore[literal-required]  # options
    scored["partial"] = given["partial"] or given["limit"] is not None
    at = () if threshold is None else ("--threshold", f"{threshold:g}")
    by = backbone if isinstance(backbone, str) else "BACKBONE"
    rest = {name: value for name, value in given.items() if name not in _WRITTEN_APART}
    chosen = [*(("--backbone", by) if by != DEFAULT_BACKBONE else ()), *command_words(AssessOptions, rest)]
    if tau is not None and TAU not in chosen:  # the user's own, which the advice goes by, is named also as the default
        chosen += [TAU, f"{tau:g}"]
    return Commands(
        primary=named[read[0].name],
        sites={name: named[name] for name in sites},
        model="" if model is None else str(model) if isinstance(model, (str, Path)) else "CKPT",
        maps=Path(os.path.normpath(prepared.maps)),
        run=Path(os.path.normpath(prepared.run)),
        tiled=all(evaluation.tiled for evaluation in (parts.own, *parts.evaluations)),
        seed=given["seed"],
        scored=(*command_words(CertifyOptions, {"task": given["task"]}), *at, *command_words(CertifyOptions, scored)),
        read=(*size, *(() if reading is None else reading.options())),
        chosen=tuple(chosen),
        segmenter=None if card is None else card.segmenter,
        task=prepared.task,
        predictions=dict(zip(sites, files, strict=True)) if loaded is None else {},
    )


def _by_tiles(comparison: Comparison, parts: AssessmentScores, given: RelateOptions) -> tuple[SetEstimate, ...]:
    """Estimate performance from the sites' maps by tiles; return () without such maps or without a labelled site."""
    if not parts.tiled or not any(evaluation.scored for evaluation in parts.tiled[1:]):
        return ()
    try:
        judged = expectation(comparison, parts.tiled, given, rivals=False)[2].values()
        return tuple(said.estimate for said in judged if said.estimate is not None)
    except InputError:
        if given["estimator"] == AUTO:
            raise
        return ()  # the estimator that was asked for reads mirrored maps, and none of these are made by tiles


def _assessed(comparison: Comparison, answers: Answers, prepared: Preparation, called: str) -> Assessment:
    """Answer for every site, and collect what the reader is told of the model, the estimates and the run."""
    relation, commands, parts, own = answers.relation, answers.commands, answers.parts, answers.own
    primary, identity = comparison.primary.name, model_identity(prepared, parts)
    sites = []
    for name in commands.sites:
        site = answers.site(name)
        if site.next.action == "label" and site.measured is None:
            # The images that the recommended command chooses.
            chosen = select(comparison, name, min(LABELS, site.n), "random", seed=commands.seed)
            site = replace(site, to_label=tuple(pick.image for pick in chosen.picks))
        sites.append(site)

    notes = [*changes(prepared.run, identity), basis_note(answers.basis, len(answers.corrupted), primary, answers.blank)]
    if relation.estimator == MEAN and relation.settings.estimator != MEAN:
        notes.append(
            "No estimator could read the model's predictions: every site is expected to score the labelled datasets' mean."
        )
    else:
        notes += fallbacks(relation.estimates, relation.estimator)
    if any(row.measured is None for row in relation.estimates) and len(relation.judgements) == 0:
        notes.append("With a single labelled dataset nothing could be tested: how far the estimates miss is not known.")
    if not commands.segmenter and any(site.next.action == "adapt" for site in sites):
        notes.append(NOT_TRAINED)
    notes += parts.notes
    notes += [note for each in (parts.own, *parts.evaluations) for note in each.notes if DOUBLED in note]
    kind = commands.task.performance_name
    score = "" if own is None else own_words(own, primary, comparison.primary.n, kind, parts.held_out)
    minimum = answers.enough.words(kind) if own is not None else ""

    # The command that repeats the assessment in its own folder, with absolute paths.
    file, again = Path(commands.model), [*commands.chosen]
    if STORE in again:
        place = again.index(STORE) + 1
        again[place] = str(as_location(again[place]))
    known = str(absolute(file)) if file.is_file() else commands.model
    repeating = replace(commands, maps=absolute(commands.maps), model=known, chosen=tuple(again))
    return Assessment(
        primary=primary,
        metric=relation.metric,
        tau=relation.settings.tau,
        basis=answers.basis,
        sites=tuple(sites),
        labelled=answers.labelled(),
        tiled=commands.tiled,
        task=commands.task.name,
        provenance=Provenance.now(),
        notes=tuple(note for note in notes if note),
        own=own,
        first=" ".join(filter(None, [score, minimum, *(f"{doubt}." for doubt in parts.doubts)])),
        model=called,
        command=repeating.assess(tiled=prepared.given["tiled"], out=str(absolute(commands.run))),
        identity=identity,
        reading=None if prepared.model is None else prepared.model.reading,
    )
