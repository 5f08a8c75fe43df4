"""Draw a certificate's random sample, extend it in later calls, and estimate a measure from its labels."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.data import Dataset, DatasetArgument, Item, content_hash, parse, read_bytes
from howfar.data.dataset import examples
from howfar.data.image_bytes import check_files
from howfar.data.image_folder import path_text
from howfar.data.photographs import photographs_of
from howfar.data.predictions import made_with
from howfar.errors import ImageError, InputError, LeakError
from howfar.metrics import THRESHOLDS
from howfar.pipeline.reference_profile import Profile
from howfar.results.certificate_result import DECIDED, Certificate, CertifiedSite, SampledImage, Step, Zone
from howfar.sampling import (
    ConfidenceSequence,
    Estimate,
    Sample,
    Until,
    ZonePlan,
    difference,
    draw,
    mean,
    ods,
    order,
    order_by_bound,
    plan_zone,
    ratio,
    sequence,
    zone_tests,
)
from howfar.sampling.design import as_count
from howfar.streams import stream
from howfar.studies.evaluation.evaluate import Seen
from howfar.tasks.segmentation_task import MapAnswers
from howfar.tasks.task import Measure, ModelAnswers, Pair, SampleMeasures, Task

_BARE = re.compile(r"\d*\.?\d+")
_FORMS = 'write ±0.05 (+-0.05, 0.05) or "F >= 0.6"'
_AHEAD, _FUTURES = 400, 5
"""How many labels ahead are looked, in how many futures."""
OF_IMAGES = ("mean", "mean_f", "f", "ods", "accuracy", "mean_f1")
"""Measures of which an image's own value is its performance, as estimators predict it."""


@dataclass(frozen=True)
class Goal:
    """Hold a rule that ends labelling, None to name the better of two models, and its text."""

    rule: Until | None
    text: str


VALUES = Measure("mean", "mean performance", "mean")
"""The mean of values in memory."""
SHORT = {
    "mean_f": "F", "mean_iou": "IoU", "mean_precision": "precision", "mean_recall": "recall", "ois": "OIS", "mean_f1": "F1",
}  # fmt: skip
"""What people call a metric in a question."""


def parse_until(text: str | float | None, metric: str | None = None, short: str = "F") -> Goal | None:
    """Parse the goal that ends labelling (a half width, or a level of `metric`, also named `short`); None without a goal."""
    if text is None:
        return None
    written = str(text).strip()
    if written == DECIDED and metric is not None:
        return Goal(None, DECIDED)
    try:
        rule = Until.parse(f"±{written}" if _BARE.fullmatch(written) else written)
    except InputError as error:
        raise InputError.of("until", "must be a half width or a performance between 0 and 1", text, _FORMS) from error
    if rule.kind == "half width":
        return Goal(rule, f"±{rule.value:g}")
    name = (re.match(r"[A-Za-z]\w*", written) or [short])[0]
    if metric is not None and name.lower() not in (metric.lower(), short.lower()):
        remedy = f"write '{short} >= 0.6', or certify another metric"
        raise InputError.of("until", f"must be asked of what is certified ({metric})", text, remedy)
    return Goal(rule, f"{name} {'>=' if rule.kind == 'at least' else '<='} {rule.value:g}")


@dataclass(frozen=True)
class Question:
    """Hold the question to certify: the measure, the interval's level, and the goal that ends labelling.

    `zone` is the performance asked for and the share of images that may have less; `against` the predictions of a second model.
    """

    measure: Measure
    level: float
    goal: Goal | None
    zone: tuple[float, float] | None = None
    against: str | Path | None = None


@dataclass(frozen=True, eq=False)
class Looks:
    """Hold the estimate after each number of labels, and each labelled image's own value (nan if undefined)."""

    steps: tuple[Step, ...]
    values: Float64Array
    needed: int | None = None
    notes: tuple[str, ...] = ()
    zone: Zone | None = None

    @property
    def last(self) -> Step:
        """Return the most recent estimate."""
        return self.steps[-1] if self.steps else Step(0, None, None, None)


