"""Hold what `howfar check` decided (pass, breach or undecided, by rule and dataset), the exit code, and the rows of its log."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from howfar.formatting_and_escaping import format_interval, share_interval
from howfar.results.display_and_shared_records import Cells, Shown, Skipped, plain

Outcome = Literal["pass", "breach", "undecided"]
Severity = Literal["breach", "warn"]
EXIT_CODES: Final[Mapping[str, int]] = {"pass": 0, "breach": 3, "undecided": 4}
OVER_TIME: Final = "over time"
"""In place of a dataset's name, where a decision is about all batches of the log."""
SHARES: Final = ("failures", "distance", "unreadable")
"""Rules whose value is a share."""
HEADER: Final = ("dataset", "rule", "must", "value", "decision")


@dataclass(frozen=True)
class Decision:
    """Hold the decision of one rule about one dataset (`dataset` "over time": about all batches, by the alarm).

    `severity` "breach" counts for the exit code, "warn" is only reported. `must` is the rule in words, such as "at least 0.6",
    and `value` with `low` and `high` what was held against it, None where it is not known. `words` says the decision in a
    sentence, `remedy` what to do, "" where the rule is kept; `labels` are expected to decide it, where labels can.
    """

    dataset: str
    rule: str
    severity: Severity
    outcome: Outcome
    must: str
    value: float | None
    low: float | None
    high: float | None
    words: str
    remedy: str = ""
    labels: int | None = None

    @property
    def counts(self) -> Outcome:
        """Return the outcome for the exit code, which is "pass" for a rule that only warns."""
        return "pass" if self.severity == "warn" else self.outcome

    @property
    def shown(self) -> str:
        """Return the outcome in one word; "warn" for an unmet rule that only warns."""
        return "warn" if self.severity == "warn" and self.outcome != "pass" else self.outcome

    def why(self) -> str:
        """Return the explanation, with the remedy if there is one."""
        return f"{self.words}: {self.remedy}" if self.remedy else self.words

    def cells(self) -> tuple[str, ...]:
        """Return the decision as formatted texts, in the order of `HEADER`."""
        value = format_interval(self.value, self.low, self.high)
        if self.value is not None and self.rule in SHARES:
            value = share_interval(self.value, self.low, self.high)
        elif self.value is not None and self.rule == "images":
            value = f"{self.value:,.0f}"
        return (self.dataset, self.rule, self.must, value, self.shown)


@dataclass(frozen=True)
class CheckedDataset:
    """Hold the counts and estimates of a checked dataset, as recorded in a log.

    Of `n` scored images `judged` have a predicted performance, whose mean is `mean_predicted`; `failures` of these probably
    fail, and `far` are farther than 95 % of the primary dataset's images. `value` is the mean performance, by `source`:
    "estimated", "certified", or "" where it is not known. `gate` says whether the dataset lies inside the range of the labelled
    ones. `measured` and `predicted` are performances of the labelled images, in one order, and `groups` number their groups
    (scene, patient, clip), () if no two share one. Each of the dataset's images is a `unit`: "image", or "slice" say.
    """

    dataset: str
    n: int
    unreadable: int = 0
    judged: int = 0
    failures: int = 0
    far: int = 0
    mean_predicted: float | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    level: float | None = None
    source: str = ""
    gate: bool | None = None
    measured: tuple[float, ...] = ()
    predicted: tuple[float | None, ...] = ()
    groups: tuple[int, ...] = ()
    unit: str = "image"


@dataclass(frozen=True)
class LogRow:
    """Hold a row of a log: a checked batch, the time, and the decisions.

    `key` is the same for the same images, so that a batch that is checked again, say with labels, replaces its earlier row.
    """

    time: str
    primary: str
    key: str
    batch: CheckedDataset
    decisions: Mapping[str, str]
    outcome: Outcome

    def cells(self) -> tuple[str, ...]:
        """Return the row as formatted texts, in the order of `LOG_HEADER`."""
        batch = self.batch
        broken = ", ".join(rule for rule, outcome in self.decisions.items() if outcome != "pass")
        value = format_interval(batch.value, batch.low, batch.high)
        mean = "–" if not batch.measured else f"{sum(batch.measured) / len(batch.measured):.2f} ({len(batch.measured)})"
        return (self.time[:19].replace("T", " "), batch.dataset, str(batch.n), value, mean, self.outcome, broken)


