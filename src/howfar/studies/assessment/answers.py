"""Gather from a relation what is known of each site, and what its labelled datasets say of how far that is to be believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from howfar.numbers import says_nothing
from howfar.results import Relation, SetEstimate
from howfar.results.assessment import Basis, LabelledSet, Origin, SiteAnswer
from howfar.studies.assessment.blank_sites import BlankSite
from howfar.studies.assessment.next_step import Commands, next_of_blank, next_step
from howfar.studies.assessment.words import answer

KINDS: Mapping[Basis, str] = {"sites": "labelled sites", "corrupted": "corrupted sets", "both": "labelled sites"}


@dataclass(frozen=True)
class Answers:
    """Answer for each site of a relation, and list the sets that were estimated with their labels hidden.

    `corrupted` are what was said of corrupted versions of the primary's images, with whether they lay inside the gate; `scored`
    counts the images of each site that have a performance; `blank` are the sites whose masks hold no foreground; `tiled` is
    what is expected of the sites' maps by tiles, where there are some.
    """

    relation: Relation
    commands: Commands
    basis: Basis
    corrupted: Sequence[tuple[SetEstimate, bool | None]]
    scored: Mapping[str, int]
    blank: Mapping[str, BlankSite] = field(default_factory=dict)
    tiled: Sequence[SetEstimate] = ()

    def site(self, name: str) -> SiteAnswer:
        """Gather estimate, interval, gate, probable failures and what to do about one site."""
        relation, tau = self.relation, self.relation.settings.tau
        estimate = next((row for row in relation.estimates if row.dataset == name), None)
        listed = next((row for row in relation.failures if row.dataset == name), None)
        gate = self.relation.gate(name)
        held, left_out = self.held(estimate, name)
        n = int((relation.images["dataset"] == name).sum())
        by_tiles = next((row for row in self.tiled if row.dataset == name), None)
        if name in self.blank:
            words, following = self.blank[name].words(name), next_of_blank(name, self.blank[name], self.commands)
        else:
            called = self.commands.task.performance_name
            measured = (self.scored.get(name, 0), n)
            words = answer(name, estimate, gate, listed, (held, left_out), tau, KINDS[self.basis], called, measured)
            following = next_step(name, estimate, gate, listed, tau, self.commands, n, by_tiles)
        return SiteAnswer(
            dataset=name,
            n=n,
            estimator=None if estimate is None else estimate.estimator,
            estimate=None if estimate is None else estimate.predicted,
            low=None if estimate is None else estimate.low,
            high=None if estimate is None else estimate.high,
            level=relation.settings.level if estimate is None else estimate.level,
            measured=None if estimate is None else estimate.measured,
            scored=self.scored.get(name, 0),
            inside=None if gate is None else gate.inside,
            gate=gate,
            warning="" if gate is None else gate.warning(),
            listed=None if listed is None else listed.listed,
            listed_share=None if listed is None or not listed.n else listed.listed / listed.n,
            held=held,
            left_out=left_out,
            error=self.error(estimate),
            answer=words,
            next=following,
            by_tiles=None if by_tiles is None else by_tiles.predicted if by_tiles.measured is None else by_tiles.measured,
            false_positive_share=self.blank[name].false_positive_share if name in self.blank else None,
        )

    def held(self, estimate: SetEstimate | None, name: str) -> tuple[int, int]:
        """Count the intervals by a site's estimator that held the truth of another labelled set, and how many there are."""
        others = [row for row in self.relation.estimates if row.measured is not None and row.dataset != name]
        if self.basis == "corrupted":
            others = [row for row, _ in self.corrupted]
        known = [row for row in others if not says_nothing(row.low, row.high)]
        rows = [row for row in known if estimate is not None and row.estimator == estimate.estimator]
        return sum(row.held for row in rows), len(rows)

    def error(self, estimate: SetEstimate | None) -> float | None:
        """Return the mean error of a site's estimator on labelled sets with their labels hidden; nothing was chosen by it."""
        used = None if estimate is None else estimate.estimator
        return next((row.mae_set for row in self.relation.judgements if row.estimator == used), None)

    def labelled(self) -> tuple[LabelledSet, ...]:
        """List the labelled sites and the corrupted sets, each estimated with its labels hidden."""
        sites = [row for row in self.relation.estimates if row.measured is not None]
        gates = {row.dataset: self.relation.gate(row.dataset) for row in sites}
        insides = [None if (gate := gates[row.dataset]) is None else gate.inside for row in sites]
        return (
            *(_labelled(row, "site", inside) for row, inside in zip(sites, insides, strict=True)),
            *(_labelled(row, "corrupted", inside) for row, inside in self.corrupted),
        )


def _labelled(row: SetEstimate, origin: Origin, inside: bool | None) -> LabelledSet:
    assert row.measured is not None  # for the type checker: these have labels
    return LabelledSet(
        dataset=row.dataset,
        origin=origin,
        n=row.n,
        measured=row.measured,
        estimate=row.predicted,
        low=row.low,
        high=row.high,
        held=row.held,
        inside=inside,
    )


def basis_of(labelled: int) -> Basis:
    """Say what estimates learn from: labelled sites where there are some, else corrupted sets.

    Examples
    --------
    >>> basis_of(4), basis_of(0)
    ('sites', 'corrupted')
    """
    return "sites" if labelled else "corrupted"
