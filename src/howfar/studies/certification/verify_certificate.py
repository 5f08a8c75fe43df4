"""Verify a certificate: repeat its draw and computation, and report what agrees, differs or cannot be checked."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, Unpack, get_args

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.data import Dataset, DatasetArgument, Item, content_hash, read_bytes
from howfar.data.name_matching import examples
from howfar.errors import HowfarError, ImageError, InputError
from howfar.image_reading_options import reading_pixels
from howfar.option_checks_and_signatures import with_options
from howfar.options_by_function import VerifyOptions
from howfar.results.certificate_result import Certificate, Step
from howfar.results.display_and_shared_records import Cells
from howfar.studies.certification.certified_quantity import SIZE, VALUES, Question, look, parse_until
from howfar.studies.certification.sample import compared, derived_seed, draw_sample, images_of, sizes_of
from howfar.tasks.task import ModelAnswers, SampleMeasures, Task
from howfar.tasks.tasks_and_own_options import TASKS, own_options

Status = Literal["agrees", "differs", "not checked"]
_ROUNDING = 1e-9
_ENDS = ("value", "low", "high")


@dataclass(frozen=True)
class CertificateCheck:
    """Hold one check of a certificate: what was checked, how it came out, and why."""

    what: str
    status: Status
    detail: str = ""


@dataclass(frozen=True)
class Verification:
    """Hold the checks of a certificate, made by `howfar.verify`."""

    certificate: str
    checks: tuple[CertificateCheck, ...]

    @property
    def agrees(self) -> bool:
        """Return whether nothing differs."""
        return all(check.status != "differs" for check in self.checks)

    def caption(self) -> str:
        """State in one line what the checks showed."""
        counts = {status: sum(check.status == status for check in self.checks) for status in get_args(Status)}
        said = "does not hold" if counts["differs"] else "agrees with all that was checked"
        return f"{self.certificate}: {said}; " + ", ".join(f"{count} {status}" for status, count in counts.items() if count)

    def table(self) -> Cells:
        """Return header and formatted cells, one row per check."""
        return ("checked", "outcome", "detail"), [(check.what, check.status, check.detail) for check in self.checks]

    def to_dict(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return {"certificate": self.certificate, "agrees": self.agrees, "checks": [asdict(check) for check in self.checks]}


@with_options(VerifyOptions)
def verify(
    certificate: Certificate | str | Path,
    predictions: str | Path | None = None,
    *,
    images: DatasetArgument | None = None,
    labels: str | Path | None = None,
    against: str | Path | None = None,
    **options: Unpack[VerifyOptions],
) -> Verification:
    """Verify a certificate by the predictions, images and labels that it names by their hashes.

    The file's checksum, the seed, the draw and all numbers are computed again. What is not given is not checked, and named.
    `against` are the predictions of a second model, where two were compared. `columns` and `classes` read tables and
    COCO files as `certify` did.

    Raises
    ------
    HowfarError
        A certificate that is missing or damaged; a folder or file that is missing.

    Examples
    --------
    >>> import numpy as np
    >>> import howfar
    >>> predicted = np.linspace(0.2, 0.9, 100)
    >>> drawn = howfar.certify(predicted, k=8)
    >>> howfar.verify(howfar.certify(predicted, k=8, labels=predicted[[one.index for one in drawn.sample]])).agrees
    True
    """
    if isinstance(certificate, Certificate):
        found, file = certificate, _unchecked("file", "it was not read from one")
    else:
        found = Certificate.load(certificate)  # which checks the checksum, if there is one
        sealed = found.is_sealed(certificate)
        file = CertificateCheck("file", "agrees", "by its checksum") if sealed else _unchecked("file", "no checksum")
    if found.task not in TASKS:
        raise InputError.of("certificate", "must be of a task that this howfar knows", found.task)
    with reading_pixels(found.site.reading):
        return Verification(found.dataset, (file, *_Verifier(found, predictions, images, labels, against, options).checks()))


def _unchecked(what: str, why: str) -> CertificateCheck:
    return CertificateCheck(what, "not checked", why)


def _outcome(what: str, wrong: str, detail: str = "") -> CertificateCheck:
    """Return the check that differs as `wrong` says, or agrees if that is ""."""
    return CertificateCheck(what, "differs", wrong) if wrong else CertificateCheck(what, "agrees", detail)


class _Verifier:
    """Check one certificate against the predictions, images and labels that the caller has."""

    def __init__(
        self,
        certificate: Certificate,
        predictions: str | Path | None,
        images: DatasetArgument | None,
        labels: str | Path | None,
        against: str | Path | None,
        options: VerifyOptions,
    ) -> None:
        self.certificate, self.site = certificate, certificate.site
        recorded = {name: getattr(certificate, name) for name in ("threshold", "tolerance", "iou", "min_score")}
        self.task: Task = TASKS[certificate.task].of({**own_options({"task": certificate.task, **options}), **recorded})
        measure = VALUES if certificate.metric == VALUES.name else self.task.measure(certificate.metric)
        zone = None if certificate.zone is None else (certificate.zone.at_least, certificate.zone.wrong)
        goal = parse_until(certificate.until, measure.name)
        self.question = Question(measure, certificate.level, *goal, zone, certificate.against)
        # Predictions are matched by names; without images their files need not exist.
        items = tuple(Item(name, Path(name)) for name in self.site.images)
        self.dataset = Dataset(certificate.dataset, items) if images is None else images_of(images)
        self.images, self.labels = images, labels
        self.ours, self.theirs = (
            None if file is None else self.task.answers(self.dataset, file) for file in (predictions, against)
        )
        self.predicted = np.array(self.site.proxies, dtype=np.float64)

    def checks(self) -> Iterator[CertificateCheck]:
        """Yield all checks."""
        of, site = self.certificate, self.site
        if not site.contents:
            yield _unchecked("seed", "values have no hashes that determine it")
        elif of.taken_from is not None:
            yield _unchecked("seed", f"the sample is that of the certificate {of.taken_from}")
        elif of.seed == derived_seed(site, of.design):
            yield CertificateCheck("seed", "agrees", "as images and predictions determine it")
        else:
            yield _unchecked("seed", f"{of.seed} was chosen by whoever drew the sample")
        if self.images is None:
            yield _unchecked("images", "pass the images")
        else:
            contents: dict[str, str | None] = dict.fromkeys(site.images)
            for item in self.dataset.items:
                if item.name in contents:
                    with suppress(ImageError):
                        contents[item.name] = content_hash(read_bytes(item.path))
            yield _same("images", contents, site.contents)
        yield self._digests("predictions", "predictions", self.ours, self.site.predictions)
        if self.certificate.against is not None:
            yield self._digests("second predictions", "against", self.theirs, self.site.against)
        yield self._proxies()
        yield self._draw()
        values, check = self._measured()
        yield check
        yield self._numbers(values)

    def _digests(self, what: str, name: str, answers: ModelAnswers | None, recorded: Sequence[str]) -> CertificateCheck:
        if answers is None:
            return _unchecked(what, f"pass {name}")
        return _same(what, {image: answers.digest(image) for image in self.site.images}, recorded)

    def _proxies(self) -> CertificateCheck:
        what = "predicted performance" if self.certificate.against is None else "largest differences"
        if self.certificate.against is not None:
            if self.ours is None or self.theirs is None:
                return _unchecked(what, "pass predictions and against")
            bounds = self.task.bounds(self.question.measure, _only(self.ours, self.site.images), self.theirs)
            return _equal(what, bounds, self.predicted)
        if self.certificate.proxy != self.task.proxy:
            return _unchecked(what, f"it comes from {self.certificate.proxy}")
        if self.ours is None or self.images is None:
            return _unchecked(what, "pass predictions and images")
        try:
            read, _ = _only(self.ours, self.site.images).with_images(False, False)
        except HowfarError as error:
            return CertificateCheck(what, "differs", str(error))
        return _equal(what, np.array([read.by_image[name].confidence for name in self.site.images]), self.predicted)

    def _draw(self) -> CertificateCheck:
        of = self.certificate
        if of.taken_from is not None:
            return _unchecked("draw", f"verify the certificate {of.taken_from}, whose sample it is")
        if of.design == SIZE and self.ours is None:
            return _unchecked("draw", "pass predictions, whose sizes it is drawn by")
        sizes = None
        if of.design == SIZE and self.ours is not None:
            sizes = sizes_of(self.task, self.question, _only(self.ours, self.site.images))
        drawn, zone = draw_sample(self.question, self.site, len(of.sample) or None, of.seed, sizes=sizes, zone=of.zone)
        first, recorded = ([(one.index, one.probability, one.stratum) for one in sample] for sample in (drawn, of.sample))
        same = first == recorded
        if of.zone is not None:
            _, planned = draw_sample(self.question, self.site, of.zone.planned, of.seed)
            starts = [None if each is None else (each.sizes[0], each.allowed) for each in (planned, of.zone)]
            same = same and zone == replace(of.zone, tests=()) and starts[0] == starts[1]
        return _outcome("draw", "" if same else "the seed gives other images, or another order")

    def _measured(self) -> tuple[SampleMeasures | None, CertificateCheck]:
        drawn = [one for one in self.certificate.sample if one.labelled]
        recorded = np.array([math.nan if one.performance is None else one.performance for one in drawn])
        given = SampleMeasures(recorded) if self.question.measure.kind == "mean" else None
        if not drawn:
            return SampleMeasures(np.zeros(0)), _unchecked("labels", "none counts yet")
        lacking = self.certificate.against is not None and self.theirs is None
        if self.labels is None or self.ours is None or self.images is None or lacking:
            return given, _unchecked("labels", "pass labels, predictions and images")
        with TemporaryDirectory() as scratch:
            read, _ = self.task.read_labels(self.ours, self.labels, True, Path(scratch) / "labels")
            missing = [one.image for one in drawn if one.image not in read]
            if missing:
                return given, CertificateCheck("labels", "differs", f"no label of {examples(missing)}")
            labels = {one.image: read[one.image] for one in drawn}
            changed = [one.image for one in drawn if one.label not in (None, self.task.label_hash(labels[one.image]))]
            measured = compared(self.task, self.question, self.ours, self.theirs, labels)
        if changed:
            return measured, CertificateCheck("labels", "differs", f"other than those that counted: {examples(changed)}")
        return measured, _equal("labels", measured.values, recorded)

    def _numbers(self, measured: SampleMeasures | None) -> CertificateCheck:
        of, expected = self.certificate, None
        if measured is None:
            return _unchecked("numbers", "a ratio of sums needs labels, predictions and images")
        if measured.parts is not None and self.ours is not None:
            expected = self.task.expected(self.question.measure, _only(self.ours, self.site.images))
        try:
            found = look(self.question, measured, of.sample, self.predicted, of.zone, expected)
        except InputError as error:
            return CertificateCheck("numbers", "differs", str(error))
        agree = {
            **dict(zip(_ENDS, _close(found.last, of), strict=True)),
            "settled": found.last.settled == of.settled,
            "steps": len(found.steps) == len(of.steps) and all(map(_same_step, found.steps, of.steps)),
            "labelled": of.labelled == sum(one.labelled for one in of.sample),
            "n": of.n == len(self.site.images),
            "zone": of.zone is None or found.zone is None or found.zone.tests == of.zone.tests,
        }
        wrong = [name for name, same in agree.items() if not same]
        return _outcome("numbers", f"{', '.join(wrong)} are other by the sample" if wrong else "")


def _only(answers: ModelAnswers, names: Sequence[str]) -> ModelAnswers:
    """Return the answers on the named images alone, in their order."""
    items = {item.name: item for item in answers.dataset.items}
    kept = tuple(items[name] for name in names if name in items and name in answers.by_image)
    return replace(answers, dataset=replace(answers.dataset, items=kept))


def _same(what: str, found: dict[str, str | None], recorded: Sequence[str]) -> CertificateCheck:
    missing = [name for name, digest in found.items() if digest is None]
    changed = [name for (name, digest), known in zip(found.items(), recorded, strict=True) if digest not in (None, known)]
    said = [f"{text}: {examples(names)}" for text, names in (("missing", missing), ("changed", changed)) if names]
    return _outcome(what, "; ".join(said), f"all {len(found)}")


def _equal(what: str, found: Float64Array, recorded: Float64Array) -> CertificateCheck:
    same = found.shape == recorded.shape
    others = int((~np.isclose(found, recorded, 0.0, _ROUNDING, True)).sum()) if same else len(found)
    wrong = "" if same and not others else f"{others} of {len(recorded)} are other"
    return _outcome(what, wrong, f"all {len(found)}")


def _close(found: Step, recorded: Step | Certificate) -> NDArray[np.bool_]:
    """Compare value, low and high; each may be None."""
    now, then = (np.array([getattr(each, name) for name in _ENDS], dtype=np.float64) for each in (found, recorded))
    return np.isclose(now, then, rtol=0.0, atol=_ROUNDING, equal_nan=True)


def _same_step(found: Step, recorded: Step) -> bool:
    return bool(_close(found, recorded).all()) and (found.labelled, found.settled) == (recorded.labelled, recorded.settled)
