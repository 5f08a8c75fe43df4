"""Gather from a relation what is known of each site, and what its labelled datasets say of how far that is to be believed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from howfar.relation.model_selection import EVERY
from howfar.results import Relation, SetEstimate
from howfar.results.assessment import Basis, LabelledSet, SiteAnswer
from howfar.results.gate import Gate
from howfar.studies.assessment.blank_sites import BlankSite
from howfar.studies.assessment.next_step import Commands, next_of_blank, next_step
from howfar.studies.assessment.words import answer, says_nothing

KINDS: Mapping[Basis, str] = {"sites": "labelled sets", "corrupted": "corrupted sets", "both": "labelled and corrupted sets"}


@dataclass(frozen=True)
class Answers:
    """Answer for each site of a relation, whose other datasets are corrupted versions of the primary's images.

    `scored` counts the images of each site that have a performance; `blank` are the sites whose masks hold no foreground.
    """

    relation: Relation
    commands: Commands
    basis: Basis
    scored: Mapping[str, int]
    blank: Mapping[str, BlankSite] = field(default_factory=dict)

    def site(self, name: str) -> SiteAnswer:
        """Gather estimate, interval, gate, probable failures and what to do about one site."""
        relation, tau = self.relation, self.relation.settings.tau
        estimate = next((row for row in relation.estimates if row.dataset == name), None)
        listed = next((row for row in relation.failures if row.dataset == name), None)
        gate = self.gate(name)
        held, left_out = self.held(estimate, name)
        if name in self.blank:
            words, following = self.blank[name].words(name), next_of_blank(name, self.blank[name], self.commands)
        else:
            words = answer(name, estimate, gate, listed, (held, left_out), tau, KINDS[self.basis])
            following = next_step(name, estimate, gate, listed, tau, self.commands)
        return SiteAnswer(
            dataset=name,
            n=int((relation.images["dataset"] == name).sum()),
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
            false_positive_share=self.blank[name].false_positive_share if name in self.blank else None,
        )

    def gate(self, name: str) -> Gate | None:
        """Find a site's gate; where its maps are known to be of tiles, the size of its whole images does not matter."""
        gate = self.relation.gate(name)
        if gate is None or not self.commands.tiled:
            return gate
        return replace(gate, readings=tuple(reading for reading in gate.readings if reading.check != "size"))

    def held(self, estimate: SetEstimate | None, name: str) -> tuple[int, int]:
        """Count the intervals by a site's estimator that held the truth of another labelled dataset, and how many there are."""
        others = [row for row in self.relation.estimates if row.measured is not None and row.dataset != name]
        known = [row for row in others if not says_nothing(row)]
        rows = [row for row in known if estimate is not None and row.estimator == estimate.estimator]
        return sum(row.held for row in rows), len(rows)

    def error(self, estimate: SetEstimate | None) -> float | None:
        """Return the mean error of a site's estimator on datasets left out: where the best was taken, of choosing it."""
        relation = self.relation
        if estimate is None:
            return None
        chosen = next(
            (row.mae_set for row in relation.choices if row.among == EVERY and row.winner == estimate.estimator), None
        )
        judged = next((row.mae_set for row in relation.judgements if row.estimator == estimate.estimator), None)
        return judged if chosen is None else chosen

    def labelled(self, corrupted: Collection[str]) -> tuple[LabelledSet, ...]:
        """List the labelled datasets that were left out and estimated by the others."""
        return tuple(
            LabelledSet(
                dataset=row.dataset,
                origin="corrupted" if row.dataset in corrupted else "site",
                n=row.n,
                measured=row.measured,
                estimate=row.predicted,
                low=row.low,
                high=row.high,
                held=row.held,
                inside=None if (gate := self.gate(row.dataset)) is None else gate.inside,
            )
            for row in self.relation.estimates
            if row.measured is not None
        )


def basis_of(labelled: int, corrupted: Sequence[str]) -> Basis:
    """Say what estimates learnt from.

    Examples
    --------
    >>> basis_of(4, []), basis_of(0, ["roads·blur 3"]), basis_of(1, ["roads·blur 3"])
    ('sites', 'corrupted', 'both')
    """
    if not corrupted:
        return "sites"
    return "both" if labelled else "corrupted"
