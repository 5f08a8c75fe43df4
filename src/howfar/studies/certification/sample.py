"""Draw a certificate's random sample of images to label, and extend it in later calls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from howfar.arrays import Float64Array, group_numbers
from howfar.data import Dataset, DatasetArgument, content_hash, parse, read_bytes
from howfar.data.image_and_mask_folders import path_text
from howfar.data.image_bytes import check_files
from howfar.data.image_groups_and_variations import image_groups
from howfar.data.name_matching import examples
from howfar.data.prediction_maps import made_with
from howfar.errors import ImageError, InputError, LeakError
from howfar.image_reading_options import reading_asked
from howfar.pipeline.profile_file import Profile
from howfar.relation.site_judge import FIRST
from howfar.results.certificate_result import Certificate, CertifiedSite, SampledImage, Zone
from howfar.sampling import draw, order, order_by_bound, plan_zone
from howfar.sampling.design import as_count
from howfar.studies.certification.certified_quantity import DIFFER, ORDER, PERFORMANCE, SIZE, ZONE, Question
from howfar.studies.evaluate_predictions import UNKNOWN_IMAGES, Seen
from howfar.tasks.segmentation_task import MapAnswers
from howfar.tasks.task import ModelAnswers, SampleMeasures, Task

LABELS, LABELS_UNTIL = 16, 64
"""How many images are drawn where nothing else is said, and where labelling goes on until a question is settled."""
MAPS = "maps"
"""The folder in `out` where the maps of a model are kept."""
SIGNED = {"weights", "size", "tiled", "precision", "flipped", "image"}
"""What the signature of a checkpoint's map says."""


@dataclass(frozen=True, eq=False)
class DrawnSite:
    """Hold a site's sample before labels are read, and the answers of the model and of a second one.

    `draw` are the fields of a certificate that were settled by the draw, such as proxy, design and seed.
    """

    site: CertifiedSite
    sample: tuple[SampledImage, ...]
    zone: Zone | None
    draw: Mapping[str, Any]
    answers: ModelAnswers
    others: ModelAnswers | None
    notes: tuple[str, ...]


def images_of(site: DatasetArgument) -> Dataset:
    """Read the site as a dataset without masks; raise `HowfarError` if it is missing, empty, embeddings, or without files."""
    parsed = parse(site, unnamed="site")
    if not isinstance(parsed, Dataset):
        raise InputError.of("site", "must hold images", f"embeddings: {parsed.name}", "pass the folder of the images")
    check_files(parsed.items, "site", "its images are handed out to be labelled, and looked up again by a later call")
    return parsed.without_masks()


def begin(
    dataset: Dataset,
    task: Task,
    question: Question,
    predictions: str | Path,
    k: int | None,
    given: Mapping[str, Any],
    *,
    seen: Seen,
    profile: Profile | None = None,
    over: Certificate | None = None,
) -> DrawnSite:
    """Draw a sample of a site without learnt images, or take over the sample of another model's certificate (`over`).

    Inclusion chances do not depend on the model, so that a sample serves any model that has not learnt from the site.
    """
    if k is not None and over is None:
        as_count(k, "k")
    progress, others = given["progress"], None
    answers, contents = task.answers(seen.unseen(dataset), predictions, progress).with_images(given["partial"], progress)
    images = [item.name for item in answers.dataset.items]
    proxies, words = [answers.by_image[name].confidence for name in images], task.proxy
    notes = [] if seen.complete else [UNKNOWN_IMAGES]
    if skipped := answers.dataset.skipped:
        what = "1 image or file is" if len(skipped) == 1 else f"{len(skipped)} images or files are"
        notes.append(f"{what} no part of the site, the first {skipped[0].path}: {skipped[0].reason}")
    notes += answers.notes
    if profile is not None:
        proxies, words, lacking = by_profile(answers.dataset, profile, predictions, given)
        notes += lacking
    if question.against is not None:
        others = second_answers(task, answers.dataset, question.against, progress)
        proxies = task.bounds(question.measure, answers, others).tolist()
        words = "largest possible difference of the two models"
    own = answers.dataset.groups
    grouped = given["group"] is not None or group_numbers(own) is not None
    record = CertifiedSite(
        source="" if answers.dataset.root is None else path_text(answers.dataset.root),
        images=tuple(images),
        contents=tuple(contents),
        predictions=tuple(answers.digest(name) or "" for name in images),
        proxies=tuple(None if value != value else float(value) for value in proxies),
        groups=tuple(image_groups(images, own, given["group"])) if grouped else (),
        against=() if others is None else tuple(others.digest(name) or "" for name in images),
        reading=reading_asked().options(),
    )
    if others is not None and answers.classes and others.classes and not {*answers.classes} & {*others.classes}:
        named = " and ".join(examples(sorted(each)) for each in (answers.classes, others.classes))
        notes.append(f"the two models name no class alike ({named}): if they mean the same, give both the same names")
    if over is not None:
        if (record.images, record.contents) != (over.site.images, over.site.contents):
            rule = f"must be a sample of the same images: it was drawn from {over.n}"
            raise InputError.of("sample", rule, f"{len(images)} images, or others", "draw anew")
        drawn = tuple(replace(one, proxy=record.proxies[one.index], performance=None, labelled=False) for one in over.sample)
        zone = None
        how: dict[str, Any] = {"seed": over.seed, "design": over.design, "taken_from": over.run_id}
    else:
        if k is not None and k > len(images):
            notes.append(f"k = {k:,} is more than the {len(images):,} images there are: every image is to be labelled")
        seed = derived_seed(record, question.design) if given["seed"] is None else given["seed"]
        paths = [path_text(item.path) for item in answers.dataset.items]
        drawn, zone = draw_sample(question, record, k, seed, sizes=sizes_of(task, question, answers), paths=paths)
        how = {"seed": seed, "design": question.design}
    how |= {"proxy": words, "iou": given["iou"], "min_score": given["min_score"]}
    return DrawnSite(record, drawn, zone, how, answers, others, tuple(notes))


