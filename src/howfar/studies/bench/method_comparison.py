"""Run score-estimation methods on stored tables of per-image signals, and compare estimates with true scores (`howfar bench`).

A method is a Python file that defines at least one of four functions. Each is called for one site of an entry at a time.

``estimator(labelled, site)``
    Returns the expected performance of the site's m images, (m,), or a mapping of ``images`` (m,) and, where it has them,
    ``mean``, ``low`` and ``high`` (of the site's mean, with a 90 % interval), ``images_low`` and ``images_high`` (m,). None: no
    answer for this site.
``gate(labelled, site)``
    Returns whether estimates of the site may be believed.
``selector(labelled, site)``
    Returns a score of each image, (m,), the higher the better its map; None: no answer.
``certificate(proxy, k, ask, seed)``
    Chooses at most k of m images, gets their performance from ``ask(indices)``, and returns the value, the low and the high end
    of a 90 % interval of the mean over all m. ``proxy`` (m,) is what the file's estimator says, else what `signals` says.

``labelled`` is a `pandas.DataFrame` of the images with a known performance, a row each: ``dataset``, ``role`` ("site", "home"
or "corrupted"), ``image``, ``performance``, and the entry's columns of signals. ``site`` has ``image`` and these columns.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd
from scipy.special import ndtri

from howfar import registry
from howfar.arrays import Float64Array, as_row
from howfar.data.untrusted_documents_and_tables import check_separator, readable
from howfar.errors import InputError, MissingPathError, UnknownNameError, one_line
from howfar.io.untrusted_parquet import read_frame
from howfar.progress import doing
from howfar.relation import gate as gates
from howfar.relation.calibrated_estimator import KnownFits, calibrate
from howfar.relation.labelled_images import HISTOGRAM, VALUES, LabelledImages
from howfar.relation.leave_one_dataset_out import aurc
from howfar.relation.site_judge import Evidence, Terms, judge_of
from howfar.results.display_and_shared_records import plain
from howfar.sampling import draw, mean
from howfar.significance.bootstrap import student
from howfar.significance.hypothesis_tests import quantile
from howfar.studies.assessment.site_answers import GAIN
from howfar.studies.performance.image_performance import evaluations_of

Ask: TypeAlias = Callable[[Any], Float64Array]
LEVEL: Final = 0.9
TERMS: Final = Terms(tau=0.5, level=LEVEL, error_rate=0.2)
KNOWN: Final = KnownFits()
FAR: Final = 0.99
"""Share of the labelled sites' images that are nearer than what `distance_atc` counts as failing."""


def columns_of(images: pd.DataFrame) -> dict[str, Any]:
    """Return the signals of images as `howfar.relation` reads them; a histogram becomes (m, 256)."""
    numbers = images.drop(columns="performance", errors="ignore").select_dtypes("number")
    columns: dict[str, Any] = {str(name): values.to_numpy(dtype=np.float64) for name, values in numbers.items()}
    if HISTOGRAM in images:
        blank = np.full(VALUES, np.nan)
        columns[HISTOGRAM] = np.array([blank if row is None else row for row in images[HISTOGRAM]], dtype=np.float64)
    return columns


def registered(name: str) -> Callable[[pd.DataFrame, pd.DataFrame], Any]:
    """Make a method's function of a registered estimator, with its calibrated intervals."""

    def estimator(labelled: pd.DataFrame, site: pd.DataFrame) -> Any:
        known = labelled[labelled["role"] != "corrupted"]
        home = next(iter(known.loc[known["role"] == "home", "dataset"]), None)
        try:
            fitted = calibrate(name, columns_of(known), known["performance"], known["dataset"], level=LEVEL, home=home)
        except InputError:
            return None
        images, low, high = fitted.predict(columns_of(site))
        if not np.isfinite(images).all():
            return None
        whole, ends = fitted.of_estimates(images, ""), {"images_low": low, "images_high": high}
        answer = {"images": images, "mean": whole.predicted, "low": whole.low, "high": whole.high}
        return answer | (ends if np.isfinite(low).all() else {})

    return estimator


def evidence(labelled: pd.DataFrame) -> Evidence:
    """Collect the labelled images as an assessment does."""

    def images(rows: pd.DataFrame) -> LabelledImages:
        photographs = (rows["dataset"] + "/" + rows["image"]).to_numpy(dtype=str)
        return LabelledImages(
            columns_of(rows), rows["performance"].to_numpy(), rows["dataset"].to_numpy(dtype=str), photographs
        )

    of_home = labelled["role"] == "home"
    own, others = images(labelled[of_home]), images(labelled[~of_home])
    return Evidence.of(others, own if len(own.sets) else None, str(own.sets[0]) if len(own.sets) else "")