def look(
    question: Question, measured: SampleMeasures, proxies: Float64Array, sample: Sample, expected: Pair | None = None
) -> Looks:
    """Estimate the measure after each label; the labelled images are the first of the sample."""
    values, level, goal = measured.values, question.level, question.goal
    if goal is None and question.measure.kind == "best":
        return _best(question, measured, sample, expected)
    if goal is None:
        counts = range(1, len(measured) + 1)
        found = [_estimate(question, measured, count, proxies, sample, expected) for count in counts]
        return Looks(tuple(_step(count, one) for count, one in zip(counts, found, strict=True)), values)
    if not len(measured) or goal.rule is None:
        return Looks((), values)
    steps = _followed(sequence(values, proxies, sample.indices, level=level, until=goal.rule))
    needed = labels_needed(values, proxies, sample.indices, level, goal) if steps[-1].settled is None else None
    return Looks(steps, values, needed)


def look_for_zone(zone: Zone, values: Float64Array, sample: Sample, level: float) -> Looks:
    """Test the zones of a site by the performance of the first labelled images."""
    reads = tuple(np.array(places, dtype=np.int64) for places in zone.reads)
    ranking = np.array(zone.ranking, dtype=np.int64)
    plan = ZonePlan(ranking, sample.indices, zone.sizes, reads, zone.allowed, zone.at_least, zone.wrong, level)
    tested = replace(zone, tests=zone_tests(plan, values))
    known = tested.certified or any(test.passed is False for test in tested.tests)
    steps = (Step(len(values), tested.certified / len(ranking), None, None),) if known else ()
    return Looks(steps, values, zone=tested)


def look_at_difference(question: Question, values: Float64Array, bounds: Float64Array, images: Sequence[int]) -> Looks:
    """Estimate the mean difference of two models after each label."""
    rule = None if question.goal is None else question.goal.rule
    half = None if rule is None else rule.value
    if not images:  # equal predictions differ by nothing
        return Looks((Step(0, 0.0, 0.0, 0.0),), values)
    found = difference(values, bounds, images, level=question.level, half_width=half) if len(values) else None
    return Looks(() if found is None else _followed(found), values)


def _followed(known: ConfidenceSequence) -> tuple[Step, ...]:
    settled = known.settled or ("undecided",) * len(known.value)
    rows = zip(known.value.tolist(), known.low.tolist(), known.high.tolist(), settled, strict=True)
    return tuple(
        Step(count, value, low, high, None if said == "undecided" else said)
        for count, (value, low, high, said) in enumerate(rows, start=1)
    )


def share_below(certificate: Certificate, limit: float) -> tuple[Estimate, int] | None:
    """Estimate the share of a site's images with performance below a limit by a certificate's labels; return it with the count.

    None if the certificate's values are no performance.
    """
    drawn = [one for one in certificate.sample if one.labelled]
    sample = first(sample_of(certificate.sample), len(drawn)) if drawn else None
    if (
        certificate.metric not in OF_IMAGES
        or certificate.design in (ZONE, DIFFER)
        or sample is None
        or all(one.performance is None for one in drawn)
    ):
        return None
    values, proxies = (
        np.array([math.nan if value is None else float(value < limit) for value in several])
        for several in ([one.performance for one in drawn], certificate.site.proxies)
    )
    if certificate.anytime:
        known = sequence(values, proxies, sample.indices, level=certificate.level)
        estimate = Estimate(float(known.value[-1]), float(known.low[-1]), float(known.high[-1]))
    else:
        estimate = mean(values, proxies, sample, level=certificate.level)
    return estimate, int(np.nansum(values))


def labels_needed(
    values: Float64Array, proxies: Float64Array, order: NDArray[np.int64], level: float, goal: Goal
) -> int | None:
    """Estimate the number of further labels that settle the question if the site continues as it began.

    The median of five futures, whose labels repeat the residuals of known ones; None if unsettled within 400 labels.
    """
    known = np.flatnonzero(np.isfinite(values))
    if len(known) < 2:
        return None
    predicted = np.where(np.isnan(proxies), np.nanmean(proxies) if np.isfinite(proxies).any() else 0.5, proxies)
    own = predicted[order[known]]
    slope = float(np.clip(np.cov(values[known], own)[0, 1] / np.var(own, ddof=1), 0, 1)) if np.ptp(own) > 0 else 0.0
    residuals = values[known] - slope * own
    count = len(values)
    rest = np.setdiff1d(np.arange(len(predicted)), order[:count])
    rng = stream(count, "labels still needed")
    needed = []
    for _ in range(_FUTURES):
        coming = rng.permutation(rest)[:_AHEAD]
        future = np.clip(slope * predicted[coming] + rng.choice(residuals, len(coming)), 0.0, 1.0)
        images = np.concatenate([order[:count], coming])
        stop = sequence(np.concatenate([values, future]), proxies, images, level=level, until=goal.rule).stop
        needed.append(np.inf if stop is None else stop - count)
    middle = float(np.median(needed))
    return None if middle == np.inf else max(1, round(middle))


