"""Verify a certificate that somebody else made: draw and compute again, and say what agrees, differs, or is not checked."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np

from howfar.arrays import Float64Array
from howfar.data import Dataset, DatasetArgument, Item, content_hash, read_bytes
from howfar.data.dataset import examples
from howfar.errors import HowfarError, ImageError, InputError
from howfar.results.certificate_result import Certificate, Step
from howfar.results.records import Cells
from howfar.studies.certification.question import SIZE, VALUES, Question, look, parse_until
from howfar.studies.certification.sample import DrawnRows, derived_seed, draw_rows, images_of
from howfar.tasks.by_name import TASKS
from howfar.tasks.task import ModelAnswers, SampleMeasures, Task

Status = Literal["agrees", "differs", "not checked"]
_ROUNDING = 1e-9


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
        counts = {
            status: sum(check.status == status for check in self.checks) for status in ("agrees", "differs", "not checked")
        }
        said = "does not hold" if counts["differs"] else "agrees with all that was checked"
        return f"{self.certificate}: {said}; " + ", ".join(f"{count} {status}" for status, count in counts.items() if count)

    def table(self) -> Cells:
        """Return header and formatted cells, one row per check."""
        return ("checked", "outcome", "detail"), [(check.what, check.status, check.detail) for check in self.checks]

    def to_dict(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return {"certificate": self.certificate, "agrees": self.agrees, "checks": [asdict(check) for check in self.checks]}


def verify(
    certificate: Certificate | str | Path,
    predictions: str | Path | None = None,
    *,
    images: DatasetArgument | None = None,
    labels: str | Path | None = None,
    against: str | Path | None = None,
) -> Verification:
    """Verify a certificate by the predictions, images and labels that it names by their hashes.

    The file's checksum, the seed, the draw and all numbers are computed again. What is not given is not checked, and named.
    `against` are the predictions of a second model, where two were compared.

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
    file = CertificateCheck("file", "not checked", "it was not read from one")
    if isinstance(certificate, Certificate):
        found = certificate
    else:
        found = Certificate.load(certificate)  # which checks the checksum, if there is one
        file = CertificateCheck(
            "file", *(("agrees", "by its checksum") if found.is_sealed(certificate) else ("not checked", "no checksum"))
        )
    if found.task not in TASKS:
        raise InputError.of("certificate", "must be of a task that this howfar knows", found.task)
    return Verification(found.dataset, (file, *_Verifier(found, predictions, images, labels, against).checks()))


