"""Hold the result of `howfar assess`: each site's expected score with its certainty, reasons and the next step."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from howfar.formatting_and_escaping import NOT_KNOWN, format_estimate
from howfar.results.checksums_and_overwrite_guard import ASSESSMENT
from howfar.results.display_and_shared_records import Cells, NetworkReading
from howfar.results.evaluation_result import PERFORMANCE_NAMES
from howfar.results.relation_result import Gate, Relation
from howfar.results.result import RecordedResult

BEHIND = "the model behind "
"""Stands before the folder of maps that were there already, in place of a model's name."""
WITHOUT_LABELS = (
    "“expected” and “listed as failing” use no label of the site; “measured” uses its labels. A list may miss "
    "failures and hold false alarms."
)
BRACKETS = (
    "OUTSIDE: the site differs too much from all other labelled sites. Trust no estimate or list in round brackets; "
    "where a score was measured, use that."
)
Action = Literal["tile", "certify", "label", "adapt", "check"]
Origin = Literal["site", "corrupted"]
Basis = Literal["sites", "corrupted", "both"]


@dataclass(frozen=True)
class NextStep:
    """Hold the recommended action for a site: a word for programs, a sentence, and a command line."""

    action: Action
    text: str
    command: str


@dataclass(frozen=True)
class OwnScore:
    """Hold a model's score on the primary dataset's held-out images, which reveals a wrong set-up at once.

    `performance` is the mean over `n` images at `threshold` (None for a task without one), which comes from `source`; `best` is
    the mean at `best_threshold`, the best for these images.
    """

    n: int
    performance: float
    threshold: float | None
    source: str
    best: float | None = None
    best_threshold: float | None = None


@dataclass(frozen=True)
class SiteAnswer:
    """Hold the answer for one site.

    Attributes
    ----------
    dataset, n
        The site's name and number of images.
    estimator, estimate, low, high, level
        What its mean performance is expected to be without its own labels, by which estimator, and the interval with its level;
        None where nothing can be estimated.
    measured, scored
        The true mean where the site has labels, else None, and of how many images that is.
    inside, gate, warning
        Whether the site lies inside the range of the labelled datasets (None where that is not known), each check, and one line
        that says why the estimate is not to be believed, "" inside.
    listed, listed_share
        Images that probably fail, and their share; None where none could be estimated.
    held, left_out
        How many intervals of this estimator held the truth of a labelled dataset that was left out, and of how many; those so
        long that they say nothing are not counted.
    error
        Mean absolute error of this estimator for the mean of a dataset that was left out; None where that is not known.
    answer
        All this in plain sentences.
    failing
        The sentences of `answer` on the images that fail or probably fail; "" in runs of earlier versions.
    next
        What to do.
    to_label
        Images to label first, where that is what to do; the command of `next` names the same.
    by_tiles
        What is expected of its maps by tiles, or was measured on them where the site has labels; None where there are none.
    false_positive_share
        Share of the pixels that are predicted, of a site whose masks hold no foreground, where F is undefined; None of others.
    """

    dataset: str
    n: int
    estimator: str | None
    estimate: float | None
    low: float | None
    high: float | None
    level: float
    measured: float | None
    scored: int
    inside: bool | None
    gate: Gate | None
    warning: str
    listed: int | None
    listed_share: float | None
    held: int
    left_out: int
    error: float | None
    answer: str
    next: NextStep
    to_label: tuple[str, ...] = ()
    false_positive_share: float | None = None
    by_tiles: float | None = None
    failing: str = ""

    @property
    def doubted(self) -> bool:
        """Return whether the estimate is not to be trusted: the site lies outside the gate and has no measured score."""
        return self.inside is False and self.measured is None

    def expected(self) -> str:
        """Write the estimate with its interval: in brackets outside the gate; "too wide to use" where labels tell the score."""
        text = format_estimate(self.estimate, self.low, self.high, doubted=self.inside is False)
        return "too wide to use" if text == NOT_KNOWN and self.measured is not None else text

    def said(self) -> str:
        """Return the answer with the next step and its command."""
        return f"{self.answer} Next: {self.next.text} {self.next.command}"


@dataclass(frozen=True)
class LabelledSet:
    """Hold a labelled site or corrupted set with the estimate made while its labels were hidden.

    `held` says whether the interval from `low` to `high` holds the `measured` mean.
    """

    dataset: str
    origin: Origin
    n: int
    measured: float
    estimate: float
    low: float
    high: float
    held: bool
    inside: bool | None