LOG_HEADER: Final = ("time (UTC)", "dataset", "images", "mean performance", "labelled", "decision", "not kept")


@dataclass(frozen=True)
class AlarmReading:
    """Hold the state of the sequential alarm over a log's batches.

    `basis` is "labels", or "estimates" where no batch has labels: then nothing is said about true performance. `level` is the
    mean performance that every batch is to have at least, `rate` the chance of a false alarm over all batches together.
    `spread` "any" supposes nothing of the images' performance, "in_control" that it spreads about its prediction no wider than
    before. `evidence` for harm after each batch is a share of what the alarm takes: from 1 on it is `raised`, at the time of
    that batch.
    """

    basis: Literal["labels", "estimates"]
    level: float
    rate: float
    spread: str
    batches: int
    images: int
    evidence: tuple[float, ...]
    raised: str | None


@dataclass(frozen=True, eq=False, repr=False)
class Check(Shown):
    """Hold the decisions on new datasets by a profile and rules, made by `howfar.check`.

    Attributes
    ----------
    primary
        The name of the dataset that the profile describes.
    decisions
        One for each dataset and rule, datasets in their order.
    batches
        What is known of each dataset.
    skipped
        The files that could not be read, and why.
    alarm
        What the sequential alarm says; None where no rule asks for it, or there is no log.
    rows
        The rows of the log since the date that was asked for; empty where there is no log.
    log
        The log's file; None where there is none.
    notes
        What a reader should know.
    """

    primary: str
    decisions: tuple[Decision, ...]
    batches: tuple[CheckedDataset, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    alarm: AlarmReading | None = None
    rows: tuple[LogRow, ...] = ()
    log: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """Return "breach" if a rule is broken, else "undecided" if one is undecided, else "pass"; warnings do not count."""
        return worst(self.decisions)

    @property
    def exit_code(self) -> int:
        """Return 0 for a pass, 3 for a breach, 4 for undecided."""
        return EXIT_CODES[self.outcome]

    @property
    def labels(self) -> int | None:
        """Return the number of labels expected to decide the undecided rules of all datasets; None if none is known."""
        needed: dict[str, int] = {}
        for decision in self.decisions:
            if decision.counts == "undecided" and decision.labels is not None:
                needed[decision.dataset] = max(needed.get(decision.dataset, 0), decision.labels)
        return sum(needed.values()) or None

    def __len__(self) -> int:
        return len(self.decisions)

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as JSON values, with outcome, exit code and labels."""
        summary = {"outcome": self.outcome, "exit_code": self.exit_code, "labels": self.labels}
        return {**summary, **plain(self)}

    def caption(self) -> str:
        """Return the outcome in one line."""
        images = sum(batch.n for batch in self.batches)
        units = {batch.unit for batch in self.batches}
        unit = units.pop() if len(units) == 1 else "image"
        checked = f"{images:,} {unit}{'' if images == 1 else 's'} checked against {self.primary}"
        return f"{self.verdict()}: {checked if self.batches else f'the log of {self.primary}'}"

    def verdict(self) -> str:
        """Return the outcome in words, with the number of labels needed if undecided."""
        if self.outcome == "undecided" and self.labels is not None:
            return f"UNDECIDED, label {self.labels} more"
        return self.outcome.upper()

    def table(self) -> Cells:
        """Return header and cells, one row per decision."""
        return HEADER, [decision.cells() for decision in self.decisions]

    def footer(self) -> list[str]:
        """Return the explanation of each unmet rule, the basis of the alarm, and the notes."""
        told = [each for each in self.decisions if each.outcome != "pass" or each.dataset == OVER_TIME]
        # What several rules ask of a dataset is said once.
        first = {(each.dataset, each.remedy): each for each in reversed(told)}
        lines = (each.why() if first[each.dataset, each.remedy] is each else each.words for each in told)
        return [*(f"{each.dataset}, {each.rule}: {line}" for each, line in zip(told, lines, strict=True)), *self.notes]

    def remarks(self) -> list[str]:
        """Return the lines that the terminal shows under the table."""
        return self.footer()


def worst(decisions: tuple[Decision, ...]) -> Outcome:
    """Return the worst outcome of several decisions: breach, then undecided, then pass."""
    outcomes = {decision.counts for decision in decisions}
    return "breach" if "breach" in outcomes else ("undecided" if "undecided" in outcomes else "pass")