class _Verifier:
    """Check one certificate by what is given."""

    def __init__(
        self,
        certificate: Certificate,
        predictions: str | Path | None,
        images: DatasetArgument | None,
        labels: str | Path | None,
        against: str | Path | None,
    ) -> None:
        self.certificate, self.site = certificate, certificate.site
        options = {name: getattr(certificate, name) for name in ("threshold", "tolerance", "iou", "min_score")}
        self.task: Task = TASKS[certificate.task].of(options)
        self.question = self._asked()
        self.dataset = self._dataset(images)
        self.images, self.labels, self.files = images, labels, {"predictions": predictions, "against": against}
        self.answers = {name: self._answers(file) for name, file in self.files.items()}

    def checks(self) -> Iterator[CertificateCheck]:
        """Yield all checks."""
        yield self._seed()
        yield self._contents()
        yield self._digests("predictions", self.site.predictions)
        if self.certificate.against is not None:
            yield self._digests("against", self.site.against)
        yield self._proxies()
        yield self._draw()
        values, check = self._measured()
        yield check
        yield self._numbers(values)

    def _asked(self) -> Question:
        of = self.certificate
        measure = VALUES if of.metric == VALUES.name else self.task.measure(of.metric)
        zone = None if of.zone is None else (of.zone.at_least, of.zone.wrong)
        return Question(measure, of.level, parse_until(of.until, measure.name), zone, of.against)

    def _dataset(self, images: DatasetArgument | None) -> Dataset:
        if images is not None:
            return images_of(images)
        # Predictions are matched by names; without images their files need not exist.
        return Dataset(self.certificate.dataset, tuple(Item(name, Path(name)) for name in self.site.images))

    def _answers(self, file: str | Path | None) -> ModelAnswers | None:
        return None if file is None else self.task.answers(self.dataset, file)

    def _seed(self) -> CertificateCheck:
        if not self.site.contents:
            return CertificateCheck("seed", "not checked", "values have no hashes that determine it")
        if self.certificate.taken_from is not None:
            return CertificateCheck(
                "seed", "not checked", f"the sample is that of the certificate {self.certificate.taken_from}"
            )
        if self.certificate.seed == derived_seed(self.site, self.certificate.design):
            return CertificateCheck("seed", "agrees", "as images and predictions determine it")
        return CertificateCheck("seed", "not checked", f"{self.certificate.seed} was chosen by whoever drew the sample")

    def _contents(self) -> CertificateCheck:
        if self.images is None:
            return CertificateCheck("images", "not checked", "pass the images")
        files = {item.name: item.path for item in self.dataset.items}
        return _compared("images", {name: _hash(files.get(name)) for name in self.site.images}, self.site.contents)

    def _digests(self, name: str, recorded: Sequence[str]) -> CertificateCheck:
        what, answers = {"predictions": "predictions", "against": "second predictions"}[name], self.answers[name]
        if answers is None:
            return CertificateCheck(what, "not checked", f"pass {name}")
        return _compared(what, {image: answers.digest(image) for image in self.site.images}, recorded)

    def _proxies(self) -> CertificateCheck:
        what, ours, theirs = "predicted performance", self.answers["predictions"], self.answers["against"]
        if self.certificate.against is not None:
            if ours is None or theirs is None:
                return CertificateCheck("largest differences", "not checked", "pass predictions and against")
            known = self.task.bounds(self.question.measure, _only(ours, self.site.images), theirs)
            return _equal("largest differences", known, self._predicted)
        if self.certificate.proxy != self.task.proxy:
            return CertificateCheck(what, "not checked", f"it comes from {self.certificate.proxy}")
        if ours is None or self.images is None:
            return CertificateCheck(what, "not checked", "pass predictions and images")
        try:
            read, _ = _only(ours, self.site.images).with_images(False, False)
        except HowfarError as error:
            return CertificateCheck(what, "differs", str(error))
        return _equal(what, np.array([read.by_image[name].confidence for name in self.site.images]), self._predicted)

    @property
    def _predicted(self) -> Float64Array:
        return np.array(self.site.proxies, dtype=np.float64)

    def _draw(self) -> CertificateCheck:
        of = self.certificate
        if of.taken_from is not None:
            return CertificateCheck("draw", "not checked", f"verify the certificate {of.taken_from}, whose sample it is")
        sizes = None
        if of.design == SIZE:
            answers = self.answers["predictions"]
            if answers is None:
                return CertificateCheck("draw", "not checked", "pass predictions, whose sizes it is drawn by")
            sizes = self.task.sizes(self.question.measure, _only(answers, self.site.images))
            sizes = np.ones(len(sizes)) if sizes is not None and not sizes.any() else sizes
        rows = draw_rows(self.question, self.site, len(of.sample) or None, of.seed, sizes, of.zone)
        same = _rows(rows) == [(one.index, one.probability, one.stratum) for one in of.sample]
        if of.zone is not None:
            same = same and rows.zone == replace(of.zone, tests=())
            planned = draw_rows(self.question, self.site, of.zone.planned, of.seed).zone
            same = same and planned is not None and (planned.sizes[0], planned.allowed) == (of.zone.sizes[0], of.zone.allowed)
        return (
            CertificateCheck("draw", "agrees")
            if same
            else CertificateCheck("draw", "differs", "the seed gives other images, or another order")
        )

    def _measured(self) -> tuple[SampleMeasures | None, CertificateCheck]:
        drawn = [one for one in self.certificate.sample if one.labelled]
        recorded = np.array([math.nan if one.performance is None else one.performance for one in drawn])
        given = SampleMeasures(recorded) if self.question.measure.kind == "mean" else None
        if not drawn:
            return SampleMeasures(np.zeros(0)), CertificateCheck("labels", "not checked", "none counts yet")
        answers, others = self.answers["predictions"], self.answers["against"]
        if self.labels is None or answers is None or self.images is None or (self.certificate.against and others is None):
            return given, CertificateCheck("labels", "not checked", "pass labels, predictions and images")
        with TemporaryDirectory() as scratch:
            read, _ = self.task.read_labels(answers, self.labels, True, Path(scratch) / "labels")
            missing = [one.image for one in drawn if one.image not in read]
            if missing:
                return given, CertificateCheck("labels", "differs", f"no label of {examples(missing)}")
            labels = {one.image: read[one.image] for one in drawn}
            changed = [one.image for one in drawn if one.label not in (None, self.task.label_hash(labels[one.image]))]
            measured = self.task.measured(self.question.measure, answers, labels)
            if others is not None:
                theirs = self.task.measured(self.question.measure, others, labels)
                measured = SampleMeasures(np.nan_to_num(measured.values - theirs.values))
        if changed:
            return measured, CertificateCheck("labels", "differs", f"other than those that counted: {examples(changed)}")
        return measured, _equal("labels", measured.values, recorded)

    def _numbers(self, measured: SampleMeasures | None) -> CertificateCheck:
        of = self.certificate
        if measured is None:
            return CertificateCheck("numbers", "not checked", "a ratio of sums needs labels, predictions and images")
        answers, expected = self.answers["predictions"], None
        if measured.parts is not None and answers is not None:
            expected = self.task.expected(self.question.measure, _only(answers, self.site.images))
        try:
            found = look(self.question, measured, of.sample, self._predicted, of.zone, expected)
        except InputError as error:
            return CertificateCheck("numbers", "differs", str(error))
        last = found.last if of.labelled or found.steps else Step(0, None, None, None)
        numbers = [(last.value, of.value), (last.low, of.low), (last.high, of.high)]
        wrong = [name for name, pair in zip(("value", "low", "high"), numbers, strict=True) if not _close(*pair)]
        wrong += ["settled"] * (last.settled != of.settled)
        wrong += ["steps"] * (not _same_steps(found.steps, of.steps))
        wrong += ["labelled"] * (of.labelled != sum(one.labelled for one in of.sample))
        wrong += ["n"] * (of.n != len(self.site.images))
        if of.zone is not None and found.zone is not None:
            wrong += ["zone"] * (found.zone.tests != of.zone.tests)
        return (
            CertificateCheck("numbers", "differs", f"{', '.join(wrong)} are other by the sample")
            if wrong
            else CertificateCheck("numbers", "agrees")
        )


