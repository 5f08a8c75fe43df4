"""Say of a site whose masks hold no foreground, where F is undefined, how often the model predicts some there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from howfar.numbers import share
from howfar.results import Evaluation


@dataclass(frozen=True)
class BlankSite:
    """Hold what a site's masks say where none of them holds foreground.

    `n` images have maps, `masked` of them a mask; in `alarms` of these the model predicts foreground, and
    `false_positive_share` of their pixels are predicted.
    """

    n: int
    masked: int
    alarms: int
    false_positive_share: float

    @property
    def whole(self) -> bool:
        """Tell whether every image has a mask, so that nothing is left to be labelled."""
        return self.masked == self.n

    def words(self, site: str) -> str:
        """Put it in sentences that can be read alone.

        Examples
        --------
        >>> BlankSite(40, 40, 38, 0.176).words("walls")
        'walls: none of its 40 masks holds foreground: F is undefined. Some is predicted in 38 of them, in 18 % of the pixels.'
        """
        of = "its 1 mask" if self.masked == 1 else f"its {self.masked} masks"
        return (
            f"{site}: none of {of} holds foreground: F is undefined. Some is predicted in {self.alarms} of them, in "
            f"{share(self.false_positive_share)} of the pixels."
        )


def blank_site(evaluation: Evaluation) -> BlankSite | None:
    """Read what is known of a site without foreground; None of one that has some, of one without masks, and of other tasks."""
    if evaluation.task != "segmentation":
        return None
    true = evaluation.images["true"].to_numpy(dtype=np.float64)
    masked = np.isfinite(true)
    if not masked.any() or true[masked].any():
        return None
    predicted = evaluation.images["predicted_foreground"].to_numpy(dtype=np.float64)[masked]
    found = evaluation.scores["false_positive_share"]
    return BlankSite(len(true), int(masked.sum()), int((predicted > 0).sum()), 0.0 if found is None else found)


def blank_sites(evaluations: Iterable[Evaluation]) -> dict[str, BlankSite]:
    """Collect by name the sites whose masks hold no foreground."""
    found = ((evaluation.dataset, blank_site(evaluation)) for evaluation in evaluations)
    return {name: blank for name, blank in found if blank is not None}