def judged(labelled: pd.DataFrame, site: pd.DataFrame) -> dict[str, Any] | None:
    """Estimate scores as `howfar assess` does: judge the site by the labels of the others."""
    judge = judge_of(evidence(labelled), TERMS, "performance", None, known=KNOWN, rivals=False)
    said = judge.site("site", columns_of(site))
    if said.estimate is None:
        return None
    ends = {} if np.isnan(said.low).any() else {"images_low": said.low, "images_high": said.high}
    whole = {"mean": said.estimate.predicted, "low": said.estimate.low, "high": said.estimate.high}
    return {"images": said.predicted, **whole, **ends}


def inside(labelled: pd.DataFrame, site: pd.DataFrame) -> bool:
    """Say by the gate of `howfar assess` whether the site lies in the range of the labelled ones."""
    return evidence(labelled).gate().read("site", gates.values_of(columns_of(site))).inside is not False


def certified(proxy: Float64Array, k: int, ask: Ask, seed: int) -> tuple[float, float, float]:
    """Draw k images in strata of the predicted performance, as `howfar certify` does."""
    sample = draw(proxy, k, seed=seed)
    found = mean(ask(sample.indices), proxy, sample)
    return found.value, found.low, found.high


def distance_atc(labelled: pd.DataFrame, site: pd.DataFrame) -> Float64Array | None:
    """Estimate scores by average thresholded confidence (ATC), 0 for images that are too far from the primary dataset.

    Source: Roschewitz & Glocker, "Distance matters for improving performance estimation under covariate shift" (ICCV workshops
    2023), https://arxiv.org/abs/2308.07223. There the cut is of distances of the primary's own images, which entries lack: here
    of the labelled sites' images.
    """
    said, known = registered("atc")(labelled, site), labelled.loc[labelled["role"] == "site", "knn"].dropna()
    if said is None or not len(known):
        return None
    return np.where(site["knn"] > np.quantile(known, FAR), 0.0, said["images"])


def conformal_rca(labelled: pd.DataFrame, site: pd.DataFrame) -> dict[str, Any] | None:
    """Estimate each image's score by reverse classification accuracy (RCA), with a split-conformal interval.

    Half-widths are from the accuracies' errors on labelled images. Source: Cosarinsky et al., "Conformal in-context reverse
    classification accuracy" (2025), https://arxiv.org/abs/2503.04522, which segments by a pretrained in-context model. The
    entries' column `rca` is of a random forest on pixels, as reverse classification accuracy first was (Valindria et al., IEEE
    Trans. Med. Imaging 36, 2017).
    """
    if "rca" not in site or site["rca"].isna().any():
        return None
    known = labelled.dropna(subset="rca")
    half = quantile((known["rca"] - known["performance"]).abs(), 0.9)
    images = site["rca"].to_numpy(dtype=float)
    return {"images": images, "images_low": np.clip(images - half, 0, 1), "images_high": np.clip(images + half, 0, 1)}


def pairwise_dice(labelled: pd.DataFrame, site: pd.DataFrame) -> Float64Array | None:
    """Rank images by how probably a model fails: by the Dice score between maps of models trained with different seeds.

    Source: Zenk et al., "Comparative benchmarking of failure detection methods in medical image segmentation" (Medical Image
    Analysis 2025), https://arxiv.org/abs/2406.03323. Entries with a single seed have none.
    """
    if "pairwise_dice" not in site or site["pairwise_dice"].isna().any():
        return None
    return site["pairwise_dice"].to_numpy(dtype=float)


def s_otdd(labelled: pd.DataFrame, site: pd.DataFrame) -> Float64Array | None:
    """Estimate a site's mean score from s-OTDD, a distance between labelled datasets, by a straight line.

    The line is fitted to the labelled sites' mean scores over their distances. Source: Nguyen, Nguyen, Pham & Ho, "Lightspeed
    geometric dataset distance via sliced optimal transport" (ICML 2025), https://arxiv.org/abs/2501.18901.
    """
    if "s_otdd" not in site or site["s_otdd"].isna().any():
        return None
    means = labelled[labelled["role"] == "site"].groupby("dataset")[["s_otdd", "performance"]].mean().dropna()
    if len(means) < 2:
        return None
    slope, start = np.polyfit(means["s_otdd"], means["performance"], 1)
    line: Float64Array = start + slope * site["s_otdd"].to_numpy(dtype=np.float64)
    return np.clip(line, 0.0, 1.0)


