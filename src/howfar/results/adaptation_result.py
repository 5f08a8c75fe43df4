"""Hold the result of `howfar adapt`: models, scores, and the gain from training on a few labelled images of each new site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from howfar.formatting_and_escaping import format_number
from howfar.results.display_and_shared_records import Cells, Interval, matching, plain
from howfar.results.result import PART, RecordedResult, holding

if TYPE_CHECKING:
    import pandas as pd

BASELINE = "M"
ALL = "all"
F_OWN, F_ODS = "f", "f_ods"
"""F of an image at the model's own threshold, tuned on P's held-out photographs, and at the dataset's best, as the paper's."""
STRATA = ("seed", "model", "dataset", "part", "n", "ods", "ods_threshold", "f", "mean_f", "distance_mean", "distance_std")
SLOPES = ("seed", "model", "dataset", "measure", "n", "photographs", "slope", "low", "high")
CONTRIBUTIONS = ("shots", "source", "value", "low", "high")


def _no_rows(columns: tuple[str, ...]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(columns=list(columns))


@dataclass(frozen=True, eq=False, repr=False)
class Adaptation(RecordedResult):
    """Hold the models, scores and gains of an adaptation study (section 4.3, appendix C), made by `howfar.adapt`.

    Every table has the column segmenter, which the files of a single segmenter lack.

    Attributes
    ----------
    primary, secondaries, blind, background, segmenter, settings, provenance
        Names of the datasets, the segmenter's, what was chosen, what made it.
    models
        One row a model and seed: seed, model ("M", "far-3", "far-7-B3"), strategy, shots, background, weights, threshold (tuned
        on P's held-out photographs), held_out_ods (P's); before what a way does for each dataset by its unlabelled images.
    scores
        One row a model, seed and dataset: n (images that no model learnt from), ods, ods_threshold, f (of summed counts at the
        model's own threshold), mean_f (of the images' own at it), mean_f_ods (of the images' own at ods_threshold),
        false_positive_share (mean over images without foreground).
    images
        One row a model, seed and image: dataset, image, photograph, distance (scaled I^dist by that seed's M), f (at the
        model's own threshold), f_ods (at the dataset's ods_threshold, which looks at its labels, as in section 3.3 of the
        paper), false_positive_share (of images without foreground), path, mask, map (8-bit probabilities, below the study's
        folder).
        Blind images without masks, and the background images that were left out, have rows without f.
    picks
        One row a chosen image: seed, strategy, dataset, image, rank, distance, content.
    gains
        One row a model and dataset ("all": datasets alike): gain of mean_f over M, low and high of its 95 % interval over
        photographs and trainings, and where random was a strategy the same of the difference from random at as many shots
        (over_random, over_random_low, over_random_high); beats_random and below_random, whether the interval of that
        difference, at a level corrected for the number of strategies, lies above or below 0 (None with one seed).
    suppression
        One row a model with background and the one without: share of false positives on the background left out, change of
        it with low and high of its interval, cost: change of mean F of the secondaries with cost_low and cost_high.
    strata
        Tables 3-5 of the paper for every model. One row a seed, model, secondary dataset and part of it by distance ("0–50 %",
        "50–100 %", "0–33 %", "33–67 %", "67–100 %"): n, ods and ods_threshold (F at the threshold that is best for the part,
        the paper's), f (of the part's summed counts) and mean_f at the model's own threshold, distance_mean and distance_std of
        scaled I^dist by that seed's M. Studies that were written before this table have no rows.
    slopes
        One row a seed, model, secondary dataset and measure ("f" or "f_ods", a column of `images`): n images with an F of
        so many photographs, the slope of F on scaled distance, which is the change from the nearest image to the farthest, and
        low and high of its 95 % interval over photographs. Studies that were written before this table have no rows.
    contributions
        One row a number of shots and source, from one mixed model over sites, trainings and strategies: "adapting", whose value
        is the mean gain of all strategies, and what gains differ by ("sites", "M's training", "M's training by site",
        "choosing", "choosing by site", "training", "rest"), whose value is a standard deviation; low and high of the 95 %
        intervals. Without at least two sites, seeds and strategies, and in studies that were written before this table, no row.
    notes
        What a reader should know.
    sources
        The folder, table or container of each dataset that can be read again from there.
    """

    FORMAT: ClassVar = 2
    DOCUMENT: ClassVar = "adaptation.json"
    COMMAND: ClassVar = "adapt"
    SUBJECT: ClassVar = ": the adaptation"
    REPORT: ClassVar = "adaptation"

    primary: str
    secondaries: tuple[str, ...]
    blind: tuple[str, ...]
    background: str | None
    segmenter: str
    settings: Mapping[str, Any]
    models: pd.DataFrame = field(metadata=holding("model", "seed shots"))
    scores: pd.DataFrame = field(metadata=holding("model dataset", "seed n mean_f"))
    images: pd.DataFrame = field(metadata=holding("model dataset image", "seed f"))
    picks: pd.DataFrame = field(metadata=holding("strategy dataset image", "seed"))
    gains: pd.DataFrame = field(metadata=holding("model dataset", "gain low high"))
    suppression: pd.DataFrame = field(metadata=holding("model", "share"))
    sources: Mapping[str, str] = field(default_factory=dict)
    strata: pd.DataFrame = field(default_factory=partial(_no_rows, STRATA))
    slopes: pd.DataFrame = field(default_factory=partial(_no_rows, SLOPES))
    contributions: pd.DataFrame = field(default_factory=partial(_no_rows, CONTRIBUTIONS))

    def __post_init__(self) -> None:
        for name in self.TABLES:
            frame = getattr(self, name)
            columns = dict.fromkeys(["segmenter", *frame])
            object.__setattr__(self, name, frame.assign(segmenter=self.segmenter)[list(columns)])

    @property
    def architectures(self) -> Mapping[str, str]:
        """Return the registered segmenter by the name that stands in the tables."""
        return {self.segmenter: self.segmenter}

    @property
    def segmenters(self) -> tuple[str, ...]:
        """Return the segmenters' names in the tables, in the study's order."""
        return tuple(self.architectures)

    def alone(self, segmenter: str) -> Adaptation:
        """Return the study of one of the segmenters, called as in the tables."""
        own = {each.name: getattr(self, each.name) for each in fields(Adaptation)} | {"segmenter": segmenter}
        tables = {name: matching(own[name], segmenter=segmenter).reset_index(drop=True) for name in Adaptation.TABLES}
        return Adaptation(**own | tables)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document of ``howfar adapt --json`` and ``adaptation.json``, without the rows of images."""
        tables = {name: plain(frame) for name, frame in self._unnamed().items() if name != "images"}
        return self._json(**tables, verdict=self.verdict())

    def _frames(self) -> dict[str, pd.DataFrame]:
        return {self.TABLES[name]: frame for name, frame in self._unnamed().items()}

    def _unnamed(self) -> dict[str, pd.DataFrame]:
        return {name: getattr(self, name).drop(columns="segmenter") for name in self.TABLES}

    def table(self) -> Cells:
        """Return header and cells, one row per model: mean F of each dataset over the shared seeds, and the gain."""
        header, rows = self._cells()
        return header[1:], [row[1:] for row in rows]

    def _cells(self) -> Cells:
        datasets = [name for name in (*self.secondaries, *self.blind) if name in set(self.scores["dataset"])]
        shared = self.scores[~self.scores["seed"].isin(self.settings["random_seeds"])]
        mean = shared.groupby(["segmenter", "model", "dataset"])["mean_f"].mean()
        pooled = matching(self.gains, dataset=ALL).to_dict("records")
        gains = {(row["segmenter"], row["model"]): f"{Interval.of(row, 'gain', 'low', 'high'):+.3f}" for row in pooled}
        rows = []
        for key in self.scores[["segmenter", "model"]].drop_duplicates().itertuples(index=False, name=None):
            cells = [format_number(mean.get((*key, dataset)), 3) for dataset in datasets]
            rows.append((*map(str, key), *cells, gains.get(key, "–")))
        return ("segmenter", "model", *datasets, "gain over M [95 % CI]"), rows

    def caption(self) -> str:
        seeds = len(self.settings["seeds"])
        further = len(self.settings["random_seeds"])
        runs = f"{seeds} seed{'' if seeds == 1 else 's'}" + (f", {seeds + further} of random" if further else "")
        return f"mean F of images that no model learnt from: {self.segmenter} on {self.primary} and a few of each, {runs}"

    def verdict(self) -> str:
        """State for each number of shots whether a strategy beats random drawing; return "" if random was no strategy.

        A strategy beats random where the interval of their difference over all secondaries, at a level corrected for the number
        of strategies, lies above 0. With one seed that cannot be told.
        """
        pooled = self.gains[self.gains["dataset"] == ALL].merge(self.models.drop_duplicates("model"), on="model")
        judged = pooled[pooled["over_random"].notna() & (pooled["background"] == 0)]
        return " ".join(_judged(count, judged[judged["shots"] == count]) for count in sorted(set(judged["shots"].tolist())))

    def contributed(self) -> str:
        """State the gain of adapting, and its variation by strategy, training and dataset; return "" if unknown."""
        return " ".join(_contributed(int(str(count)), rows) for count, rows in self.contributions.groupby("shots"))

    def harmed(self) -> str:
        """Name the models that score lower than the unadapted one, with the interval below 0; return "" if none does."""
        worse = [row for row in self.gains.to_dict("records") if row["high"] < 0]
        named = (
            f"{row['model']} {'over all datasets' if row['dataset'] == ALL else 'on ' + str(row['dataset'])} "
            f"({Interval.of(row, 'gain', 'low', 'high'):+.3f})"
            for row in worse
        )
        return f"Adapting made these worse: {'; '.join(named)}. Keep the model M there." if worse else ""

    def findings(self) -> list[str]:
        """Return the verdict, the sources of variation in gains, and the models that adapting made worse."""
        return [*filter(None, [self.verdict(), self.contributed(), self.harmed()])]


@dataclass(frozen=True, eq=False, repr=False)
class Adaptations(Adaptation):
    """Hold the adaptation of the segmenters of a study file, in the same datasets and seeds, as one result (section 4.3).

    `segmenter` names all; settings and sources are those of the first. `studies` has the study of each, which is kept in a
    folder of its name below this result's.
    """

    FORMAT: ClassVar = 1
    DOCUMENT: ClassVar = "adaptations.json"
    TABLES: ClassVar = {}
    COMMAND: ClassVar = "study"
    REPORT: ClassVar = "section"
    SUBJECT: ClassVar = ": the adaptation of several segmenters"

    studies: Mapping[str, Adaptation] = field(default_factory=dict, metadata={PART: True})

    @classmethod
    def of(cls, studies: Mapping[str, Adaptation]) -> Self:
        """Stack the studies of several segmenters, by their names in the study file."""
        import pandas as pd

        every = [replace(study, segmenter=name) for name, study in studies.items()]
        shared = {each.name: getattr(every[0], each.name) for each in fields(Adaptation)}
        for table in Adaptation.TABLES:
            frames = [getattr(study, table) for study in every]
            shared[table] = pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)
        notes = tuple(f"{study.segmenter}: {note}" for study in every for note in study.notes)
        shared |= {"segmenter": ", ".join(studies), "provenance": every[-1].provenance, "notes": notes}
        return cls(**shared, studies=dict(studies))

    def __getitem__(self, segmenter: str) -> Adaptation:
        return self.studies[segmenter]

    @property
    def architectures(self) -> Mapping[str, str]:
        """Return the registered segmenter by its name in the study file."""
        return {name: study.segmenter for name, study in self.studies.items()}

    def runs(self) -> Mapping[str, Adaptation]:
        return self.studies

    def to_dict(self) -> dict[str, Any]:
        studies = {name: study.to_dict() for name, study in self.studies.items()}
        return {"format": self.FORMAT, **self._document(), "adaptations": studies}

    def _document(self) -> dict[str, Any]:
        return {"models": list(self.studies)}

    @classmethod
    def _read(cls, document: Mapping[str, Any], root: Path) -> Self:
        names = document["models"]
        if not (isinstance(names, list) and names and all(isinstance(name, str) for name in names)):
            raise TypeError("models: must name segmenters")
        return cls.of({name: Adaptation.load(root / name) for name in names})

    def table(self) -> Cells:
        return self._cells()

    def findings(self) -> list[str]:
        alone = {name: self.alone(name) for name in self.segmenters}
        return [f"{name}: {said}" for name, study in alone.items() for said in (study.verdict(), study.harmed()) if said]


