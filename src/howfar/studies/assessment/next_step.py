"""Choose the one thing to do next about a site, and write the command that does it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from howfar.numbers import says_nothing
from howfar.results import Failures, SetEstimate
from howfar.results.assessment import NextStep
from howfar.results.gate import Gate
from howfar.studies.assessment.blank_sites import BlankSite
from howfar.studies.assessment.maps import folder_of
from howfar.studies.assessment.tasks import SEGMENTATION, Task
from howfar.studies.certification.measures import FALSE_ALARMS

LABELS, MORE = 8, 16
WIDE = 0.2
"""An interval longer than this says too little to act on."""
GAIN = 0.02
"""From this gain on tiles are advised: ten larger true changes on cracks all had the expected sign (benchmarks/answer.py)."""
TILE_FLAG = "--tile"
SHOTS = "0,3,7"


@dataclass(frozen=True)
class Commands:
    """Hold what command lines are made of, as somebody would type it.

    Attributes
    ----------
    primary
        The primary dataset's argument, ``NAME=PATH``.
    sites
        That of each site by its name.
    model
        The model's file, "" where only maps are known.
    maps
        The folder that holds a folder of maps for each dataset.
    run
        The run folder.
    tiled
        Whether maps were predicted by tiles.
    seed
        The seed that images are drawn with.
    scored
        Options by which performance is measured, so that another command measures the same: threshold, tolerance.
    read
        Options by which a foreign network is fed and read.
    chosen
        The further options of the assessment that differ from their defaults, backbone and store among them.
    segmenter
        The architecture of the model, where it is a checkpoint of howfar train.
    task
        The model's task.
    predictions
        By site, what follows ``--predictions`` on a command line where that is no folder of maps of the site's name.
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
    segmenter: str = "unetplusplus"
    task: Task = SEGMENTATION
    predictions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def certify(self, site: str, count: int) -> str:
        """Write the command that measures a site by a few labels."""
        return self._certify(site, "-k", str(count))

    def certify_blank(self, site: str, count: int) -> str:
        """Write the command that measures by a few labels how often foreground is predicted where there is none."""
        return self._certify(site, "-k", str(count), "--metric", FALSE_ALARMS)

    def settle(self, site: str, tau: float) -> str:
        """Write the command that asks for labels until it is settled whether a site's performance is at least `tau`."""
        return self._certify(site, "--until", f"{self.task.performance_name} >= {tau:g}")

    def _certify(self, site: str, *asked: str) -> str:
        maps = self.predictions.get(site, (str(self.maps / folder_of(site)),))
        return _command("howfar", "certify", self.sites[site], "--predictions", *maps, *asked, *self.scored)

    def tile(self, site: str) -> str:
        """Write the command that predicts by tiles: everything again with a model, else this site's maps."""
        if self.model:
            again = (self.primary, *self.sites.values(), "--model", self.model, *self.read, TILE_FLAG, *self.chosen)
            return _command("howfar", "assess", *again, "--out", f"{self.run}-tiled")
        return _command("howfar", "predict", "CKPT", self.sites[site], TILE_FLAG, "-o", f"{self.maps}-tiled/{folder_of(site)}")

    def select(self, site: str, count: int) -> str:
        """Write the command that chooses images of a site to label and train on."""
        chosen = ["--dataset", site, "-k", str(count), "--strategy", "random"]
        chosen += ["--seed", str(self.seed)] if self.seed else []
        return _command("howfar", "select", str(self.run), *chosen)

    def adapt(self, site: str) -> str:
        """Write the command that trains on a few labelled images of a site and measures what that is worth."""
        # Going on from the model at several scales did best of what was measured (docs/few-labels.md).
        chosen = (
            "--model",
            self.segmenter,
            "--way",
            "scale",
            "--shots",
            SHOTS,
            "--out",
            f"{self.run}-adapted-{folder_of(site)}",
        )
        return _command("howfar", "adapt", self.primary, self.sites[site], *chosen)

    def check(self, site: str) -> str:
        """Write the command that compares new images of a site with what is known now."""
        maps = ("--predictions", str(self.maps)) if not self.model else ("--model", self.model, *self.read)
        # Without the other sites there would be nothing labelled to learn from.
        again = (self.primary, *self.sites.values(), f"{site}-new=NEW", *maps)
        tiled = (TILE_FLAG,) if self.tiled else ()
        return _command("howfar", "assess", *again, *tiled, *self.chosen, "--out", f"{self.run}-new")


