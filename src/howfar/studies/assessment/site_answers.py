"""Write an assessment's answer on each site in sentences: the expected score, its certainty, the next step."""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from howfar.formatting_and_escaping import in_units, per, percentage_of, says_nothing
from howfar.image_reading_options import counted_as
from howfar.results import Relation, SetEstimate
from howfar.results.assessment_result import Basis, LabelledSet, NextStep, Origin, OwnScore, SiteAnswer
from howfar.results.evaluation_result import PERFORMANCE_NAMES
from howfar.results.relation_result import Gate
from howfar.studies.assessment.score_and_corrupt import AssessmentScores, BlankSite, blank_sites, folder_of, own_score
from howfar.tasks.segmentation_task import FALSE_ALARMS, SegmentationTask
from howfar.tasks.task import Task

Home: TypeAlias = tuple[str, float] | None
"""The primary's name and the model's own score there."""
CHANGES = 0.02
"""From this change of the mean performance on, another threshold is worth a word."""
LABELS, MORE = 8, 16
WIDE = 0.2
"""An interval longer than this says too little to act on."""
GAIN = 0.02
"""From this gain on tiles are advised: ten larger true changes on cracks all had the expected sign (benchmarks/answer.py)."""
LOST = 0.05
"""From this loss against the primary's own images on, the answer states the loss."""
DROP = 0.2
"""A larger loss is too much where the user set no τ; as large as a change that `--flat` counts as none."""
TAU = "--tau"
NAMED = 3
"""Number of failing images that an answer names."""
TILE_FLAG = "--tile"
LEARNT = "howfar cannot know whether the model was trained on these images; if it was, every estimate is too high."
UNKNOWN_NETWORK = "unetplusplus"
"""The segmenter that adapting is tried with where the model is none of howfar's."""


def own_words(own: OwnScore, primary: str, count: int, performance_name: str, held_out: bool) -> str:
    """State the model's score on the labelled of the primary's `count` images, the threshold, and a better one if worth it."""
    images = f"{'held-out ' if held_out else ''}{'image' if own.n == 1 else 'images'}"
    some = own.n < count and not held_out
    among = f"{own.n} of {count} {images} of {primary}" if some else f"{own.n} {images} of {primary}"
    said = f"On {among} the model scores {performance_name} {own.performance:.2f}"
    if own.threshold is not None:
        source = own.source.replace(f"{own.n} {images} of {primary}", "the same images" if own.n > 1 else "the same image")
        said = f"{said}, at threshold {own.threshold:.2f} ({source})"
        if own.best is not None and own.best_threshold is not None and own.best - own.performance >= CHANGES:
            said = f"{said}; at {own.best_threshold:.2f}, the best for these images, it would score {own.best:.2f}"
    return f"{said}." if held_out else f"{said}. {LEARNT}"


def answer(
    site: str,
    estimate: SetEstimate | None,
    gate: Gate | None,
    failing: str,
    held: tuple[int, int],
    kind: str,
    performance_name: str = "F",
    measured: tuple[int, int] = (0, 0),
    home: Home = None,
) -> str:
    """State the score expected of a site, its interval, a drop beyond this interval, and the images that fail.

    `held` counts the label-hidden intervals of other datasets (`kind`) that held, and all of them; `measured` counts the site's
    images with a measured performance, and all of them; `home` is the primary's name and score; `failing` is a sentence.
    """
    if estimate is None:
        return f"{site}: {performance_name} is not known; too few datasets are labelled."
    reasons = ""
    if gate is not None and gate.outside:
        # The first reason with its numbers, the others by name; the primary by its name where it is known.
        first, *others = (reading.words for reading in gate.outside)
        checks = f"{len(others)} other checks fail" if len(others) > 1 else "Another check fails"
        also = f". {checks} too: {'; '.join(words.partition(' (')[0] for words in others)}" if others else ""
        reasons = f"{first}{also}".replace("the primary", "the primary" if home is None else home[0])
    if estimate.measured is not None:
        on = f" on {measured[0]} of {measured[1]} images" if measured[0] else ""
        said = f"{site}: {performance_name} {estimate.measured:.2f} measured{on}{_lost(home, estimate.measured)}."
        held_score = "which includes the measured score" if estimate.held else "which misses the measured score"
        hidden = f"Estimated without its labels: {estimate.text()}, {held_score}."
        if says_nothing(estimate.low, estimate.high):
            hidden = "Without its labels, the interval would have been too wide to use."
        reasons = reasons.replace("any labelled", "any other labelled").replace("; labelled sites", "; other labelled sites")
        doubt = reasons and f"Without its labels, howfar would trust no estimate of {site}: {reasons}."
        return " ".join(filter(None, (said, failing, hidden, doubt)))
    if reasons:
        return f"{site}: no estimate can be trusted here. {reasons[:1].upper()}{reasons[1:]}. {failing}".rstrip()
    level = percentage_of(estimate.level)
    if says_nothing(estimate.low, estimate.high):
        wide = f"[{estimate.low:.2f}, {estimate.high:.2f}], {level}{_lost(home, estimate.high, 'at least ')}"
        narrow = f"Labels of this site, or of one more, would narrow it. {failing}".rstrip()
        return f"{site}: {performance_name} is not known yet ({wide}). {narrow}"
    how_often = f"; with their labels hidden, such intervals held {held[0]} of {held[1]} {kind}" if held[1] else ""
    lost = _lost(home, estimate.predicted) if home is not None and estimate.high < home[1] else ""
    sentences = [f"{site}: expected {performance_name} {estimate.text()} ({level}{how_often}){lost}."]
    if gate is not None and gate.unchecked():
        sentences.append(f"{gate.unchecked().capitalize()}.")
    return " ".join(filter(None, [*sentences, failing]))