def marked(drawn: Sequence[SampledImage], values: Float64Array, labels: Sequence[str | None]) -> tuple[SampledImage, ...]:
    """Mark the first images of a sample as labelled, with their measured values and their labels' hashes."""
    known = [None if math.isnan(value) else float(value) for value in values.tolist()]
    labelled = [
        replace(one, labelled=True, performance=value, label=label)
        for one, value, label in zip(drawn, known, labels or [None] * len(known), strict=False)
    ]
    return (*labelled, *drawn[len(labelled) :])


def sample_of(drawn: Sequence[SampledImage]) -> Sample:
    """Convert the recorded sample to the form that estimators take."""
    return Sample(
        np.array([one.index for one in drawn], dtype=np.int64),
        np.array([one.probability for one in drawn]),
        np.array([one.stratum for one in drawn], dtype=np.int64),
    )


def first(sample: Sample, count: int) -> Sample | None:
    """Return the first `count` images in random order as a sample; None if a stratum would be empty.

    The first c_h images of a stratum are a simple random sample of it, each with the chance c_h / N_h.
    """
    strata = sample.strata[:count]
    if set(strata.tolist()) != set(sample.strata.tolist()):
        return None
    sizes = {h: np.sum(sample.strata == h) / sample.probabilities[sample.strata == h][0] for h in set(strata.tolist())}
    shares = np.array([np.sum(strata == h) / sizes[h] for h in strata.tolist()])
    return Sample(sample.indices[:count], shares, strata)


def _estimate(
    question: Question, measured: SampleMeasures, count: int, proxies: Float64Array, sample: Sample, expected: Pair | None
) -> Estimate | None:
    """Estimate from the first `count` labels; return None if they are too few."""
    part, values = first(sample, count), measured.values[:count]
    if part is None or not np.isfinite(values).any():
        return None
    if measured.parts is None:
        return mean(values, proxies, part, level=question.level)
    above, below = (side[:count, 0] for side in measured.parts)
    return ratio(above, below, _stacked(expected)[..., 0], part, level=question.level) if below.any() else None


def _best(question: Question, measured: SampleMeasures, sample: Sample, expected: Pair | None) -> Looks:
    """Estimate the best ratio over thresholds from all labels."""
    part = first(sample, len(measured)) if len(measured) else None
    if part is None or measured.parts is None or not measured.parts[1][:, 0].any():
        return Looks((), measured.values)
    found, place = ods(*measured.parts, _stacked(expected), part, level=question.level)
    notes = (
        f"the best threshold is {THRESHOLDS[place]:.2f} by these labels; the best of many estimates lies above the true best "
        "on average, the more the fewer labels",
    )
    return Looks((_step(len(measured), found),), measured.values, notes=notes)


def _stacked(expected: Pair | None) -> Float64Array:
    """Return expected numerators and denominators as one array, (2, m, t)."""
    return np.stack(expected) if expected is not None else np.zeros((2, 0, 0))


def _step(count: int, found: Estimate | None) -> Step:
    return Step(count, None, None, None) if found is None else Step(count, found.value, found.low, found.high)


LABELS, LABELS_UNTIL = 16, 64
"""How many images are drawn where nothing else is said, and where labelling goes on until a question is settled."""
ORDER, PERFORMANCE, SIZE, ZONE, DIFFER = "order", "performance", "size", "zone", "differ"
"""How a sample may be drawn."""
MAPS = "maps"
"""The folder in `out` where the maps of a model are kept."""
SIGNED = {"weights", "size", "tiled", "precision", "flipped", "image"}
"""What the signature of a checkpoint's map says."""