def go_on(
    answers: ModelAnswers, task: Task, question: Question, k: int | None, earlier: Certificate, progress: bool
) -> DrawnSite:
    """Continue with the sample of an earlier certificate; `answers` are the model's on all images that are there now."""
    site, known = earlier.site, set(earlier.site.images)
    added = [item.name for item in answers.dataset.items if item.name not in known]
    answers = unchanged(answers, site, site.predictions, task.noun)
    others = None
    if question.against is not None:
        others = second_answers(task, answers.dataset, question.against, progress)
        others = unchanged(others, site, site.against, task.noun)
    drawn, zone = tuple(replace(one, performance=None, labelled=False) for one in earlier.sample), earlier.zone
    if earlier.anytime and k is not None and k > len(drawn):
        paths = [path_text(item.path) for item in answers.dataset.items]
        drawn, zone = draw_sample(question, site, k, earlier.seed, zone=zone, paths=paths)
    notes: tuple[str, ...] = ()
    if added:
        are = "1 image of the site is" if len(added) == 1 else f"{len(added)} images of the site are"
        notes = (f"{are} no part of it ({examples(added)}): the certificate is of the {earlier.n} others",)
    how = {name: getattr(earlier, name) for name in ("proxy", "seed", "design", "taken_from", "iou", "min_score")}
    return DrawnSite(site, drawn, zone, how, answers, others, notes)


def second_answers(task: Task, dataset: Dataset, against: str | Path, progress: bool) -> ModelAnswers:
    """Read a second model's predictions of each image; raise `InputError` for images without one."""
    answers = task.answers(dataset, against, progress)
    missing = [item.name for item in dataset.items if item.name not in answers.by_image]
    if missing:
        raise InputError.of("against", f"must hold a {task.noun} of each image", f"none of {examples(missing)}")
    return answers


def compared(
    task: Task, question: Question, answers: ModelAnswers, others: ModelAnswers | None, labels: Mapping[str, Any]
) -> SampleMeasures:
    """Measure a model's answers on labelled images or, with a second model's, by how much they score higher."""
    if not labels:
        return SampleMeasures(np.zeros(0))
    measured = task.measured(question.measure, answers, labels)
    if others is None:
        return measured
    return SampleMeasures(np.nan_to_num(measured.values - task.measured(question.measure, others, labels).values))