def _lost(home: Home, score: float, about: str = "") -> str:
    if home is None or home[1] - score < LOST:
        return ""
    # The difference of the scores as printed.
    return f", {about}{round(home[1], 2) - round(score, 2):.2f} lower than on {home[0]}"


def failing_words(relation: Relation, site: str, task: type[Task]) -> str:
    """State which labelled images of a site fail, and which others are on the failure list, the worst `NAMED` by name."""
    images, tau = relation.images[relation.images["dataset"] == site], relation.settings.tau
    # An image with a mask but without foreground has no performance, and nothing to fail on.
    other = images["performance"].isna() & images["foreground"].isna()
    labelled = int(images["performance"].notna().sum())
    failed = images[images["performance"] < tau].sort_values(["performance", "image"], kind="stable")
    listed = relation.probable_failures(site).loc[lambda rows: other[rows.index]]
    row = next((row for row in relation.failures if row.dataset == site), None)
    sentences = []

    def named(rows: pd.DataFrame) -> str:
        more = f" and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
        return f"{', '.join(map(str, rows['image'].head(NAMED)))}{more}"

    if labelled:
        fail = task.failing(len(failed), tau).replace("probably ", "")
        order = ", the worst first" if failed["performance"].nunique() > 1 else ""
        sentences.append(
            f"{len(failed)} of {labelled} labelled images {fail}{order}{': ' if len(failed) else ''}{named(failed)}."
        )
    if row is None or not other.any():
        return " ".join(sentences)
    gate, count, rate = relation.gate(site), f"{len(listed)} of {int(other.sum())} images", percentage_of(row.error_rate)
    first = f", the most probable first: {named(listed)}"
    if gate is not None and gate.inside is False:
        on_list = f" ({count}{first})" if len(listed) else ", which is empty"
        sentences.append(f"Do not rely on its list of probable failures either{on_list}.")
    elif len(listed):
        wrong, checked = relation.listed_wrongly()
        trust = f"; such lists were wrong about {wrong} of {checked} labelled images" if checked else ""
        trust += f", more than the stated {rate}" if wrong > row.error_rate * checked else ""
        sentences.append(f"{count} {task.failing(len(listed), tau)}{first}{trust}.")
    else:
        fail = task.failing(2, tau)
        sentences.append(f"Which images {fail} is not known: no list can be given with at most {rate} of it wrong.")
    return " ".join(sentences)


def basis_note(basis: Basis, corrupted: int, primary: str, blank: Iterable[str] = ()) -> str:
    """Warn that estimates rest on corrupted versions of the primary's images; return "" if they rest on labelled sites."""
    if basis != "corrupted":
        return ""
    none = "No site is labelled" + "".join(f" but {name}, without foreground" for name in blank)
    return (
        f"{none}: estimates are learnt from {corrupted} corrupted versions of images of {primary}. They resemble each other, "
        "so intervals are less reliable for a real site. Label a site for better estimates."
    )