@dataclass(frozen=True, eq=False)
class DrawnSite:
    """Hold a sample, the model's answers on the site (and a second model's, `others`), the design and seed of the draw."""

    answers: ModelAnswers
    record: CertifiedSite
    drawn: tuple[SampledImage, ...]
    proxy: str
    seed: int
    design: str
    notes: tuple[str, ...] = ()
    zone: Zone | None = None
    others: ModelAnswers | None = None
    taken_from: str | None = None

    @property
    def proxies(self) -> Float64Array:
        """Return the predicted performance, (m,), nan if unknown."""
        return np.array(self.record.proxies, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class DrawRequest:
    """Hold the arguments of `howfar.certify` for a draw, its options with defaults (`given`) and without (`written`)."""

    task: Task
    predictions: str | Path
    k: int | None
    profile: Profile | None
    threshold: float | None
    question: Question
    given: Mapping[str, Any]
    written: Mapping[str, Any]


def images_of(site: DatasetArgument) -> Dataset:
    """Read the site as a dataset without masks; raise `HowfarError` if it is missing, empty, embeddings, or without files."""
    parsed = parse(site, unnamed="site")
    if not isinstance(parsed, Dataset):
        raise InputError.of("site", "must hold images", f"embeddings: {parsed.name}", "pass the folder of the images")
    check_files(parsed, "site", "its images are handed out to be labelled, and looked up again by a later call")
    return parsed.without_masks()


def begin(dataset: Dataset, asked: DrawRequest, seen: Seen, over: Certificate | None = None) -> DrawnSite:
    """Draw a sample of a site without learnt images, or take over the sample of another model's certificate (`over`).

    Inclusion chances do not depend on the model, so that a sample serves any model that has not learnt from the site.
    """
    if over is not None:
        check_whole(over)
        refuse_learnt(seen, over)
        check_design(asked, over)
    elif asked.k is not None:
        as_count(asked.k, "k")
    task, given, question = asked.task, asked.given, asked.question
    answers, contents = task.answers(seen.unseen(dataset), asked.predictions, given["progress"]).with_images(
        given["partial"], given["progress"]
    )
    images = [item.name for item in answers.dataset.items]
    proxies, words = [answers.by_image[name].confidence for name in images], task.proxy
    if asked.profile is not None:
        predicted, words = by_profile(answers.dataset, asked.profile, asked.predictions, given)
        proxies = predicted.tolist()
    others = None
    if question.against is not None:
        others = second_answers(task, answers.dataset, question.against, given["progress"])
        proxies, words = (
            task.bounds(question.measure, answers, others).tolist(),
            "largest possible difference of the two models",
        )
    record = CertifiedSite(
        source="" if answers.dataset.root is None else path_text(answers.dataset.root),
        images=tuple(images),
        contents=tuple(contents),
        predictions=tuple(answers.digest(name) or "" for name in images),
        proxies=tuple(None if value != value else float(value) for value in proxies),
        groups=() if given["group"] is None else tuple(photographs_of(images, given["group"])),
        against=() if others is None else tuple(others.digest(name) or "" for name in images),
    )
    notes = [*_notes(seen, answers.dataset)]
    if over is None and asked.k is not None and asked.k > len(images):
        notes.append(f"k = {asked.k:,} is more than the {len(images):,} images there are: every image is to be labelled")
    design = design_of(question)
    seed = derived_seed(record, design) if given["seed"] is None else given["seed"]
    begun = DrawnSite(answers, record, (), words, seed, design, tuple(notes), others=others)
    if over is None:
        sizes = task.sizes(question.measure, answers)
        # Where nothing is predicted in any image, none is larger than another.
        sizes = np.ones(len(sizes)) if sizes is not None and not sizes.any() else sizes
        rows = draw_rows(question, record, asked.k, begun.seed, sizes)
        drawn = recorded(rows, record, [path_text(item.path) for item in answers.dataset.items])
        return replace(begun, drawn=drawn, zone=rows.zone)
    if (record.images, record.contents) != (over.site.images, over.site.contents):
        rule = f"must be a sample of the same images: it was drawn from {over.n}"
        raise InputError.of("sample", rule, f"{len(record.images)} images, or others", "draw anew")
    drawn = tuple(replace(one, proxy=record.proxies[one.index], performance=None, labelled=False) for one in over.sample)
    return replace(begun, drawn=drawn, seed=over.seed, design=over.design, taken_from=over.run_id)


def go_on(dataset: Dataset, asked: DrawRequest, seen: Seen, earlier: Certificate) -> DrawnSite:
    """Continue with the sample of an earlier certificate."""
    check_whole(earlier)
    if asked.k is not None:
        as_count(asked.k, "k")
    check_same_options(asked, earlier)
    check_design(asked, earlier)
    refuse_learnt(seen, earlier)
    task, question, progress, site = asked.task, asked.question, asked.given["progress"], earlier.site
    answers = unchanged(task.answers(dataset, asked.predictions, progress), site, site.predictions, task.noun)
    others = None if question.against is None else second_answers(task, answers.dataset, question.against, progress)
    others = None if others is None else unchanged(others, site, site.against, task.noun)
    drawn, zone = tuple(replace(one, performance=None, labelled=False) for one in earlier.sample), earlier.zone
    if earlier.anytime and asked.k is not None and asked.k > len(drawn):
        rows = draw_rows(question, site, asked.k, earlier.seed, zone=zone)
        drawn, zone = recorded(rows, site, [path_text(item.path) for item in answers.dataset.items]), rows.zone
    return DrawnSite(
        answers=answers,
        record=earlier.site,
        drawn=drawn,
        proxy=earlier.proxy,
        seed=earlier.seed,
        design=earlier.design,
        notes=added_note(dataset, earlier),
        zone=zone,
        others=others,
        taken_from=earlier.taken_from,
    )


def second_answers(task: Task, dataset: Dataset, against: str | Path, progress: bool) -> ModelAnswers:
    """Read a second model's predictions of each image; raise `InputError` for images without one."""
    answers = task.answers(dataset, against, progress)
    missing = [item.name for item in dataset.items if item.name not in answers.by_image]
    if missing:
        raise InputError.of("against", f"must hold a {task.noun} of each image", f"none of {examples(missing)}")
    return answers


def unchanged(answers: ModelAnswers, recorded: CertifiedSite, digests: Sequence[str], noun: str) -> ModelAnswers:
    """Return the answers on a site's recorded images; raise `InputError` if one has changed since the draw."""
    items = {item.name: item for item in answers.dataset.items}
    for name, content, prediction in zip(recorded.images, recorded.contents, digests, strict=True):
        digest = answers.digest(name) if name in items else None
        reason = ""
        if digest is None:
            reason = f"{name} was there when the sample was drawn, and {f'its {noun}' if name in items else 'it'} is not"
        elif _content(items[name]) != content:
            reason = f"the image {name} is another than when the sample was drawn"
        elif digest != prediction:
            reason = f"the prediction of {name} is another than when the sample was drawn"
        if reason:
            remedy = "a sample holds for the images and the model that it was drawn for; draw anew in another --out"
            raise InputError(f"{reason}: {remedy}")
    dataset = replace(answers.dataset, items=tuple(items[name] for name in recorded.images))
    return replace(answers, dataset=dataset, by_image={name: answers.by_image[name] for name in recorded.images})


def _content(item: Item) -> str:
    try:
        return content_hash(read_bytes(item.path))
    except ImageError as error:
        raise InputError(f"the image {path_text(item.path)} cannot be read: {error}") from error


def added_note(dataset: Dataset, earlier: Certificate) -> tuple[str, ...]:
    """Return a note on images added to the site since the draw, which the certificate does not cover."""
    known = set(earlier.site.images)
    added = [item.name for item in dataset.items if item.name not in known]
    if not added:
        return ()
    are = "1 image of the site is" if len(added) == 1 else f"{len(added)} images of the site are"
    return (f"{are} no part of it ({examples(added)}): the certificate is of the {earlier.n} others",)


def by_profile(
    dataset: Dataset, profile: Profile, predictions: str | Path, given: Mapping[str, Any]
) -> tuple[Float64Array, str]:
    """Predict performance with a profile's estimators (nan if impossible), and name the estimators."""
    chosen = {name: given[name] for name in ("flipped", "ensemble", "estimator") if given[name]}
    scores = profile.score(dataset, predictions=predictions, **chosen)
    by_path = {score.image: score for score in scores.images}
    rows = [by_path.get(path_text(item.path)) for item in dataset.items]
    values = np.array([np.nan if row is None or row.predicted is None else row.predicted for row in rows])
    names = sorted({row.estimator for row in rows if row is not None and row.estimator})
    if not names:
        line = f"the profile of {profile.primary} predicts no performance: make it with labelled datasets and their performance"
        raise InputError(f"{line}, or leave --profile out")
    return np.clip(values, 0.0, 1.0), f"{', '.join(names)} of the profile of {scores.primary}"


def check_whole(certificate: Certificate) -> None:
    """Raise `InputError` for a certificate whose parts contradict each other, as certify never writes one."""
    site = certificate.site
    lengths = {len(site.images), len(site.contents), len(site.predictions), len(site.proxies), certificate.n}
    drawn = certificate.sample
    known = len(lengths) == 1 and all(0 <= one.index < certificate.n and site.images[one.index] == one.image for one in drawn)
    if not known or len({one.index for one in drawn}) < len(drawn) or len(set(site.images)) < len(site.images):
        raise InputError(
            f"the certificate of {certificate.dataset} is damaged, its sample does not fit its site: draw anew in another --out"
        )


def refuse_learnt(seen: Seen, certificate: Certificate) -> None:
    """Raise `LeakError` if the model learnt from an image of an existing sample or of its site."""
    learnt = {**dict(seen.tiles), **dict.fromkeys(seen.contents, "")}
    both = [one.image for one in certificate.sample if one.image in learnt] or [
        name for name in certificate.site.images if name in learnt
    ]
    if both:
        of = "sample" if both[0] in {one.image for one in certificate.sample} else "site"
        how = f"another tile of {learnt[both[0]]}" if learnt[both[0]] else "it"
        raise LeakError(
            f"{len(both)} of the images of the {of} were learnt from, the first {both[0]} (the model learnt from {how}): a "
            "sample shows nothing of a model that has seen it; draw anew in another --out, or cross-fit"
        )


def design_of(question: Question) -> str:
    """Return the design of a sample: for zones, for two models, in random order if each label is looked at, else in strata."""
    if question.zone is not None:
        return ZONE
    if question.against is not None:
        return DIFFER
    return ORDER if question.goal is not None else PERFORMANCE if question.measure.kind == "mean" else SIZE


def derived_seed(record: CertifiedSite, design: str) -> int:
    """Return the seed that images and predictions determine by their hashes, so that nobody can choose a sample."""
    parts = (design, *record.images, *record.contents, *record.predictions, *record.against)
    return int(content_hash("\n".join(parts).encode())[:8], 16)


class DrawnRows(NamedTuple):
    """Hold the positions of drawn images in the order of labelling, their chances, strata, and the zones they test, if any."""

    indices: NDArray[np.int64]
    probabilities: Float64Array
    strata: NDArray[np.int64]
    zone: Zone | None = None


def draw_rows(
    question: Question,
    record: CertifiedSite,
    k: int | None,
    seed: int,
    sizes: Float64Array | None = None,
    zone: Zone | None = None,
) -> DrawnRows:
    """Draw k images of a site by the question's design; with the `zone` of an earlier sample, go on with that."""
    proxies, design = np.array(record.proxies, dtype=np.float64), design_of(question)
    if question.zone is not None:
        begin = None if zone is None else (zone.sizes[0], zone.allowed)
        (limit, wrong), count = question.zone, LABELS_UNTIL if k is None else k
        plan = plan_zone(proxies, count, at_least=limit, wrong=wrong, level=question.level, begin=begin, seed=seed)
        return _zone_rows(plan, count if zone is None else zone.planned)
    if design in (PERFORMANCE, SIZE):
        sample = draw(proxies, LABELS if k is None else k, groups=record.groups or None, sizes=sizes, seed=seed)
        return DrawnRows(sample.indices, sample.probabilities, sample.strata)
    images = order(len(proxies), seed=seed) if design == ORDER else order_by_bound(proxies, seed=seed)
    images = images[: LABELS_UNTIL if k is None else as_count(k, "k")]
    chances = np.full(len(images), len(images) / len(proxies)) if design == ORDER else proxies[images] / proxies.sum()
    return DrawnRows(images, chances, np.zeros(len(images), dtype=np.int64))


def _zone_rows(plan: ZonePlan, planned: int) -> DrawnRows:
    first = np.zeros(len(plan.images), dtype=np.int64)
    for number in reversed(range(len(plan.reads))):
        first[plan.reads[number]] = number
    chances = np.array([len(plan.reads[number]) / plan.sizes[number] for number in first])
    reads = tuple(tuple(places.tolist()) for places in plan.reads)
    zone = Zone(plan.at_least, plan.wrong, planned, plan.allowed, tuple(plan.ranking.tolist()), plan.sizes, reads)
    return DrawnRows(plan.images, chances, first, zone)


def recorded(sample: DrawnRows, record: CertifiedSite, paths: Sequence[str]) -> tuple[SampledImage, ...]:
    """Return the sample's images in labelling order; `paths` are the files of all images of the site."""
    rows = zip(sample.indices.tolist(), sample.probabilities.tolist(), sample.strata.tolist(), strict=True)
    return tuple(
        SampledImage(rank, record.images[index], paths[index], index, chance, stratum, record.proxies[index])
        for rank, (index, chance, stratum) in enumerate(rows, start=1)
    )


def check_same_options(asked: DrawRequest, earlier: Certificate) -> None:
    """Raise `InputError` for an option that differs from the one at the time of the draw."""
    before: dict[str, Any] = {
        name: getattr(earlier, name) for name in ("seed", "tolerance", "threshold", "task", "iou", "min_score")
    }
    now = {name: asked.written[name] for name in before if name in asked.written}
    if asked.threshold is not None:
        now["threshold"] = asked.threshold
    if asked.k is not None and not (earlier.anytime and asked.k > len(earlier.sample)):
        now["k"], before["k"] = min(asked.k, earlier.n), len(earlier.sample)
    for name, value in now.items():
        if value is not None and value != before[name]:
            rule = f"must be what it was when the sample was drawn ({before[name]})"
            raise InputError.of(name, rule, value, "leave it out, or draw anew in another --out")


def check_design(asked: DrawRequest, drawn: Certificate) -> None:
    """Raise `InputError` for a question the sample's design cannot answer."""
    measure, goal = asked.question.measure, asked.question.goal
    if measure.kind != "mean" and drawn.design == PERFORMANCE and len(drawn.sample) < drawn.n:
        # The images that rule a ratio are seldom in such a sample.
        rule = f"must be asked when the sample is drawn: this one is in strata for means, such as {drawn.metric}"
        raise InputError.of("metric", rule, measure.name, "certify a mean, or draw anew in another --out")
    if (ZONE in (design_of(asked.question), drawn.design) or DIFFER in (design_of(asked.question), drawn.design)) and (
        design_of(asked.question) != drawn.design
    ):
        name = "zone" if ZONE in (design_of(asked.question), drawn.design) else "against"
        raise InputError.of(name, "must be asked when the sample is drawn", drawn.design, "draw anew in another --out")
    if goal is not None and drawn.design not in (ORDER, DIFFER):
        rule = "must be asked when the sample is drawn: its images are in strata, and one look is all that it allows"
        raise InputError.of("until", rule, goal.text, "leave it out, or draw anew in another --out")


def made_by(begun: DrawnSite, weights: str | None) -> tuple[str, ...]:
    """Raise `InputError` for maps signed by another checkpoint than `weights`; return a note if no model is given (None)."""
    if not isinstance(begun.answers, MapAnswers):
        return ()
    file = begun.answers.by_image[begun.record.images[0]].value
    signature = made_with(file)
    # The signature of a foreign network says more: how it was fed and read.
    if "weights" not in signature or not set(signature) <= SIGNED:
        return ()
    signed = signature["weights"]
    if weights is None:
        line = "the maps are of a checkpoint of howfar train: name it (model=, --model), so that images that it learnt from are"
        return (f"{line} left out",)
    if weights and weights != signed:
        raise InputError.of(
            "model", f"is another one than made the maps, such as {path_text(file)}: pass the one that made them"
        )
    return ()


def _notes(seen: Seen, dataset: Dataset) -> Iterator[str]:
    """Yield notes on skipped files and on unknown training images."""
    if not seen.complete:
        yield "the model began with the weights of an earlier version, whose images are unknown: some may be among these"
    if dataset.skipped:
        count, first = len(dataset.skipped), dataset.skipped[0]
        what = "1 image or file is" if count == 1 else f"{count} images or files are"
        yield f"{what} no part of the site, the first {first.path}: {first.reason}"