def unchanged(answers: ModelAnswers, recorded: CertifiedSite, digests: Sequence[str], noun: str) -> ModelAnswers:
    """Return the answers on a site's recorded images; raise `InputError` if one has changed since the draw."""
    items = {item.name: item for item in answers.dataset.items}
    for name, content, prediction in zip(recorded.images, recorded.contents, digests, strict=True):
        remedy = "a sample holds for the images and the model that it was drawn for; draw anew in another --out"
        digest = answers.digest(name) if name in items else None
        if digest is None:
            lost = f"its {noun}" if name in items else "it"
            raise InputError(f"{name} was there when the sample was drawn, and {lost} is not: {remedy}")
        path = items[name].path
        try:
            now = content_hash(read_bytes(path))
        except ImageError as error:
            raise InputError(f"the image {path_text(path)} cannot be read: {error}") from error
        if now != content or digest != prediction:
            what = "the image" if now != content else "the prediction of"
            raise InputError(f"{what} {name} is another than when the sample was drawn: {remedy}")
    dataset = replace(answers.dataset, items=tuple(items[name] for name in recorded.images))
    return replace(answers, dataset=dataset, by_image={name: answers.by_image[name] for name in recorded.images})


def by_profile(
    dataset: Dataset, profile: Profile, predictions: str | Path, given: Mapping[str, Any]
) -> tuple[list[float], str, list[str]]:
    """Predict performance with a profile's estimators (nan if impossible), name these, and note what a better one lacks."""
    chosen = {name: given[name] for name in ("flipped", "ensemble", "estimator") if given[name]}
    scores = profile.score(dataset, predictions=predictions, **chosen)
    by_path = {score.image: score for score in scores.images}
    rows = [by_path.get(path_text(item.path)) for item in dataset.items]
    values = np.array([np.nan if row is None or row.predicted is None else row.predicted for row in rows])
    names = sorted({row.estimator for row in rows if row is not None and row.estimator})
    if not names:
        line = f"the profile of {profile.primary} predicts no performance: make it with labelled datasets and their performance"
        raise InputError(f"{line}, or leave --profile out")
    lacking = [note for note in scores.notes if FIRST in note]
    return np.clip(values, 0.0, 1.0).tolist(), f"{', '.join(names)} of the profile of {scores.primary}", lacking


def check_whole(certificate: Certificate) -> None:
    """Raise `InputError` for a certificate whose parts contradict each other, as certify never writes one."""
    site = certificate.site
    lengths = {len(site.images), len(site.contents), len(site.predictions), len(site.proxies), certificate.n}
    drawn = certificate.sample
    known = len(lengths) == 1 and all(0 <= one.index < certificate.n and site.images[one.index] == one.image for one in drawn)
    if not known or len({one.index for one in drawn}) < len(drawn) or len(set(site.images)) < len(site.images):
        line = f"the certificate of {certificate.dataset} is damaged, its sample does not fit its site"
        raise InputError(f"{line}: draw anew in another --out")


def derived_seed(record: CertifiedSite, design: str) -> int:
    """Return the seed that images and predictions determine by their hashes, so that nobody can choose a sample."""
    parts = (design, *record.images, *record.contents, *record.predictions, *record.against)
    return int(content_hash("\n".join(parts).encode())[:8], 16)


def sizes_of(task: Task, question: Question, answers: ModelAnswers) -> Float64Array | None:
    """Return the expected sizes that a ratio's sample is drawn by; all alike where nothing is predicted in any image."""
    sizes = task.sizes(question.measure, answers)
    return np.ones(len(sizes)) if sizes is not None and not sizes.any() else sizes


def draw_sample(
    question: Question,
    record: CertifiedSite,
    k: int | None,
    seed: int,
    *,
    sizes: Float64Array | None = None,
    zone: Zone | None = None,
    paths: Sequence[str] = (),
) -> tuple[tuple[SampledImage, ...], Zone | None]:
    """Draw k images of a site by the question's design, in the order of labelling; also return the zones that they test."""
    proxies, design = np.array(record.proxies, dtype=np.float64), question.design
    if question.zone is not None:
        begin = None if zone is None else (zone.sizes[0], zone.allowed)
        (limit, wrong), count = question.zone, LABELS_UNTIL if k is None else k
        plan = plan_zone(proxies, count, at_least=limit, wrong=wrong, level=question.level, begin=begin, seed=seed)
        zone = plan.zone if zone is None else replace(plan.zone, planned=zone.planned)
        images, strata = plan.images, np.zeros(len(plan.images), dtype=np.int64)
        for number in reversed(range(len(zone.reads))):  # an image's stratum is the first zone that reads it
            strata[list(zone.reads[number])] = number
        chances = np.array([len(zone.reads[number]) / zone.sizes[number] for number in strata])
    elif design in (PERFORMANCE, SIZE):
        sample = draw(proxies, LABELS if k is None else k, groups=record.groups or None, sizes=sizes, seed=seed)
        images, chances, strata = sample.indices, sample.probabilities, sample.strata
    else:
        images = order(len(proxies), seed=seed) if design == ORDER else order_by_bound(proxies, seed=seed)
        images = images[: LABELS_UNTIL if k is None else as_count(k, "k")]
        chances = np.full(len(images), len(images) / len(proxies)) if design == ORDER else proxies[images] / proxies.sum()
        strata = np.zeros(len(images), dtype=np.int64)
    rows = zip(images.tolist(), chances.tolist(), strata.tolist(), strict=True)
    drawn = tuple(
        SampledImage(rank, record.images[index], paths[index] if paths else "", index, chance, stratum, record.proxies[index])
        for rank, (index, chance, stratum) in enumerate(rows, start=1)
    )
    return drawn, zone


