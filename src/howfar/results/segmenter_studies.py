"""Hold results of the paper's studies of segmenters: F by distance, false positives, edges, choice from a pool, prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final

from howfar.formatting_and_escaping import format_number
from howfar.results.adaptation_result import ALL, F_ODS
from howfar.results.display_and_shared_records import Cells, Interval, Skipped, matching, plain
from howfar.results.result import RecordedResult, StudyResult, holding

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class PerformanceByDistance(StudyResult):
    """Hold the change of image F with distance, before and after adaptation (section 4.2).

    - `of`: The study of adaptation, by its name in the study file, whose folder lies beside this result's.
    - `segmenters`, `architectures`: The segmenters as the study file calls them, and what each of them is (unetplusplus,
      deepcrack, adsam).
    - `seeds`, `adapted`: Those of all models; the adapted model that the text is about, of the most shots by the first strategy
      but random.
    - `tau`, `flat`: The least mean F that counts as consistent, and the largest change over all distances that counts as none.
    - `strata`: `Adaptation.strata` of every segmenter, with its name in the column segmenter. Here and in slopes models that
      learnt from background are left out.
    - `slopes`: One row a segmenter, model, secondary ("all": pooled within secondaries) and measure ("f_ods", F at the
      dataset's best threshold as in the paper, or "f", F at the threshold tuned on P): n images of so many photographs, span
      (of scaled distances, from the nearest of them to the farthest; of "all" the datasets' mean), mean (of F), slope of F on
      scaled distance with low and high of its 95 % interval over photographs, lowest and highest of the seeds' own slopes (NaN
      for "all"), kind ("falls", "rises", "consistent", "none") and verdict (the same in a sentence), and change: this slope
      less that of M, with change_low and change_high. F and distance of an image are means over the seeds.
    """

    DOCUMENT: ClassVar = "performance.json"
    SUBJECT: ClassVar = ": the study of performance by distance"

    of: str
    primary: str
    secondaries: tuple[str, ...]
    segmenters: tuple[str, ...]
    architectures: tuple[str, ...]
    seeds: tuple[int, ...]
    adapted: str
    tau: float
    flat: float
    strata: pd.DataFrame
    slopes: pd.DataFrame = field(metadata=holding("segmenter model dataset measure kind", "slope low high"))

    def pooled(self, measure: str = F_ODS) -> pd.DataFrame:
        """Return one measure's rows over all secondaries; with a single secondary, its own rows."""
        name = ALL if len(self.secondaries) > 1 else self.secondaries[0]
        return matching(self.slopes, dataset=name, measure=measure)

    def table(self) -> Cells:
        rows: list[tuple[str, ...]] = []
        for row in self.pooled().to_dict("records"):
            slope = f"{Interval.of(row, 'slope', 'low', 'high'):+.3f}"
            rows.append((row["segmenter"], row["model"], format_number(row["mean"], 3), slope, row["kind"]))
        return ("segmenter", "model", "mean F", "slope [95 % CI]", "F by distance"), rows

    def caption(self) -> str:
        return f"slope of F on scaled distance from {self.primary}, within {', '.join(self.secondaries)}"


@dataclass(frozen=True, eq=False, repr=False)
class Suppression(StudyResult):
    """Hold the effect of learning from background images: M_B3 and M_B7 against the same model without (figs 13-17).

    `of`, `segmenters`, `architectures` and `seeds` are as in `PerformanceByDistance`.

    - `left`: How many background images no model learnt from: on these false positives are measured.
    - `shares`: One row a segmenter and model (M, the model with the most shots, those with background): share of pixels of the
      background left out that are taken for foreground, mean over images and seeds, with low and high of its 95 % interval over
      photographs and trainings (NaN for a single photograph), lowest and highest of the seeds.
    - `changes`: `Adaptation.suppression` of every segmenter, with its name in the column segmenter: change of the share from
      the model "of", and cost in mean F of the secondaries, with intervals.
    """

    DOCUMENT: ClassVar = "suppression.json"
    SUBJECT: ClassVar = ": the study of suppression"

    of: str
    primary: str
    secondaries: tuple[str, ...]
    background: str
    segmenters: tuple[str, ...]
    architectures: tuple[str, ...]
    seeds: tuple[int, ...]
    left: int
    shares: pd.DataFrame = field(metadata=holding("segmenter model", "share"))
    changes: pd.DataFrame = field(metadata=holding("segmenter model of", "change low high cost cost_low cost_high"))

    def table(self) -> Cells:
        changes = self.changes.set_index(["segmenter", "model"])
        rows: list[tuple[str, ...]] = []
        for row in self.shares.to_dict("records"):
            key = (row["segmenter"], row["model"])
            written = ("–", "–")
            if key in changes.index and changes.loc[key, "of"]:
                own = changes.loc[key]
                written = (f"{Interval.of(own, 'change', 'low', 'high'):+.4f}", f"{Interval.of(own, 'cost'):+.4f}")
            rows.append((*map(str, key), f"{row['share']:.4f}", *written))
        return ("segmenter", "model", "false positives", "change [95 % CI]", "change of mean F [95 % CI]"), rows

    def caption(self) -> str:
        return f"share of pixels of {self.background} taken for foreground, {self.left} images that no model learnt from"


@dataclass(frozen=True)
class ModelEdges:
    """Hold measures of one model's maps.

    `segmenter` is the registered one. `threshold` was tuned on the primary dataset's held-out photographs, and `held_out_ods`
    is ODS there, which says how well the model does what it was trained for; None where none were held out. `foreground` is the
    share of an image above the threshold, `probability` the mean one, `edges` the rank correlation of map and gradient: means
    over `n` images, of which `blank` have a map that is the same everywhere, and no correlation.
    """

    model: str
    segmenter: str
    threshold: float
    held_out_ods: float | None
    foreground: Interval
    probability: Interval
    edges: Interval
    n: int
    blank: int


@dataclass(frozen=True)
class EdgeDifference:
    """Hold the difference in edge-following between two models' maps of the same images."""

    model: str
    other: str
    edges: Interval


@dataclass(frozen=True, eq=False, repr=False)
class Edges(StudyResult):
    """Hold measures of trained models' maps on a dataset without foreground (fig. 2 of the paper).

    - `of`, `seed`: The study whose models M these are, and the seed that they were trained with.
    - `models`, `differences`: A record of each model, in the study's order; one of each two models.
    - `shown`: The images that the figure shows.
    - `images`: One row a model and image: model, image, path, map (8-bit probabilities, below the study's folder), foreground,
      probability and edges as in `ModelEdges`.
    """

    DOCUMENT: ClassVar = "edges.json"
    SUBJECT: ClassVar = ": the study of edges"

    dataset: str
    of: str
    seed: int
    models: tuple[ModelEdges, ...]
    differences: tuple[EdgeDifference, ...]
    shown: tuple[str, ...]
    images: pd.DataFrame = field(metadata=holding("model image path map", "foreground probability edges"))
    skipped: tuple[Skipped, ...] = ()

    def table(self) -> Cells:
        names = ("foreground", "probability", "edges")
        rows: list[tuple[str, ...]] = [
            (each.model, f"{each.threshold:.2f}", *(str(getattr(each, name)) for name in names)) for each in self.models
        ]
        return ("model", "threshold", "foreground", "mean probability", "follows edges"), rows

    def caption(self) -> str:
        return f"what M of {self.of} draws on {self.dataset}, means over {self.models[0].n} images [95 % interval] (fig. 2)"

    def footer(self) -> list[str]:
        return [*self.notes, *([f"{len(self.skipped)} files were skipped (.skipped)"] if self.skipped else [])]


WISHES: Final = ("precision", "recall", "few labels", "stable", "fast")
WEIGHTED: Final = "weighted"
"""The name of the ranking by all wishes at once."""
SECONDS: Final = "seconds_per_image"
ALL_SETS: Final = "all"


@dataclass(frozen=True, eq=False, repr=False)
class Pool(StudyResult):
    """Hold models × secondary datasets with their scores, costs and rankings (contribution d and section 6 of the paper).

    F, precision and recall are taken at each training's own threshold, tuned on P's held-out photographs, or 0.5 where none
    were held out; ODS at the dataset's best, as in section 3.3 of the paper. Where several seeds were trained, values are means
    over them.

    - `of`, `strategy`: The study of adaptation, and the strategy whose models are compared.
    - `primary`, `secondaries`, `blind`: Names of the datasets; of the blind ones those with masks.
    - `models`, `shots`, `seeds`: The models' names, how many images of each secondary they learnt from, ascending from 0, and
      the seeds.
    - `wishes`, `weights`: The wishes that are answered; their weights, empty where none were given.
    - `level`, `flat`, `floor`: The mean F that counts as reached; the change of F over a dataset's distances that counts as
      none; the mean F and precision below which no model is recommended.
    - `tuned`: Whether the trainings' thresholds were tuned on photographs of P that were held out.
    - `hardware`: What seconds were measured on: processor, cores, threads, device.
    - `scores`: One row a model, number of shots and dataset: n (images with a mask that all models were scored on),
      photographs, left_out (images that some model was not scored on), ods, mean_f, mean_f_low, mean_f_high, mean_f_ods (mean F
      of the images at the ODS threshold), chance (mean F of marking every pixel), precision, recall, and lean = precision −
      recall, each with _low and _high of its 95 % interval; seeds_std (standard deviation of mean_f over seeds, NaN for one);
      slope, slope_low, slope_high (of F on scaled distance, from the study of adaptation, ends averaged over seeds; NaN for
      blind datasets) and verdict: falls, rises, consistent or none.
    - `labels`: One row a model and dataset ("all": the mean over secondaries): until, the fewest shots tried at which mean F
      reaches the level (NaN where none does), gain of mean F at the fewest shots above 0, gain_low, gain_high.
    - `spreads`: One row a model and number of shots: mean (of mean F over the secondary datasets), lowest, lowest_dataset,
      highest, sets_std (standard deviation over datasets), seeds_std (of the mean over seeds, NaN for one).
    - `distances`: One row a model and secondary: o_dist_mean, o_dist_scaled and relative, by the features of the first seed's
      M.
    - `costs`: One row a model: segmenter, size of its input, parameters, trained (those that training changes).
    - `timings`: One row a model, image and round: seconds_per_image, one image at a time. They differ from run to run.
    - `rankings`: One row a wish and model: value with low and high of its 95 % interval (precision, recall, shots until the
      level, lowest mean F of M); rank, rank_low, rank_high; first, the share of draws in which it is first; over, the
      difference from the best of the other models, over_low, over_high (NaN for few labels).
    - `timed_rankings`: The same for the wish fast (seconds an image), and for "weighted" where weights were given. They depend
      on the timings, so that they may differ from run to run.
    """

    DOCUMENT: ClassVar = "pool.json"
    TIMED: ClassVar = ("hardware", "timings", "timed_rankings")
    SUBJECT: ClassVar = ": the study of the pool"

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
    floor: float = 0.1

    @property
    def most(self) -> int:
        """Return the largest number of shots, at which precision and recall are compared."""
        return max(self.shots)

    @property
    def fewest(self) -> int:
        """Return the smallest number of shots above 0."""
        return min(count for count in self.shots if count)

    def ranking(self, wish: str) -> pd.DataFrame:
        """Return the rows of a wish's ranking, best model first."""
        import pandas as pd

        rows = pd.concat([frame for frame in (self.rankings, self.timed_rankings) if len(frame)], ignore_index=True)
        return rows[rows["wish"] == wish].sort_values("rank", kind="stable").reset_index(drop=True)

    def answered(self) -> tuple[str, ...]:
        """List the rankings: one for each wish, and the weighted one if weights were given."""
        return (*self.wishes, WEIGHTED) if self.weights else self.wishes

    def table(self) -> Cells:
        rows: list[tuple[str, ...]] = []
        for wish in self.answered():
            for row in self.ranking(wish).to_dict("records"):
                span = f"{row['rank']:.0f} [{row['rank_low']:.0f}, {row['rank_high']:.0f}]"
                rows.append((wish, str(row["model"]), span, f"{100 * row['first']:.0f} %"))
        return ("wish", "model", "rank [95 %]", "first in"), rows

    def caption(self) -> str:
        return f"which of {len(self.models)} models trained on {self.primary} suits which wish (section 6)"


RANDOM_WEIGHTS: Final = "the networks have random weights: nothing here says what published ones do"
"""The note on a study whose networks were not trained."""


@dataclass(frozen=True, eq=False, repr=False)
class Prompting(RecordedResult):
    """Hold the scores of promptable networks, made by `howfar.prompts`.

    Attributes
    ----------
    datasets, prompts, settings, provenance
        Names of the datasets; labels of the prompts ("points", "box", "text: cracks on a road", "persam"); what was chosen;
        what made it.
    scores
        A row a prompt and dataset: n images; ods with ods_threshold, ois and ap over all thresholds; f of summed counts and
        mean_f of the images' own, both at 0.5, which is where SAM itself cuts.
    images
        A row a prompt and image: dataset, image, path, mask, map (below the study's folder), f, and told: a JSON text with
        points, labels, box and text.
    skipped, notes
        Images that could not be read; what a reader should know.
    """

    DOCUMENT: ClassVar = "prompting.json"
    TABLES: ClassVar = {"images": "prompting.parquet"}
    COMMAND: ClassVar = "prompts"
    SUBJECT: ClassVar = ": the study of prompts"
    REPORT: ClassVar = "prompting"

    datasets: tuple[str, ...]
    prompts: tuple[str, ...]
    settings: Mapping[str, Any]
    scores: pd.DataFrame
    images: pd.DataFrame = field(metadata=holding("prompt dataset image", "f"))
    skipped: tuple[Skipped, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document of ``howfar prompts --json``, without the rows of images."""
        return self._json(scores=plain(self.scores))

    @classmethod
    def _values(cls, document: Mapping[str, Any]) -> dict[str, Any]:
        import pandas as pd

        values, rows = super()._values(document), document["scores"]
        if not all(isinstance(row["prompt"], str) and isinstance(row["dataset"], str) for row in rows):
            raise TypeError("scores: prompt and dataset must be texts")
        told = {(row["prompt"], row["dataset"]) for row in rows}
        if not told >= {(prompt, dataset) for prompt in document["prompts"] for dataset in document["datasets"]}:
            raise ValueError("scores: a prompt lacks a dataset")
        scores = pd.DataFrame(rows)
        numbers = [name for name in scores if name not in ("prompt", "dataset", "n")]
        return {**values, "scores": scores.astype(dict.fromkeys(numbers, float))}

    def table(self) -> Cells:
        """Return header and cells, one row per prompt: ODS of each dataset, and mean F at 0.5 in brackets."""
        cells = {
            (row["prompt"], row["dataset"]): f"{format_number(row['ods'], 3)} ({format_number(row['mean_f'], 3)})"
            for row in self.scores.to_dict("records")
        }
        return ("prompt", *self.datasets), [
            (name, *(cells[name, dataset] for dataset in self.datasets)) for name in self.prompts
        ]

    def caption(self) -> str:
        return "ODS (mean F at 0.5) of prompted networks that were trained on none of these images"