def _only(answers: ModelAnswers, names: Sequence[str]) -> ModelAnswers:
    """Return the answers on the named images alone, in their order."""
    items = {item.name: item for item in answers.dataset.items}
    kept = tuple(items[name] for name in names if name in items and name in answers.by_image)
    return replace(answers, dataset=replace(answers.dataset, items=kept))


def _hash(path: str | Path | None) -> str | None:
    try:
        return None if path is None else content_hash(read_bytes(path))
    except ImageError:
        return None


def _compared(what: str, found: dict[str, str | None], recorded: Sequence[str]) -> CertificateCheck:
    missing = [name for name, digest in found.items() if digest is None]
    changed = [name for (name, digest), known in zip(found.items(), recorded, strict=True) if digest not in (None, known)]
    said = [f"{text}: {examples(names)}" for text, names in (("missing", missing), ("changed", changed)) if names]
    return CertificateCheck(what, "differs", "; ".join(said)) if said else CertificateCheck(what, "agrees", f"all {len(found)}")


def _equal(what: str, found: Float64Array, recorded: Float64Array) -> CertificateCheck:
    if found.shape == recorded.shape and np.allclose(found, recorded, rtol=0.0, atol=_ROUNDING, equal_nan=True):
        return CertificateCheck(what, "agrees", f"all {len(found)}")
    count = len(found) if found.shape != recorded.shape else int((~np.isclose(found, recorded, 0.0, _ROUNDING, True)).sum())
    return CertificateCheck(what, "differs", f"{count} of {len(recorded)} are other")


def _rows(rows: DrawnRows) -> list[tuple[int, float, int]]:
    return list(zip(rows.indices.tolist(), rows.probabilities.tolist(), rows.strata.tolist(), strict=True))


def _close(found: float | None, recorded: float | None) -> bool:
    if found is None or recorded is None:
        return found is recorded
    return abs(found - recorded) <= _ROUNDING


def _same_steps(found: Sequence[Step], recorded: Sequence[Step]) -> bool:
    return len(found) == len(recorded) and all(
        one.labelled == other.labelled
        and one.settled == other.settled
        and all(_close(getattr(one, name), getattr(other, name)) for name in ("value", "low", "high"))
        for one, other in zip(found, recorded, strict=True)
    )
