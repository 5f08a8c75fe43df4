"""Hold the study of the pool of models, which says which of several models suits which wish, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Literal, TypeAlias

from howfar.results.records import Provenance
from howfar.results.result import Result
from howfar.results.tables import Cells

if TYPE_CHECKING:
    import pandas as pd

Wish: TypeAlias = Literal["precision", "recall", "few labels", "stable", "fast"]
WISHES: Final[tuple[Wish, ...]] = ("precision", "recall", "few labels", "stable", "fast")
WEIGHTED: Final = "weighted"
"""The name of the ranking by all wishes at once."""
SECONDS: Final = "seconds_per_image"
ALL: Final = "all"


@dataclass(frozen=True, eq=False, repr=False)
class Pool(Result):
    """Hold models × secondary datasets with their scores, costs and rankings (contribution d and section 6 of the paper).

    F, precision and recall are taken at each training's own threshold, tuned on P's held-out photographs, or 0.5 where none
    were held out; ODS at the dataset's best, as in section 3.3 of the paper. Where several seeds were trained, values are means
    over them.

    Attributes
    ----------
    of, strategy
        The study of adaptation, and the strategy whose models are compared.
    primary, secondaries, blind
        Names of the datasets; of the blind ones those with masks.
    models, shots, seeds
        The models' names, how many images of each secondary they learnt from, ascending from 0, and the seeds.
    wishes, weights
        The wishes that are answered, in their order; their weights, empty where none were given.
    level, flat
        The mean F that counts as reached; the change of F over a dataset's distances that counts as none.
    bootstrap
        How many draws the intervals are made of.
    tuned
        Whether the trainings' thresholds were tuned on photographs of P that were held out.
    hardware
        What seconds were measured on: processor, cores, threads, device.
    scores
        One row a model, number of shots and dataset: n (images with a mask that all models were scored on), photographs,
        left_out (images that some model was not scored on), ods, mean_f, mean_f_low, mean_f_high, mean_f_ods (mean F of the
        images at the ODS threshold), precision, recall, and lean = precision − recall, each with _low and _high of its 95 %
        interval; seeds_std (standard deviation of mean_f over seeds, NaN for one); slope, slope_low, slope_high (of F on
        scaled distance, from the study of adaptation, ends averaged over seeds; NaN for blind datasets) and verdict: falls,
        rises, consistent or none.
    labels
        One row a model and dataset ("all": the mean over secondaries): until, the fewest shots tried at which mean F reaches
        the level (NaN where none does), gain of mean F at the fewest shots above 0, gain_low, gain_high.
    spreads
        One row a model and number of shots: mean (of mean F over the secondary datasets), lowest, lowest_dataset, highest,
        sets_std (standard deviation over datasets), seeds_std (of the mean over seeds, NaN for one).
    distances
        One row a model and secondary: o_dist_mean, o_dist_scaled and relative, by the features of the first seed's M.
    costs
        One row a model: segmenter, size of its input, parameters, trained (those that training changes).
    timings
        One row a model, image and round: seconds_per_image, one image at a time. They differ from run to run.
    rankings
        One row a wish and model: value with low and high of its 95 % interval (precision, recall, shots until the level,
        lowest mean F of M); rank, rank_low, rank_high; first, the share of draws in which it is first; over, the difference
        from the best of the other models, over_low, over_high (NaN for few labels).
    timed_rankings
        The same for the wish fast (seconds an image), and for "weighted" where weights were given. They depend on the timings,
        so that they may differ from run to run.
    """

    DOCUMENT: ClassVar = "pool.json"
    TABLES: ClassVar = {
        name: f"{name}.parquet"
        for name in ("scores", "labels", "spreads", "distances", "costs", "timings", "rankings", "timed_rankings")
    }
    TIMED: ClassVar = ("hardware", "timings", "timed_rankings")
    COMMAND: ClassVar = "study"
    MISSING: ClassVar = "name a folder that howfar study wrote"
    SUBJECT: ClassVar = ": the study of the pool"
    FIGURES: ClassVar = "pool_figures"
    REPORT: ClassVar = "section"

    of: str
    strategy: str
    primary: str
    secondaries: tuple[str, ...]
    blind: tuple[str, ...]
    models: tuple[str, ...]
    shots: tuple[int, ...]
    seeds: tuple[int, ...]
    wishes: tuple[str, ...]
    weights: Mapping[str, float]
    level: float
    flat: float
    bootstrap: int
    tuned: bool
    hardware: Mapping[str, str | int]
    scores: pd.DataFrame
    labels: pd.DataFrame
    spreads: pd.DataFrame
    distances: pd.DataFrame
    costs: pd.DataFrame
    timings: pd.DataFrame
    rankings: pd.DataFrame
    timed_rankings: pd.DataFrame
    provenance: Provenance
    notes: tuple[str, ...] = ()

    @property
    def most(self) -> int:
        """Return the largest number of shots, with which precision and recall are compared."""
        return max(self.shots)

    @property
    def fewest(self) -> int:
        """Return the smallest number of shots above 0."""
        return min(count for count in self.shots if count)

    def ranking(self, wish: str) -> pd.DataFrame:
        """Return the rows of one wish's ranking, the best model first."""
        import pandas as pd

        rows = pd.concat([frame for frame in (self.rankings, self.timed_rankings) if len(frame)], ignore_index=True)
        return rows[rows["wish"] == wish].sort_values("rank", kind="stable").reset_index(drop=True)

    def answered(self) -> tuple[str, ...]:
        """List the rankings: one for each wish, and the weighted one where weights were given."""
        return (*self.wishes, WEIGHTED) if self.weights else self.wishes

    def table(self) -> Cells:
        """Return header and cells, a row a wish and model: rank with its interval, and the share of draws it leads."""
        rows: list[tuple[str, ...]] = []
        for wish in self.answered():
            for row in self.ranking(wish).to_dict("records"):
                span = f"{row['rank']:.0f} [{row['rank_low']:.0f}, {row['rank_high']:.0f}]"
                rows.append((wish, str(row["model"]), span, f"{100 * row['first']:.0f} %"))
        return ("wish", "model", "rank [95 %]", "first in"), rows

    def caption(self) -> str:
        """Say in one line what the table is about."""
        return f"which of {len(self.models)} models trained on {self.primary} suits which wish (section 6)"