def next_of_blank(site: str, blank: BlankSite, commands: Commands) -> NextStep:
    """Choose what to do about a site whose masks hold no foreground: certify false alarms where some images have no mask."""
    if blank.whole:
        return NextStep(
            "check", "nothing now; F takes images with foreground. Ask again when new images come.", commands.check(site)
        )
    text = f"label {LABELS} images drawn at random, which say how often foreground is predicted where there is none."
    return NextStep("certify", text, commands.certify_blank(site, LABELS))


def next_step(
    site: str,
    estimate: SetEstimate | None,
    gate: Gate | None,
    listed: Failures | None,
    tau: float,
    commands: Commands,
    images: int,
    by_tiles: SetEstimate | None = None,
) -> NextStep:
    """Choose what to do about a site.

    Outside the gate: predict by tiles where a check of sizes says so and that was not done, else certify by a few labels.
    Inside: label some images and train on them where the whole interval is low, certify where only a part of it is or it is
    wide, else nothing.
    A labelled site is trained on where the measured performance is low, else left as it is.

    Parameters
    ----------
    site
        Its name.
    estimate, gate, listed
        What is expected of it, the checks, and its list of probable failures; None where there is none.
    tau
        Performance below which it is low.
    commands
        What the command line is made of.
    images
        How many images the site has: no more labels are asked for.
    by_tiles
        What is expected of the site's maps by tiles, or was measured on them; None where there are none.
    """
    few, more_labels = min(LABELS, images), min(MORE, images)
    outside = () if gate is None else gate.outside
    measured = None if estimate is None else estimate.measured
    if measured is None and outside:
        if not commands.tiled and any(TILE_FLAG in reading.remedy for reading in outside):
            more = any(TILE_FLAG not in reading.remedy for reading in outside)
            then = f"; where it lies outside still, label {few} (howfar certify)" if more else ""
            return NextStep("tile", f"predict by tiles, which costs no label, and assess again{then}.", commands.tile(site))
        return NextStep(
            "certify",
            f"label {few} images drawn at random: what they say holds whatever the shift. {commands.task.if_blank}".rstrip(),
            commands.certify(site, few),
        )
    better = _better_by_tiles(estimate, by_tiles)
    if better and not commands.tiled:
        return NextStep("tile", f"predict by tiles, which costs no label: {better}.", commands.tile(site))
    if estimate is None:
        return NextStep("certify", f"label {more_labels} images drawn at random.", commands.certify(site, more_labels))
    if measured is not None and measured < tau:
        text, command = f"the model scores below {tau:g} here: train on a few of its labelled images", commands.adapt(site)
        if not commands.task.trained:
            # A trained model of another task is its owner's: what howfar can do is to draw the images.
            text = f"{text} by your own code (howfar trains segmenters alone); the command draws {few}"
            command = commands.select(site, few)
        return NextStep("adapt", f"{text}.", command)
    if measured is None and estimate.high < tau:
        below = "" if listed is None or not listed.listed else f" ({listed.listed} probable failures are in the report)"
        text = f"a score below {tau:g} is expected here: label {few} images and train on them{below}."
        return NextStep("label", text, commands.select(site, few))
    if measured is None and says_nothing(estimate.low, estimate.high):
        text = f"label {more_labels} images drawn at random to measure it."
        return NextStep("certify", text, commands.certify(site, more_labels))
    if measured is None and estimate.predicted < tau:
        text = (
            f"whether the model reaches {tau:g} here is open: label images drawn at random until it is settled; where it does "
            "not, train on them."
        )
        return NextStep("certify", text, commands.settle(site, tau))
    if measured is None and estimate.high - estimate.low > WIDE:
        text = f"the interval is wide: label {more_labels} images drawn at random to measure it."
        return NextStep("certify", text, commands.certify(site, more_labels))
    return NextStep(
        "check",
        f"nothing now, as nothing says that it scores below {tau:g}; ask again when new images come.",
        commands.check(site),
    )


def _better_by_tiles(whole: SetEstimate | None, tiled: SetEstimate | None) -> str:
    """Say what maps by tiles are expected to score, or scored, in place of those of whole images; "" where that is no more."""
    if whole is None or tiled is None:
        return ""
    if whole.measured is not None and tiled.measured is not None:
        gained = tiled.measured - whole.measured
        return f"{tiled.measured:.2f} was measured by tiles, {whole.measured:.2f} whole" if gained >= GAIN else ""
    gained = tiled.predicted - whole.predicted
    return f"{tiled.predicted:.2f} is expected, in place of {whole.predicted:.2f}" if gained >= GAIN else ""


def _command(*words: str) -> str:
    return " ".join(shlex.quote(word) for word in words)