@dataclass(frozen=True)
class Enough:
    """Hold the mean score that is enough on a site: τ and, with `home` (the user set no τ), at most `DROP` below its score."""

    tau: float
    home: Home = None

    @property
    def score(self) -> float:
        """Return the lowest mean score that is enough."""
        return self.tau if self.home is None else max(self.tau, round(self.home[1] - DROP, 2))

    def words(self, performance_name: str) -> str:
        """State the minimum, where it comes from, and what sets another."""
        less = "" if self.home is None or self.score <= self.tau else f" ({DROP:g} below {self.home[0]})"
        image, option = "", "--tau sets another" if self.home else "set by --tau"
        if less and performance_name != PERFORMANCE_NAMES["classification"]:
            image, option = f" and {self.tau:g} for an image", "--tau sets one value for both"
        line = f"Minimum {performance_name}: {self.score:g} for a site{less}{image}; {option}."
        if self.home is None or self.home[1] >= self.score:
            return line
        return f"{line} {self.home[0]} itself is below it: check that predictions, labels and threshold belong together."

    def nothing(self, score: str) -> str:
        """Write the advice where a score, measured or expected, is enough."""
        return f"nothing now, as the {score} reaches the minimum, {self.score:g}. Assess again when new images come."


@dataclass(frozen=True)
class Commands:
    """Hold the parts of the command lines that an assessment recommends.

    `primary` and `sites` are dataset arguments, ``NAME=PATH``; `model` is "" where only maps are known, which lie in `maps`. A
    site's `predictions` follow ``--predictions`` if they are no folder of maps of its name. The options in `scored` measure the
    same performance, those in `read` feed the same network, and `chosen` are all others that differ from their defaults.
    """

    primary: str
    sites: dict[str, str]
    model: str
    maps: Path
    run: Path
    tiled: bool = False
    seed: int = 0
    scored: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    chosen: tuple[str, ...] = ()
    segmenter: str | None = None
    task: type[Task] = SegmentationTask
    predictions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def certify(self, site: str, *asked: str) -> str:
        """Build the command that measures a site by labels, with the options of the question."""
        maps = self.predictions.get(site, (str(self.maps / folder_of(site)),))
        return _command("certify", self.sites[site], "--predictions", *maps, *asked, *self.scored)

    def tile(self, site: str) -> str:
        """Build the command that predicts by tiles: a new assessment if there is a model, else this site's maps only."""
        if self.model:
            return self.assess(tiled=True, out=f"{self.run}-tiled")
        return _command("predict", "CKPT", self.sites[site], TILE_FLAG, "-o", f"{self.maps}-tiled/{folder_of(site)}")

    def select(self, site: str, count: int) -> str:
        """Build the command that chooses images of a site to label and train on."""
        seed = ("--seed", str(self.seed)) if self.seed else ()
        return _command("select", str(self.run), "--dataset", site, "-k", str(count), "--strategy", "random", *seed)

    def adapt(self, site: str) -> str:
        """Build the command that trains on a few labelled images of a site and measures the gain."""
        # Going on from the model at several scales did best of what was measured (docs/few-labels.md).
        training = ("--model", self.segmenter or UNKNOWN_NETWORK, "--way", "scale", "--shots", "0,3,7")
        return _command("adapt", self.primary, self.sites[site], *training, "--out", f"{self.run}-adapted-{folder_of(site)}")

    def check(self, site: str) -> str:
        """Build the command that assesses new images of a site together with the known, labelled sites."""
        return self.assess(f"{site}-new=NEW", tiled=self.tiled, out=f"{self.run}-new")

    def assess(self, *more: str, tiled: bool, out: str) -> str:
        """Build the command that assesses the sites and `more` into the folder `out`."""
        maps = ("--model", self.model, *self.read) if self.model else ("--predictions", str(self.maps))
        sites, flags = (*self.sites.values(), *more), (TILE_FLAG,) if tiled else ()
        return _command("assess", self.primary, *sites, *maps, *flags, *self.chosen, "--out", out)


def _command(*words: str) -> str:
    return shlex.join(("howfar", *words))