@dataclass(frozen=True, eq=False, repr=False)
class Assessment(RecordedResult):
    """Hold the answer for each site: expected score, certainty, reasons and next step (made by `howfar.assess`).

    Attributes
    ----------
    primary, model, metric, tau
        The primary dataset's name, where the predictions come from, what performance is in words, and the performance below
        which an image counts as failed.
    basis
        What the estimates learnt from besides the primary's own images: labelled "sites", "corrupted" versions of the primary's
        images, or "both".
    sites
        One answer for each site, in the caller's order.
    labelled
        The labelled datasets, each estimated by the others.
    own, first
        What the model scores on the primary's held-out images, in numbers, and as the first sentence of the answer; None and ""
        in runs of earlier versions.
    tiled
        Whether the maps that were scored are known to be predicted by tiles.
    reading
        How a foreign network was fed and read; None for a checkpoint, and for maps that were there.
    notes, provenance
        What a reader should know, most important first; what made it.
    command
        The command line that asks the same again; "" in runs of earlier versions.
    identity
        What the maps depend on: the hash of the model's weights, how images are fed to it; the hash of maps that were there
        already. Empty in runs of earlier versions.
    task
        That of the model, as `howfar.evaluate` names it.
    """

    DOCUMENT: ClassVar = ASSESSMENT
    COMMAND: ClassVar = "assess"
    MISSING: ClassVar = "pass a folder that howfar assess wrote"
    SUBJECT: ClassVar = ": the assessment"

    primary: str
    model: str
    metric: str
    tau: float
    basis: Basis
    sites: tuple[SiteAnswer, ...]
    labelled: tuple[LabelledSet, ...]
    tiled: bool
    reading: NetworkReading | None = None
    command: str = ""
    identity: Mapping[str, Any] = field(default_factory=dict)
    task: str = "segmentation"
    own: OwnScore | None = None
    first: str = ""

    @property
    def performance_name(self) -> str:
        """Return the name of a site's mean performance: F, accuracy or F1."""
        return PERFORMANCE_NAMES.get(self.task, "performance")

    def table(self) -> Cells:
        """Return the header and formatted cells with one row per site, sites with doubted estimates first."""
        levels = " or ".join(sorted({f"{100 * site.level:.0f} %" for site in self.sites}))
        header = ("site", "gate", f"expected [{levels}]", "measured (on)", "listed as failing", "images", "next")
        return header, [_cells(site) for site in self.ordered()]

    def legend(self) -> list[str]:
        """Explain which columns of the sites' table use labels, and what brackets mean, as far as the table has them."""
        measured = any(site.measured is not None for site in self.sites)
        outside = any(site.inside is False for site in self.sites)
        return [*([WITHOUT_LABELS] if measured else []), *([BRACKETS] if outside else [])]

    def caption(self) -> str:
        named = self.metric.startswith(self.performance_name)
        metric = self.metric if named else f"{self.performance_name}, each image {self.metric}"
        return f"What {self.model} will score: {metric}"

    def footer(self) -> list[str]:
        """Return each site's answer with the next step, warnings first, and the notes."""
        return [*([self.first] if self.first else []), *(site.said() for site in self.ordered()), *self.notes]

    def ordered(self) -> list[SiteAnswer]:
        """Return the sites in reading order: outside the gate first, then unlabelled, then measured."""
        return sorted(self.sites, key=lambda site: (site.measured is not None, site.inside is not False))

    def fits(self, relation: Relation) -> bool:
        """Return whether the answers belong to this relation and not to a later one saved in the same folder."""
        estimates = {row.dataset: row.predicted for row in relation.estimates}
        return all(estimates.get(site.dataset) == site.estimate for site in self.sites)


def gate_word(inside: bool | None) -> str:
    """Return a word for a site's position: inside the gate, outside, or unknown."""
    return "unknown" if inside is None else "inside" if inside else "OUTSIDE"


def _cells(site: SiteAnswer) -> tuple[str, ...]:
    blank, listed = site.false_positive_share is not None, f"{site.listed} of {site.n}" if site.listed else "none"
    # howfar adapt tests training with howfar's own network; what remains to be done is to train the user's.
    shown = {"adapt": "train", "check": "nothing", "label": "label" if site.measured is None else "train"}
    return (
        site.dataset,
        gate_word(site.inside),
        "undefined" if blank else site.expected(),
        "no foreground" if blank else "–" if site.measured is None else f"{site.measured:.2f} ({site.scored})",
        "–" if site.listed is None or blank else f"({listed})" if site.inside is False else listed,
        str(site.n),
        shown.get(site.next.action, site.next.action),
    )