def check_same_options(written: Mapping[str, Any], k: int | None, threshold: float | None, earlier: Certificate) -> None:
    """Raise `InputError` for an option that differs from the one at the time of the draw."""
    before: dict[str, Any] = {name: getattr(earlier, name) for name in ("seed", "tolerance", "threshold", "iou", "min_score")}
    now = {name: written[name] for name in before if name in written}
    if threshold is not None:
        now["threshold"] = threshold
    if k is not None and not (as_count(k, "k") > len(earlier.sample) and earlier.anytime):
        now["k"], before["k"] = min(k, earlier.n), len(earlier.sample)
    for name, value in now.items():
        if value is not None and value != before[name]:
            rule = f"must be what it was when the sample was drawn ({before[name]})"
            raise InputError.of(name, rule, value, "leave it out, or draw anew in another --out")


def check_question(question: Question, seen: Seen, drawn: Certificate) -> None:
    """Raise `InputError` for a question that a sample's design cannot answer, `LeakError` for a model that learnt from it."""
    measure, anew = question.measure, "draw anew in another --out"
    if measure.kind != "mean" and drawn.design == PERFORMANCE and len(drawn.sample) < drawn.n:
        # The images that rule a ratio are seldom in such a sample.
        rule = f"must be asked when the sample is drawn: this one is in strata for means, such as {drawn.metric}"
        raise InputError.of("metric", rule, measure.name, f"certify a mean, or {anew}")
    designs = {question.design, drawn.design}
    if len(designs) > 1 and designs & {ZONE, DIFFER}:
        name = "zone" if ZONE in designs else "against"
        raise InputError.of(name, "must be asked when the sample is drawn", drawn.design, anew)
    if question.until is not None and drawn.design not in (ORDER, DIFFER):
        rule = "must be asked when the sample is drawn: its images are in strata, and one look is all that it allows"
        raise InputError.of("until", rule, question.until, f"leave it out, or {anew}")
    learnt, sample = {**dict(seen.tiles), **dict.fromkeys(seen.contents, "")}, [one.image for one in drawn.sample]
    both = [name for name in sample if name in learnt] or [name for name in drawn.site.images if name in learnt]
    if both:
        of = "sample" if both[0] in sample else "site"
        how = f"another tile of {learnt[both[0]]}" if learnt[both[0]] else "it"
        raise LeakError(
            f"{len(both)} of the images of the {of} were learnt from, the first {both[0]} (the model learnt from {how}): a "
            "sample shows nothing of a model that has seen it; draw anew in another --out, or cross-fit"
        )


def made_by(begun: DrawnSite, weights: str | None) -> tuple[str, ...]:
    """Raise `InputError` for maps signed by another checkpoint than `weights`; return a note if no model is given (None)."""
    if not isinstance(begun.answers, MapAnswers):
        return ()
    file = begun.answers.by_image[begun.site.images[0]].value
    signature = made_with(file)
    # The signature of a foreign network says more: how it was fed and read.
    if "weights" not in signature or not set(signature) <= SIGNED:
        return ()
    signed = signature["weights"]
    if weights is None:
        line = "the maps are of a checkpoint of howfar train: name it (model=, --model), so that images that it learnt from are"
        return (f"{line} left out",)
    if weights and weights != signed:
        rule = f"is another one than made the maps, such as {path_text(file)}"
        raise InputError.of("model", f"{rule}: pass the one that made them")
    return ()