def next_of_blank(site: str, blank: BlankSite, commands: Commands) -> NextStep:
    """Choose the next step for a site without foreground: certify false alarms if some images lack a mask."""
    if blank.masked == blank.n:
        return NextStep(
            "check", "nothing now; F needs images with foreground. Assess again when new images come.", commands.check(site)
        )
    text = f"label {LABELS} randomly drawn images, to measure how often the model predicts foreground where there is none."
    return NextStep("certify", text, commands.certify(site, "-k", str(LABELS), "--metric", FALSE_ALARMS))


def next_step(
    site: str,
    estimate: SetEstimate | None,
    gate: Gate | None,
    enough: Enough,
    commands: Commands,
    images: int,
    by_tiles: SetEstimate | None = None,
) -> NextStep:
    """Choose the next step for a site.

    Outside the gate: predict by tiles if a check of sizes advises it, else certify by a few labels. Inside: label and train if
    the whole interval is low, certify if a part of it is low or it is wide, else nothing. A labelled site that scores low is
    trained on. `enough` says which scores are low. `by_tiles` is the estimate from, or the score of, the site's maps by tiles.
    """
    few, more_labels = min(LABELS, images), min(MORE, images)
    by = "" if commands.task.trained else " by your own code (howfar trains only segmenters)"
    outside = () if gate is None else gate.outside
    if outside and (estimate is None or estimate.measured is None):
        if not commands.tiled and any(TILE_FLAG in reading.remedy for reading in outside):
            more = any(TILE_FLAG not in reading.remedy for reading in outside)
            then = f"; where it lies outside still, label {few} (howfar certify)" if more else ""
            return NextStep("tile", f"predict by tiles, which costs no label, and assess again{then}.", commands.tile(site))
        text = (
            f"label {few} images. The command below draws them at random and says where labels go. When they are "
            "labelled, run it again: it prints the score, with an interval that is valid at any distance."
        )
        return NextStep("certify", f"{text} {commands.task.if_blank}".rstrip(), commands.certify(site, "-k", str(few)))
    if estimate is not None and by_tiles is not None and not commands.tiled:
        if estimate.measured is not None and by_tiles.measured is not None:
            before, score, at_most = estimate.measured, by_tiles.measured, by_tiles.measured
            better = f"{score:.2f} was measured by tiles, {before:.2f} whole"
        else:
            before, score, at_most = estimate.predicted, by_tiles.predicted, by_tiles.high
            better = f"{score:.2f} is expected, in place of {before:.2f}"
        if score - before >= GAIN:
            low = at_most < enough.score
            still = f"; that is still below {enough.score:g}, so training will be needed too" if low else ""
            return NextStep("tile", f"predict by tiles, which costs no label: {better}{still}.", commands.tile(site))
    measure = commands.certify(site, "-k", str(more_labels))
    if estimate is None:
        return NextStep("certify", f"label {more_labels} images drawn at random.", measure)
    if estimate.measured is not None:
        if estimate.measured >= enough.score:
            return NextStep("check", enough.nothing("score"), commands.check(site))
        text = f"train the model on some of the labelled images{by}, as the score is below {enough.score:g}"
        if commands.task.trained:
            return NextStep("adapt", f"{text}.", commands.adapt(site))
        # A trained model of another task is its owner's: what howfar can do is to draw the images.
        text = f"{text}; the command draws {few} images."
        return NextStep("label", text, commands.select(site, few))
    if estimate.high < enough.score:
        text = f"a score below {enough.score:g} is expected here: label {few} images and train on them{by}."
        return NextStep("label", text, commands.select(site, few))
    if says_nothing(estimate.low, estimate.high):
        return NextStep("certify", f"label {more_labels} images drawn at random to measure it.", measure)
    if estimate.predicted < enough.score:
        text = (
            f"the expected score is below {enough.score:g}: label randomly drawn images until they show whether "
            f"the model scores {enough.score:g} here; if it does not, train on them{by}."
        )
        until = f"{commands.task.performance_name} >= {enough.score:g}"
        return NextStep("certify", text, commands.certify(site, "--until", until))
    if estimate.high - estimate.low > WIDE:
        text = f"the interval is wide: label {more_labels} images drawn at random to measure it."
        return NextStep("certify", text, measure)
    return NextStep("check", enough.nothing("expected score"), commands.check(site))