def _judged(shots: int, rows: pd.DataFrame) -> str:
    """State whether a strategy beats random at one number of shots."""
    at = f"At {shots} image{'' if shots == 1 else 's'} of each dataset"
    if rows["beats_random"].isna().any():
        return f"{at} one seed does not tell whether {' or '.join(rows['strategy'])} beats random: take three or more."
    better = list(rows.loc[rows["beats_random"].astype(bool), "strategy"])
    worse = list(rows.loc[rows["below_random"].astype(bool), "strategy"])
    behind = f"; {', '.join(worse)} {'does' if len(worse) == 1 else 'do'} worse than random" if worse else ""
    if better:
        return f"{at} {', '.join(better)} beat{'s' if len(better) == 1 else ''} random{behind}."
    who = rows["strategy"].iloc[0] if len(rows) == 1 else f"any of {len(rows)} strategies"
    return f"{at} there is no evidence that {who} beats random{behind}."


def _contributed(shots: int, rows: pd.DataFrame) -> str:
    """State the gain of adapting with one number of shots, and its variation by source."""
    by = {str(row["source"]): row for row in rows.to_dict("records")}

    def written(source: str, form: str) -> str:
        return format(Interval.of(by[source], "value", "low", "high"), form)

    words = {"choosing": "strategies", "training": "trainings of the adapted model", "sites": "datasets"}
    parts = [f"{written(name, '.3f')} between {word}" for name, word in words.items() if name in by]
    image = f"{shots} image{'' if shots == 1 else 's'}"
    gained = written("adapting", "+.3f")
    return f"Adapting by {image} of each gains {gained} over strategies; standard deviations of gains: {', '.join(parts)}."