def ppi(proxy: Float64Array, k: int, ask: Ask, seed: int) -> tuple[float, float, float]:
    """Estimate a mean score from a simple random sample by PPI++ (prediction-powered inference), with a normal interval.

    The labels' mean is corrected by the difference between the mean prediction of all images and of the sample. Source:
    Angelopoulos, Duchi & Zrnic, "PPI++: efficient prediction-powered inference" (2023), https://arxiv.org/abs/2311.01453,
    example 6.1 of a mean.
    """
    chosen = np.random.default_rng(seed).choice(len(proxy), k, replace=False)
    y, p = ask(chosen), proxy[chosen]
    weight = 0.0 if p.var() == 0 else float(np.clip(np.cov(y, p)[0, 1] / ((1 + k / len(proxy)) * proxy.var(ddof=1)), 0, 1))
    value = float(y.mean() + weight * (proxy.mean() - p.mean()))
    variance = (y - weight * p).var(ddof=1) / k + weight**2 * proxy.var(ddof=1) / len(proxy)
    half = float(ndtri(0.95) * np.sqrt(variance))
    return value, value - half, value + half


def ssepy(proxy: Float64Array, k: int, ask: Ask, seed: int) -> tuple[float, float, float]:
    """Estimate a mean score from a sample stratified by prediction, with the difference estimator, as the package ssepy does.

    The strata's mean differences from the predictions are added to the mean prediction. Source: Fogliato, Patil, Akpinar &
    Monfort, "Precise model benchmarking with only a few observations" (EMNLP 2024), https://arxiv.org/abs/2410.05222. Strata
    are by k-means there, here of equal size, one for every 4 labels.
    """
    rng, parts = np.random.default_rng(seed), max(1, k // 4)
    value, variance = float(proxy.mean()), 0.0
    strata, labels = np.array_split(np.argsort(proxy, kind="stable"), parts), np.array_split(np.arange(k), parts)
    for stratum, count in zip(strata, map(len, labels), strict=True):
        chosen, share = rng.choice(stratum, count, replace=False), len(stratum) / len(proxy)
        apart = ask(chosen) - proxy[chosen]
        value += share * float(apart.mean())
        variance += share**2 * (1 - count / len(stratum)) * float(apart.var(ddof=1)) / count
    half = float(ndtri(0.95) * np.sqrt(variance))
    return value, value - half, value + half


def random_order(labelled: pd.DataFrame, site: pd.DataFrame) -> Float64Array:
    """Rank the images at random."""
    return np.random.default_rng(0).random(len(site))


def random_sample(proxy: Float64Array, k: int, ask: Ask, seed: int) -> tuple[float, float, float]:
    """Estimate the mean score by the mean of k images drawn at random (Student's t)."""
    values = ask(np.random.default_rng(seed).choice(len(proxy), k, replace=False))
    half = student(k - 1, 0.9) * float(values.std(ddof=1)) / np.sqrt(k)
    return float(values.mean()), float(values.mean() - half), float(values.mean() + half)


METHODS: Final[Mapping[str, Mapping[str, Callable[..., Any]]]] = {
    "howfar": {"estimator": judged, "gate": inside, "certificate": certified},
    "distance_atc": {"estimator": distance_atc},
    "conformal_rca": {"estimator": conformal_rca},
    "pairwise_dice": {"selector": pairwise_dice},
    "s_otdd": {"estimator": s_otdd},
    "ppi": {"certificate": ppi},
    "ssepy": {"certificate": ssepy},
    "random": {"selector": random_order, "certificate": random_sample},
}
"""The functions of each method, by kind."""


KINDS: Final = ("estimator", "gate", "selector", "certificate")
HERE: Final = Path(__file__).parent
HALF, MISS, NEEDLESS = 0.05, 0.15, 0.1
COUNTS: Final = (4, 8, 12, 16, 24, 32, 48)
"""Numbers of labels that are tried, up to one less than the site has images."""
CHECKED, DRAWS, FEWEST = 8, 20, 20
"""Labels at which intervals are held against the truth, draws at each number, and the least images of a certified site."""
ANSWERS: Final = ("images", "mean", "low", "high", "images_low", "images_high")
INCLUDED: Final = (
    *("howfar", "mean", "atc", "doc", "distance_atc", "conformal_rca", "pairwise_dice", "s_otdd"),
    *("ppi", "ssepy", "random"),
)
"""The methods that are compared by default: those of `METHODS`, and registered estimators."""


@dataclass(frozen=True)
class Entry:
    """Hold the images of one field, primary dataset, model and seed."""

    name: str
    table: pd.DataFrame

    def datasets(self, role: str, maps: str = "whole") -> list[str]:
        """List the datasets of a role."""
        chosen = self.table[(self.table["role"] == role) & (self.table["maps"] == maps)]
        return list(dict.fromkeys(chosen["dataset"]))

    def question(self, dataset: str, maps: str = "whole") -> tuple[pd.DataFrame, pd.DataFrame, Float64Array]:
        """Return the other datasets' labelled images, the dataset's images without performance, and their performance (m,)."""
        rows = self.table[self.table["maps"] == maps].drop(columns="maps")
        own, others = rows[rows["dataset"] == dataset], rows[(rows["dataset"] != dataset) & rows["performance"].notna()]
        hidden = own.drop(columns=["dataset", "role", "performance"]).reset_index(drop=True)
        return others.reset_index(drop=True), hidden, own["performance"].to_numpy(dtype=np.float64)


def read_entries(folder: str | Path) -> list[Entry]:
    """Read the Parquet and CSV files of a folder; raise `HowfarError` if there is none, or if one is not an entry."""
    place = Path(folder)
    if not place.is_dir():
        raise MissingPathError(f"entries {folder} is no folder: name one of Parquet or CSV files, one a model")
    files = sorted(file for file in place.iterdir() if file.suffix in (".parquet", ".csv"))
    if not files:
        raise InputError.of("entries", "must hold Parquet or CSV files", str(folder))
    return [Entry(file.stem, _table(file)) for file in files]


def _table(file: Path) -> pd.DataFrame:
    with readable(file, "pass UTF-8 CSV (named .csv) or Parquet"):
        if file.suffix == ".csv":
            check_separator(file)
            table = pd.read_csv(file, dtype={"dataset": str, "image": str})
        else:
            table = read_frame(file, (HISTOGRAM,))
    if "dataset" not in table:
        raise InputError(f"{file} has no column dataset: an entry has dataset, image, performance and signals")
    table = table.assign(**{name: table.get(name, default) for name, default in (("role", "site"), ("maps", "whole"))})
    halves = [rows for _, rows in table.groupby("maps", sort=False)] or [table]
    return pd.concat([each.images for rows in halves for each in evaluations_of(rows, str(file))], ignore_index=True)


@dataclass(frozen=True)
class Method:
    """Hold a method's functions by kind, and where they come from."""

    name: str
    source: str
    functions: Mapping[str, Callable[..., Any]]

    def call(self, kind: str, where: str, *arguments: Any) -> Any:
        """Call one of the functions; any exception becomes an `InputError` of one line."""
        try:
            return self.functions[kind](*arguments)
        except Exception as error:
            said = f"{type(error).__name__}: {one_line(error)}"
            raise InputError(f"{self.source}: {kind} failed on {where} ({said})") from error


def load_method(word: str) -> Method:
    """Load an included method, a registered estimator, or the file that the caller names, whose code then runs."""
    if word in METHODS:
        return Method(word, word, METHODS[word])
    if word in registry.names("estimators"):
        return Method(word, f"estimator {word}", {"estimator": registered(word)})
    file = Path(word)
    if not file.is_file():
        known = ", ".join(INCLUDED)
        raise UnknownNameError(f"method must be a Python file, a registered estimator or one of {known}, got {word!r}")
    spec = spec_from_file_location(f"howfar_bench_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise InputError.of("method", "must be a Python file (.py)", word)
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise InputError(f"{file} cannot be imported ({type(error).__name__}: {one_line(error)})") from error
    functions = {kind: getattr(module, kind) for kind in KINDS if callable(getattr(module, kind, None))}
    if not functions:
        raise InputError(f"{file} must define one of the functions {', '.join(KINDS)}")
    return Method(file.stem, word, functions)


def summary(sites: pd.DataFrame, strangers: pd.DataFrame, field: str = "") -> dict[str, Any]:
    """Average a method's scores over the sites of a field, or of all; `set_error_all` alone counts sites outside its gate."""
    rows, others = (table[table["entry"].str.startswith(f"{field}-" if field else "")] for table in (sites, strangers))
    known, gated = rows[rows["error"].notna()], bool(rows["inside"].notna().any())
    outside = known["inside"].eq(False)
    inside, stopped, advised = known[~outside], known[outside], rows[rows["advised"].notna()]
    gains = advised.loc[advised["advised"] >= GAIN, "gain"]
    held = inside["held"].dropna()
    return {
        "sites": len(rows),
        "answered": int(rows[["error", "aurc", "labels"]].notna().any(axis=1).sum()),
        "inside": len(inside) if gated and len(known) else None,
        "set_error": _mean(inside["error"]),
        "set_error_all": _mean(known["error"]),
        "interval_score": _mean(inside["interval_score"]),
        "held": [int(held.sum()), len(held)] if len(held) else None,
        "images_held": _mean(inside["images_held"]),
        "misses": int((inside["error"] > MISS).sum()) if len(known) else None,
        "needless": int((stopped["error"] <= NEEDLESS).sum()) if gated and len(known) else None,
        "strangers": [int(others["stopped"].sum()), len(others)] if len(others) else None,
        **{name: _mean(rows[name]) for name in ("aurc", "labels", "certified")},
        "advised": [len(gains), len(advised)] if len(advised) else None,
        "gain": _mean(gains),
        "worst_gain": float(gains.min()) if len(gains) else None,
    }


def _mean(values: pd.Series) -> float | None:
    return float(values.astype(np.float64).mean()) if values.notna().any() else None


def bench(methods: Sequence[str] = INCLUDED, entries: str | Path | None = None) -> dict[str, Any]:
    """Run methods on the entries in a folder, by default those that howfar brings; return the scores as JSON values.

    A method is an included one's name, a registered estimator's name, or the path of a Python file, whose code then runs here.
    Raises `HowfarError` for entries or methods that cannot be used, and for an answer of another form than asked for.
    """
    loaded, tables = [load_method(word) for word in methods], read_entries(HERE / "entries" if entries is None else entries)
    names, found = [entry.name for entry in tables], list[dict[str, Any]]()
    for method in loaded:
        sites, strangers = score(method, tables)
        fields = {field: summary(sites, strangers, field) for field in dict.fromkeys(name.partition("-")[0] for name in names)}
        answers = {"answers": plain(sites), "strangers_stopped": plain(strangers)}
        found.append({"method": method.name, **summary(sites, strangers), "by_field": fields, **answers})
    return {"entries": names, "methods": found}


def score(method: Method, entries: Sequence[Entry]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ask a method about every site of the entries (see `score_site`), and its gate about every stranger."""
    sites, strangers = list[dict[str, Any]](), list[tuple[str, str, bool]]()
    for entry in entries:
        doing(f"{method.name} on {entry.name}")
        sites += [score_site(method, entry, site) for site in entry.datasets("site")]
        if "gate" in method.functions:
            strangers += [(entry.name, name, not _inside(method, entry, name)) for name in entry.datasets("stranger")]
    table = pd.DataFrame(sites, columns=[*SCORED]).astype(dict.fromkeys(("inside", "held"), object))
    return table, pd.DataFrame(strangers, columns=["entry", "dataset", "stopped"])


SCORED: Final = (
    *("entry", "site", "n", "measured", "mean", "low", "high", "error", "held", "interval_score", "images_held"),
    *("inside", "advised", "gain", "aurc", "labels", "certified"),
)


def score_site(method: Method, entry: Entry, site: str) -> dict[str, Any]:
    """Score a method's answers on one site against the measured performance.

    `interval_score` is width + (2 / α) · what the truth lies outside by, α = 0.1 (Gneiting & Raftery, JASA 102 (2007), equation
    43), `images_held` the share of images whose performance lies in their interval, `advised` and `gain` the expected and the
    true change by predicting by tiles, `labels` those that its certificate needs for ±0.05, `certified` the share of its
    intervals from 8 labels that hold the mean.
    """
    labelled, images, performance = entry.question(site)
    where, known = f"{site} of {entry.name}", np.isfinite(performance)
    truth = float(performance[known].mean())
    found: dict[str, Any] = {"entry": entry.name, "site": site, "n": int(known.sum()), "measured": truth}
    answer = _estimate(method, entry, site)
    if answer is not None:
        found |= {name: answer[name] for name in ("mean", "low", "high") if name in answer}
        found["error"] = abs(answer["mean"] - truth)
        if "low" in answer:
            outside = max(answer["low"] - truth, truth - answer["high"], 0.0)
            found |= {"held": outside <= 1e-9, "interval_score": answer["high"] - answer["low"] + 2 / (1 - LEVEL) * outside}
        if "images_low" in answer:
            held = (answer["images_low"] - 1e-9 <= performance) & (performance <= answer["images_high"] + 1e-9)
            found["images_held"] = float(held[known].mean())
        tiled = _estimate(method, entry, site, "tiled") if site in entry.datasets("site", "tiled") else None
        if tiled is not None:
            found["advised"] = tiled["mean"] - answer["mean"]
            found["gain"] = float(np.nanmean(entry.question(site, "tiled")[2])) - truth
    if "gate" in method.functions:
        found["inside"] = _inside(method, entry, site)
    ranking = None if answer is None else answer["images"]
    if "selector" in method.functions:
        said = method.call("selector", where, labelled, images)
        ranking = None if said is None else as_row(said, f"{method.source}: selector on {where}", length=len(images))
    if ranking is not None:
        found["aurc"] = aurc(ranking[known], performance[known])
    if "certificate" in method.functions and known.sum() >= FEWEST:
        proxy = answer or _estimate(load_method("signals"), entry, site)
        guessed = np.full(len(images), 0.5) if proxy is None else proxy["images"]
        found["labels"], found["certified"] = _certified(method, where, guessed[known], performance[known])
    return found


def _inside(method: Method, entry: Entry, dataset: str) -> bool:
    said = method.call("gate", f"{dataset} of {entry.name}", *entry.question(dataset)[:2])
    if not isinstance(said, (bool, np.bool_)):
        raise InputError.of(f"{method.source}: gate", "must return True or False", said)
    return bool(said)


def _estimate(method: Method, entry: Entry, site: str, maps: str = "whole") -> dict[str, Any] | None:
    """Ask the estimator, and check the form of its answer; None if there is none."""
    labelled, images, _ = entry.question(site, maps)
    where = f"{site} of {entry.name}"
    said = method.call("estimator", where, labelled, images) if "estimator" in method.functions else None
    if said is None:
        return None
    name, answer = f"{method.source}: estimator on {where}", dict(said) if isinstance(said, Mapping) else {"images": said}
    if not {"images"} <= answer.keys() <= set(ANSWERS) or any((f"{of}low" in answer) != (f"{of}high" in answer) for of in ENDS):
        rule = f"must return (m,) values, or a mapping of some of {', '.join(ANSWERS)}"
        raise InputError.of(name, rule, sorted(map(str, answer)))
    for key, values in answer.items():
        many = key.startswith("images")
        row = as_row(values if many else [values], f"{name}: {key}", length=len(images) if many else 1)
        if not ((row >= 0) & (row <= 1)).all():
            raise InputError.of(f"{name}: {key}", "must lie between 0 and 1", float(row[np.argmax(np.abs(row - 0.5))]))
        answer[key] = row if many else float(row[0])
    return {"mean": float(answer["images"].mean()), **answer}


ENDS: Final = ("", "images_")


def _certified(method: Method, where: str, proxy: Float64Array, truth: Float64Array) -> tuple[float, float]:
    """Find the fewest labels of `COUNTS` (else all) whose mean half-width is at most 0.05, and the share that held with 8."""
    name = f"{method.source}: certificate on {where}"
    needed, held, mean = len(truth), 0.0, truth.mean()
    for k in (count for count in COUNTS if count < len(truth)):
        draws = []
        for seed in range(DRAWS):
            asked = set[int]()

            def ask(indices: Any, asked: set[int] = asked, most: int = k) -> Float64Array:
                chosen = np.asarray(indices)
                if chosen.ndim != 1 or chosen.dtype.kind not in "iu" or not ((chosen >= 0) & (chosen < len(truth))).all():
                    raise InputError.of("indices", f"must be one row of whole numbers from 0 to {len(truth) - 1}", indices)
                asked.update(chosen.tolist())
                if len(asked) > most:
                    raise InputError.of("indices", f"must be of at most {most} images", len(asked))
                return np.asarray(truth[chosen])

            said = method.call("certificate", where, proxy.copy(), k, ask, seed)
            row = as_row(said, f"{name}: value, low and high", length=3)
            if not row[1] <= row[2]:
                raise InputError.of(name, "must return value, low and high, low at most high", row.tolist())
            draws.append(np.clip(row, 0.0, 1.0))
        _, low, high = np.array(draws).T
        if k == CHECKED:
            held = float(np.mean((low - 1e-9 <= mean) & (mean <= high + 1e-9)))
        if np.mean(high - low) / 2.0 <= HALF + 1e-9:
            needed = min(needed, k)
        if needed < len(truth) and k >= CHECKED:
            break
    return float(needed), held