class Answers:
    """Answer for each site of a relation, and list the labelled sets with their label-hidden estimates.

    `corrupted` are estimates of corrupted sets with the gate's reading; `tiled` are those from the sites' maps by tiles.
    """

    def __init__(
        self,
        relation: Relation,
        commands: Commands,
        parts: AssessmentScores,
        corrupted: Sequence[tuple[SetEstimate, bool | None]],
        tiled: Sequence[SetEstimate],
    ) -> None:
        self.relation, self.commands, self.parts, self.corrupted, self.tiled = relation, commands, parts, corrupted, tiled
        self.blank = blank_sites(parts.evaluations)
        self.scored = {evaluation.dataset: evaluation.scored for evaluation in parts.evaluations}
        self.basis: Basis = "sites" if any(self.scored.values()) else "corrupted"
        self.own = own_score(parts.own, parts.source)
        self.home: Home = None if self.own is None else (relation.primary, self.own.performance)
        self.enough = Enough(relation.settings.tau, None if TAU in commands.chosen else self.home)

    def site(self, name: str) -> SiteAnswer:
        """Return the answer for a site: estimate, interval, gate, probable failures and next step."""
        relation, blank, task = self.relation, self.blank.get(name), self.commands.task
        estimate, by_tiles = ({row.dataset: row for row in rows}.get(name) for rows in (relation.estimates, self.tiled))
        listed = {row.dataset: row for row in relation.failures}.get(name)
        images, gate = relation.images.loc[relation.images["dataset"] == name, "path"].tolist(), relation.gate(name)
        n, scored = len(images), self.scored.get(name, 0)
        # How many intervals of other labelled sets, by the same estimator, hold the measured mean, and how many there are.
        others = [row for row in relation.estimates if row.measured is not None and row.dataset != name]
        if self.basis == "corrupted":
            others = [row for row, _ in self.corrupted]
        known = [row for row in others if estimate is not None and row.estimator == estimate.estimator]
        known = [row for row in known if not says_nothing(row.low, row.high)]
        held = sum(row.held for row in known), len(known)

        if blank is not None:
            words, failing, following = blank.words(name), "", next_of_blank(name, blank, self.commands)
        else:
            alike = "corrupted sets, which promises less for a real site"
            kind = alike if self.basis == "corrupted" else "labelled sites"
            unit = counted_as(images)
            mean, failing = per(task.performance_name, unit), failing_words(relation, name, task)
            words = in_units(answer(name, estimate, gate, failing, held, kind, mean, (scored, n), self.home), unit, name)
            following = next_step(name, estimate, gate, self.enough, self.commands, n, by_tiles)
            following = replace(following, text=in_units(following.text, unit, name))
        # Paths below the working folder are relative, as the user types them.
        relative = re.sub(rf"(?<=[ =']){re.escape(str(Path.cwd()))}/", "", following.command)
        estimated: dict[str, Any] = {end: getattr(estimate, end, None) for end in ("estimator", "low", "high", "measured")}
        return SiteAnswer(
            dataset=name,
            n=n,
            **estimated,
            estimate=None if estimate is None else estimate.predicted,
            level=relation.settings.level if estimate is None else estimate.level,
            scored=scored,
            inside=None if gate is None else gate.inside,
            gate=gate,
            warning="" if gate is None else gate.warning(),
            listed=None if listed is None else listed.listed,
            listed_share=None if listed is None or not listed.n else listed.listed / listed.n,
            held=held[0],
            left_out=held[1],
            # The mean error of its estimator on labelled sets with hidden labels.
            error=next((row.mae_set for row in relation.judgements if row.estimator == estimated["estimator"]), None),
            answer=words,
            failing=failing,
            next=replace(following, command=relative),
            by_tiles=None if by_tiles is None else by_tiles.predicted if by_tiles.measured is None else by_tiles.measured,
            false_positive_share=None if blank is None else blank.false_positive_share,
        )

    def labelled(self) -> tuple[LabelledSet, ...]:
        """List the labelled sites and the corrupted sets, each with the estimate made while its labels were hidden."""
        rows: list[tuple[SetEstimate, Origin, bool | None]] = []
        for row in self.relation.estimates:
            gate = self.relation.gate(row.dataset)
            rows.append((row, "site", None if gate is None else gate.inside))
        rows += [(row, "corrupted", inside) for row, inside in self.corrupted]
        return tuple(
            LabelledSet(row.dataset, origin, row.n, row.measured, row.predicted, row.low, row.high, row.held, inside)
            for row, origin, inside in rows
            if row.measured is not None
        )
