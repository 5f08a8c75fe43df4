"""Hold the result of `howfar certify`: a random sample of images, and the model's score with an interval after each label."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from howfar.formatting_and_escaping import format_interval, in_units, per
from howfar.image_reading_options import counted_as
from howfar.io.embedded_checksum import SEAL
from howfar.io.file_location import absolute
from howfar.results.checksums_and_overwrite_guard import check_document, stale_pictures
from howfar.results.display_and_shared_records import Cells
from howfar.results.result import SingleFile

if TYPE_CHECKING:
    import pandas as pd


DECIDED = "decided"
"""Asks of two models until it is settled which is better."""


@dataclass(frozen=True)
class CertifiedSite:
    """Record the images, predictions and groups from which a sample was drawn, so that later changes are detected.

    `source` is the dataset argument ("" for values in memory, which have no hashes either), `contents` and `predictions` are
    hashes of the image files and of their predictions. `proxies` are predicted performances in [0, 1], by which the sample was
    drawn; `groups` the photograph of each image where whole photographs were drawn, else empty. Where two models are compared
    `against` are hashes of the second's predictions, and `proxies` the largest differences possible. `reading` are the options
    by which pixels were read (bands, range, window, overlap), empty for pictures as they are.
    """

    source: str
    images: tuple[str, ...]
    contents: tuple[str, ...]
    predictions: tuple[str, ...]
    proxies: tuple[float | None, ...]
    groups: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    reading: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SampledImage:
    """Hold an image of the sample, whose order is the random order of labelling.

    `rank` is its place in that order, from 1, `index` that in the site. It is in the sample with `probability`, drawn from
    `stratum`. `proxy` is its predicted and `performance` its measured performance, None where there is none; `labelled` says
    whether its label counts, of which `label` is a hash.
    """

    rank: int
    image: str
    path: str
    index: int
    probability: float
    stratum: int
    proxy: float | None
    performance: float | None = None
    labelled: bool = False
    label: str | None = None


@dataclass(frozen=True)
class Step:
    """Hold the estimate after a number of labels: value, interval, and whether the question was settled."""

    labelled: int
    value: float | None
    low: float | None
    high: float | None
    settled: str | None = None


@dataclass(frozen=True)
class ZoneTest:
    """Hold the test of one zone: its number of images, how many labels it reads, how many of these are below the limit.

    `allowed` is the largest such number with which it passes; `passed` is None while labels are missing.
    """

    images: int
    labels: int
    below: int
    allowed: int
    passed: bool | None


@dataclass(frozen=True)
class Zone:
    """Hold which zones of a site are tested, largest last, and what tests showed (`howfar.sampling.certify_zone_by_labels`).

    At most the share `wrong` of a zone's images may score below `at_least`. `ranking` are the site's images, best predicted
    first; zones hold its first `sizes`. The smallest of these and `allowed` were chosen for `planned` labels. `reads` are the
    places in the sample whose labels each test reads.
    """

    at_least: float
    wrong: float
    planned: int
    allowed: int
    ranking: tuple[int, ...]
    sizes: tuple[int, ...]
    reads: tuple[tuple[int, ...], ...]
    tests: tuple[ZoneTest, ...] = ()

    @property
    def certified(self) -> int:
        """Return how many images the certified zone has, 0 if none is certified."""
        return max((test.images for test in self.tests if test.passed), default=0)

    def last(self) -> str:
        """State what the test after the certified zone showed, or how many labels it waits for; "" if all passed."""
        if not self.tests or self.tests[-1].passed:
            return ""
        test = self.tests[-1]
        of = f"the {test.images:,} best predicted images"
        if test.passed is None:
            return f"{test.labels} labels test {of}, at most {test.allowed} of which may be below {self.at_least:g}"
        counts = f"{test.below} or more are below {self.at_least:g}, and {test.allowed} may be"
        return f"the next zone failed: of {test.labels} labels in its {test.images:,} images {counts}"


@dataclass(frozen=True, repr=False)
class Certificate(SingleFile):
    """Hold a model's performance on a site with an interval valid under any shift, made by `howfar.certify`.

    The interval rests on the random draw alone: it supposes nothing of the site, of the model or of the predicted
    performance, which only makes it narrower.

    Attributes
    ----------
    dataset
        The site's name.
    metric, words
        What is certified, by name (mean_f, f, ods, accuracy, mean_f1 …; "mean" of values in memory) and in words.
    value, low, high, level
        The estimate over all images of the site, its interval, and the level of the interval; None before there are labels.
    labelled, n
        How many labels count, and how many images the site has.
    anytime
        Whether the interval holds however often it is looked at while labels come in; else it holds for one look.
    until, settled
        The question that labelling goes on for ("±0.05", "F >= 0.6", or None); "yes" or "no" once it is answered, None before.
    needed
        How many more labels are expected to be needed for the answer; None where that is not known, or nothing was asked.
    threshold, tolerance
        The threshold at which foreground is taken, None where the task has none; pixels within which map and mask agree.
    proxy, design
        Where predicted performance comes from, in words; how the sample was drawn: in strata of "performance" or of "size" (for
        a ratio of sums), in plain random "order", for the tests of a "zone", or where two models' predictions "differ".
    seed
        Of the draw.
    site
        What was drawn from.
    sample
        The drawn images in the order in which they are to be labelled.
    steps
        What was known after each number of labels.
    notes, provenance
        What a reader should know, what made it.
    task
        "segmentation", "multiclass", "classification" or "detection".
    iou, min_score
        Of a detection: the overlap from which two boxes match, and the score below which boxes are left out; None else.
    zone
        The part of the site that was asked for, best predicted images first, and how large it was shown to be; else None.
    against
        Where the predictions of a second model are, if the value is the first's performance less the second's; else None.
    taken_from
        The run identity of the certificate whose sample was taken over; None for a sample that was drawn.
    """

    DOCUMENT: ClassVar = "certificate.json"
    COMMAND: ClassVar = "certify"
    MISSING: ClassVar = "pass a certificate.json that howfar certify wrote, or its folder"
    DAMAGE: ClassVar = "was not written by howfar certify, or is damaged"
    REPORT: ClassVar = "certificate"

    dataset: str
    metric: str
    words: str
    value: float | None
    low: float | None
    high: float | None
    level: float
    labelled: int
    n: int
    anytime: bool
    until: str | None
    settled: str | None
    needed: int | None
    threshold: float | None
    tolerance: float
    proxy: str
    design: str
    seed: int
    site: CertifiedSite
    sample: tuple[SampledImage, ...]
    steps: tuple[Step, ...] = ()
    task: str = "segmentation"
    iou: float | None = None
    min_score: float | None = None
    zone: Zone | None = None
    against: str | None = None
    taken_from: str | None = None

    def __len__(self) -> int:
        return len(self.sample)

    @property
    def unlabelled(self) -> int:
        """Count the drawn images without a label."""
        return sum(not one.labelled for one in self.sample)

    @property
    def of_false_positives(self) -> bool:
        """Return whether the certified measure is of false positives, for which lower is better."""
        return self.metric.startswith("false_positive")

    def save(self, file: str | Path) -> Path:
        """Write a JSON file, or ``certificate.json`` in a folder, and return the named path."""
        path = self._file(file)
        # The page and figures of an earlier certificate go before it does.
        for stale in stale_pictures(path.parent, (self.run_id,)) if path.name == self.DOCUMENT else ():
            stale.unlink(missing_ok=True)
        return super().save(file)

    @classmethod
    def _parsed(cls, path: Path) -> Self:
        text = path.read_bytes()
        document = cls._checked(text, path)
        certificate = cls(**cls._values(document))._known_as(document, text, path)
        check_document(document, text, path)
        return certificate

    @classmethod
    def is_sealed(cls, file: str | Path) -> bool:
        """Return whether a certificate's file has a checksum, as earlier versions wrote none."""
        return SEAL in json.loads(cls._file(file).read_bytes())

    @classmethod
    def _file(cls, file: str | Path) -> Path:
        path = absolute(file)
        return path if path.suffix.lower() == ".json" and not path.is_dir() else path / cls.DOCUMENT

    def to_frame(self) -> pd.DataFrame:
        """Return one row per drawn image, in labelling order."""
        import pandas as pd

        return pd.DataFrame([asdict(drawn) for drawn in self.sample])

    def table(self) -> Cells:
        """Return header and formatted cells, one row per drawn image."""
        rows: list[tuple[str, ...]] = []
        for drawn in self.sample:
            proxy, measured = (format_interval(value, None, None, ".3f") for value in (drawn.proxy, drawn.performance))
            told = measured if drawn.labelled else "to label"
            rows.append((drawn.image, str(drawn.rank), str(drawn.stratum), proxy, told))
        return ("image", "rank", "stratum", "predicted" if self.against is None else "may differ by", "measured"), rows

    @property
    def unit(self) -> str:
        """Return what the site's images are: "image", "slice", "window" or "frame"."""
        return counted_as([drawn.path for drawn in self.sample])

    @property
    def measured(self) -> str:
        """Return the measure in words, with what it is a mean over if that is no image."""
        return per(self.words, self.unit) if self.words.startswith("mean") else self.words

    def caption(self) -> str:
        """State in one line what is certified, or that labels are awaited."""
        of = f"{self.labelled} of {len(self.sample)} drawn images labelled, {self.n:,} in all"
        if self.zone is not None and self.value is not None:
            share = f"the {self.zone.certified:,} best predicted images ({100 * self.value:.0f} %)"
            images = share if self.value else "no part of it"
            text = f"{self.words}: {images}, with {100 * self.level:g} % confidence"
        elif self.value is not None:
            interval = format_interval(self.value, self.low, self.high, ".3f")
            text = f"{self.measured}: {interval}, {100 * self.level:g} % interval"
        elif not self.labelled:
            text = f"{self.measured}, not known yet"
        elif self.task == "classification" or any(drawn.labelled and drawn.performance is not None for drawn in self.sample):
            labels = "label" if self.labelled == 1 else "labels"
            text = f"{self.measured}, not known from {self.labelled} {labels} yet: label more images"
        else:
            # The measure is undefined on all labelled images.
            thing = {"detection": "an object", "multiclass": "a class"}.get(self.task, "foreground")
            which = "each" if self.of_false_positives else "none"
            text = f"{self.measured}, undefined on the labelled images, {which} of which holds {thing}"
        return in_units(f"{self.dataset}: {text}; {of}", self.unit, self.dataset)

    def answer(self) -> str:
        """State whether the question of `until` is settled, and how many labels may still be needed; "" without a question."""
        if self.zone is not None:
            return self.zone.last()
        if self.until is None:
            return ""
        if not self.sample:
            return "both models predict the same of every image: no label is needed"
        if self.settled is not None:
            after = next((step.labelled for step in self.steps if step.settled is not None), self.labelled)
            said = f"{self.until} {'holds' if self.settled == 'yes' else 'does not hold'}"
            if self.until == DECIDED:
                said = f"the {'first' if self.settled == 'yes' else 'second'} model is better"
            return f"settled after {after} {'label' if after == 1 else 'labels'}: {said}"
        if self.needed is None:
            return f"not settled: {'which model is better' if self.until == DECIDED else self.until}"
        more, total = "label" if self.needed == 1 else "labels", self.labelled + self.needed
        drawn = f": -k {total}" if total > len(self.sample) else ""
        return f"not settled: {self.until}; about {self.needed} more {more} needed{drawn}"

    def findings(self) -> list[str]:
        """Return the answer to `until`, if anything was asked."""
        return [*filter(None, [self.answer()])]
