"""Draw the pictures of the documentation into docs/pictures, from seeded arrays and the demo's own synthetic pictures.

It prints the numbers that the pages quote from them. Every picture is a function of the demo's folder, which some of them read.

usage: make_pictures.py [--demo FOLDER] [NAME...]     FOLDER is what `howfar demo --out` wrote; made where it is not given
"""

from __future__ import annotations

import argparse
import io
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

import howfar
from howfar.distances import dataset_to_dataset, energy, image_to_dataset, knn, self_distance
from howfar.figures.style import COLOURS, INK, MUTED, PRIMARY, blank, drawing
from howfar.projection import joint_pca, project

PICTURES = Path(__file__).parent / "pictures"
BLUE, ORANGE, GREEN, PINK = COLOURS[:4]
Array = NDArray[np.float64]


def projection(demo: Path) -> Figure:
    """Draw how each pair has its own yardstick (left), and how the size of S moves `relative` in pair mode (right)."""
    figure = blank(9.0, 3.7)
    left, right = figure.subplots(1, 2, width_ratios=(1.18, 1))
    _two_rulers(left)
    _set_size(right)
    return figure


def _two_rulers(axes: Any) -> None:
    rng = np.random.default_rng(3)
    p = rng.normal(size=(110, 2)) * (2.0, 0.7)
    east, north = (rng.normal(size=(110, 2)) * 0.7 + step for step in ((6.0, 0.0), (0.0, 6.0)))
    axes.plot(*p.T, "o", ms=3.3, mew=0, color=PRIMARY, alpha=0.8)
    axes.text(-4.3, -2.6, "P", color=MUTED, fontsize=12, weight="bold")
    axes.text(3.0, 7.3, "O(S, P) / O(P, P) = relative", color=MUTED, fontsize=9)
    for s, colour, name, place in ((east, BLUE, "A", (4.3, 2.4)), (north, ORANGE, "B", (3.0, 5.9))):
        axes.plot(*s.T, "o", ms=3.3, mew=0, color=colour, alpha=0.55)
        both = np.concatenate([p, s])
        centre = both.mean(axis=0)
        ruler = np.linalg.svd(both - centre, full_matrices=False)[2][0]
        axes.plot(*(centre + np.outer((-20, 20), ruler)).T, color=colour, lw=1.6)
        found = joint_pca(p, s, 1)
        far, own = dataset_to_dataset(found.secondary, found.primary), self_distance(found.primary)
        axes.text(*place, f"{name}:  {far:.1f} / {own:.1f} = {far / own:.1f}", color=colour, fontsize=11, weight="bold")
        print(f"projection: {name} {far:.2f} / {own:.2f} = {far / own:.2f}")
    axes.set(xlim=(-5.4, 11.4), ylim=(-3.4, 8.4), xticks=[], yticks=[])
    axes.grid(False)
    axes.set_title("Each pair has its own ruler")


SIZES = (10, 20, 40, 80, 160, 320, 640)
SPREAD = 10.0 * np.arange(1, 151) ** -0.65


def _set_size(axes: Any) -> None:
    for name, colour, draw in (("a shifted road", BLUE, _road), ("something else", ORANGE, _other)):
        pair, full = _relative_by_size(draw)
        axes.plot(SIZES, pair, color=colour, marker="o", ms=4.5, lw=1.8)
        axes.plot(SIZES, full, color=colour, lw=1.3, ls=(0, (4, 2)))
        axes.text(640, pair[-1] + 0.006, name, color=colour, ha="right", va="bottom", fontsize=9.5, weight="bold")
        print(f"projection: {name}: pair {np.round(pair, 3)}, none {np.round(full, 3)}")
    axes.plot([], [], color=MUTED, marker="o", ms=4.5, lw=1.8, label="pair, 25 components")
    axes.plot([], [], color=MUTED, lw=1.3, ls=(0, (4, 2)), label="none: all dimensions")
    axes.set_xscale("log", base=2)
    axes.set_xticks(SIZES, labels=[str(size) for size in SIZES])
    axes.minorticks_off()
    axes.set(xlabel="images in S (P has 300)", ylabel="relative", ylim=(1.08, 1.27))
    axes.legend(loc="upper left")
    axes.set_title("In pair mode the size of S counts")


def _primary(rng: np.random.Generator, count: int) -> Array:
    return rng.normal(size=(count, len(SPREAD))) * SPREAD


def _road(rng: np.random.Generator, count: int) -> Array:
    """Draw images that vary as P does, shifted along two directions in which P varies."""
    return _primary(rng, count) + np.eye(len(SPREAD))[[1, 4]].sum(axis=0) * 9.0


def _other(rng: np.random.Generator, count: int) -> Array:
    """Draw images that vary in directions of their own, more than P does."""
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(len(SPREAD), len(SPREAD))))[0]
    return 1.3 * _primary(rng, count) @ turn.T


def _relative_by_size(draw: Callable[..., Array], draws: int = 30) -> tuple[Array, Array]:
    """Average `relative` over draws for each size of S, in pair mode and in all dimensions; smaller sets are nested."""
    values = np.empty((draws, len(SIZES), 2))
    for k in range(draws):
        rng = np.random.default_rng([7, k])
        p, s = _primary(rng, 300), draw(rng, SIZES[-1])
        for i, size in enumerate(SIZES):
            for j, mode in enumerate(("pair", "none")):
                found = next(project(p, [s[:size]], 25, mode=mode))
                values[k, i, j] = dataset_to_dataset(found.secondary, found.primary) / self_distance(found.primary)
    means = values.mean(axis=0)
    return means[:, 0], means[:, 1]


def distances(demo: Path) -> Figure:
    """Draw a P of two modes, of which I^dist finds the empty middle nearest of all, and kNN does not."""
    rng = np.random.default_rng(1)
    p = np.concatenate([rng.normal(size=(60, 2)) * 0.9 + (x, 0.0) for x in (-4.0, 4.0)])
    across, up = np.meshgrid(np.linspace(-8, 8, 161), np.linspace(-4.6, 4.6, 93))
    plane = np.stack([across.ravel(), up.ravel()], axis=1)
    marks = {"middle": (0.0, 0.0), "within": (4.3, 0.6)}
    figure = blank(9.0, 2.9)
    panels = (
        ("I$^{\\mathrm{dist}}$: mean distance to all of P", image_to_dataset),
        ("kNN: mean distance to the 5 nearest images of P", knn),
    )
    for axes, (title, distance) in zip(figure.subplots(1, 2), panels, strict=True):
        levels = axes.contourf(across, up, distance(plane, p).reshape(across.shape), 14, cmap="Blues_r")
        axes.scatter(*p.T, s=8, color="#ffffff", edgecolor=INK, lw=0.5)
        for name, place in marks.items():
            value = float(distance(np.array([place]), p)[0])
            print(f"distances: {distance.__name__} {name} {value:.2f}")
            axes.scatter(*place, s=70, marker="X", color=ORANGE, edgecolor="#ffffff", lw=0.9, zorder=4)
            _label(axes, place, f"{name}: {value:.1f}")
        figure.colorbar(levels, ax=axes, shrink=0.8, ticks=range(0, 13, 2)).outline.set_visible(False)
        axes.set(aspect="equal", xticks=[], yticks=[], title=title)
        axes.grid(False)
        axes.spines[:].set_visible(False)
    return figure


def _label(axes: Any, place: tuple[float, float], words: str) -> None:
    box = {"boxstyle": "round,pad=0.25", "fc": "#ffffff", "ec": "none", "alpha": 0.92}
    text = axes.annotate(words, place, (0, 30), textcoords="offset points", ha="center", color=ORANGE, bbox=box)
    text.set(fontsize=10, weight="bold")


def significance(demo: Path) -> Figure:
    """Draw how a permutation p-value arises, when it is wrong, and how short the intervals of few images are."""
    figure = blank(9.0, 3.6)
    null, calibration, coverage = figure.subplots(1, 3, width_ratios=(1.25, 1, 1))
    _permutation(null)
    _calibration(calibration)
    _coverage(coverage)
    return figure


SCALE = 5.0 * np.arange(1, 26) ** -0.5


def _cloud(rng: np.random.Generator, count: int, shift: float = 0.0) -> Array:
    x = rng.normal(size=(count, 25)) * SCALE
    x[:, 0] += shift
    return x


def _permutation(axes: Any) -> None:
    rng = np.random.default_rng(5)
    p, same, far = _cloud(rng, 120), _cloud(rng, 40), _cloud(rng, 40, 4.0)
    axes.hist([_energy_of_labels(rng, p, far) for _ in range(999)], bins=24, color=PRIMARY, alpha=0.75)
    top = axes.get_ylim()[1]
    for s, colour, name, side in ((same, BLUE, "S drawn as P", "left"), (far, ORANGE, "S moved", "center")):
        value = energy(s, p)
        axes.vlines(value, 0, 1.1 * top, color=colour, lw=2)
        axes.text(value, 1.13 * top, name, color=colour, ha=side, va="bottom", fontsize=9.5, weight="bold")
    axes.text(0.72, 0.4 * top, "999 random\nlabellings", color=MUTED, fontsize=9)
    axes.set(xlabel="energy distance", yticks=[], ylim=(0, 1.3 * top), title="The permutation test")
    axes.spines["left"].set_visible(False)


def _energy_of_labels(rng: np.random.Generator, p: Array, s: Array) -> float:
    pooled = rng.permutation(np.concatenate([p, s]))
    return energy(pooled[: len(s)], pooled[len(s) :])


def _calibration(axes: Any, draws: int = 150) -> None:
    """Draw p-values where S and P are samples of one distribution: flat for single images, and wrong for groups."""
    for name, colour, group in (("single images", BLUE, 1), ("4 tiles a photo", ORANGE, 4)):
        values = []
        for k in range(draws):
            rng = np.random.default_rng([11, k])
            p, s = (_in_groups(rng, count, group) for count in (120, 40))
            found = howfar.compare(p, {"s": s}, projection="none", bootstrap=0, permutations=199, seed=k)
            values.append(found.datasets[0].p_value_raw)
        axes.ecdf(values, color=colour, lw=2, label=name)
        print(f"significance: {name}: p <= 0.05 in {np.mean(np.array(values) <= 0.05):.1%}")
    axes.plot([0, 1], [0, 1], color=MUTED, lw=1, ls=(0, (4, 2)))
    axes.set(xlabel="p-value", ylabel="share of runs at or below", xlim=(-0.02, 1), ylim=(0, 1.02))
    axes.set_title("p where S and P are alike")
    axes.legend(loc="lower right", bbox_to_anchor=(1.02, 0.02))


def _in_groups(rng: np.random.Generator, count: int, group: int) -> Array:
    """Draw images in groups that resemble each other, as tiles of one photograph do."""
    photos = np.repeat(_cloud(rng, count // group), group, axis=0)
    return photos if group == 1 else photos + 0.3 * _cloud(rng, count)


def _coverage(axes: Any, draws: int = 200) -> None:
    """Draw how often the 95 % interval of `relative` holds the value that it estimates, for a P of 200 images."""
    rng = np.random.default_rng(2)
    truth = dataset_to_dataset(_cloud(rng, 4000, 6.0), many := _cloud(rng, 4000)) / self_distance(many)
    sizes, shares = (5, 10, 20, 40, 80), []
    for size in sizes:
        held = 0
        for k in range(draws):
            rng = np.random.default_rng([13, size, k])
            p, s = _cloud(rng, 200), _cloud(rng, size, 6.0)
            found = howfar.compare(p, {"s": s}, projection="none", permutations=0, seed=k).datasets[0]
            low, high = found.relative_ci or (np.nan, np.nan)
            held += low <= truth <= high
        shares.append(held / draws)
    print(f"significance: coverage {dict(zip(sizes, np.round(shares, 3), strict=True))}")
    error = 1.96 * np.sqrt(np.array(shares) * (1 - np.array(shares)) / draws)
    axes.axhline(0.95, color=MUTED, lw=1, ls=(0, (4, 2)))
    axes.errorbar(sizes, shares, error, color=GREEN, marker="o", ms=5, lw=1.8, elinewidth=1)
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, labels=[str(size) for size in sizes])
    axes.minorticks_off()
    axes.set(xlabel="images in S", ylabel="share of intervals that hold it", ylim=(0.75, 1.0))
    axes.set_title("Coverage of the 95 % interval")


def baselines(demo: Path) -> Figure:
    """Draw a picture of each demo dataset, its colour moments, and `relative` by three backbones."""
    found = howfar.Comparison.load(demo / "run")
    names = ["pavement", *(dataset.name for dataset in found.datasets)]
    views = {"efficientnet_lite0": [1.0, *(float(d.relative or np.nan) for d in found.datasets)]}
    for one in found.baselines:
        views.setdefault(one.backbone, [1.0]).append(float(one.relative or np.nan))
    figure = blank(9.0, 4.6)
    grid = figure.add_gridspec(3, len(names), height_ratios=(1.3, 0.34, 2.1))
    for column, name in enumerate(names):
        picture = Image.open(sorted((demo / "data" / name / "images").iterdir())[2])
        side = ("", "") if column else ("a picture", "its colour\nmoments")
        _show(figure.add_subplot(grid[0, column]), np.asarray(picture.resize((110, 110))), side[0], name)
        mean, deviation = np.asarray(picture).mean(axis=(0, 1)), np.asarray(picture).std(axis=(0, 1))
        swatch = np.clip(np.stack([mean - deviation, mean, mean + deviation])[None], 0, 255).astype(np.uint8)
        _show(figure.add_subplot(grid[1, column]), swatch, side[1], "")
    _views(figure.add_subplot(grid[2, :]), views)
    return figure


def _show(axes: Any, pixels: NDArray[np.uint8], side: str, title: str) -> None:
    axes.imshow(pixels, aspect="auto" if pixels.shape[0] == 1 else "equal")
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, loc="center")
    axes.set_ylabel(side, rotation=0, ha="right", va="center", color=MUTED, fontsize=9)
    axes.grid(False)
    axes.spines[:].set_visible(False)


def _views(axes: Any, views: dict[str, list[float]]) -> None:
    looks = zip(views.items(), (INK, MUTED, MUTED), "os^", strict=True)
    for step, ((name, values), colour, marker) in enumerate(looks):
        places = np.arange(len(values)) + 0.12 * (step - 1)
        fill = colour if marker == "o" else "none"
        axes.plot(places[1:], values[1:], ls="none", marker=marker, ms=7, color=colour, mfc=fill, label=name)
    axes.axhline(1.0, color=MUTED, lw=1.2, ls=(0, (4, 2)))
    axes.text(0, 1.06, "P itself", ha="center", color=MUTED, fontsize=9)
    axes.grid(True, axis="y")
    axes.grid(False, axis="x")
    axes.set(xlim=(-0.5, 5.5), ylim=(0.8, 3.1), xticks=[], ylabel="relative")
    axes.legend(loc="upper left", ncols=1, bbox_to_anchor=(0.02, 1.0))


def profile(demo: Path) -> Figure:
    """Draw the distances of one dataset in the subspace fitted on P and it, and in that of a profile, fitted on P alone."""
    found = howfar.Comparison.load(demo / "run")
    one = next(dataset for dataset in found.datasets if dataset.name == "clutter")
    images, own = (frame["i_dist_mean"] / one.self_distance for frame in _of_pair(found, one.name))
    kept = howfar.Profile.load(demo / "pavement.howfar")
    alone = kept.score(demo / "data" / one.name, store=demo / "store").to_frame()["relative"]
    figure = blank(9.0, 3.1)
    pair, profiled = figure.subplots(1, 2, sharex=True, sharey=True)
    _distances(pair, np.asarray(own), np.asarray(images), "compare: fitted on P and clutter")
    _distances(profiled, np.asarray(kept.own) / (kept.self_distance or np.nan), np.asarray(alone), "profile: fitted on P alone")
    pair.set_ylabel("images")
    figure.legend(*pair.get_legend_handles_labels(), loc="outside lower left", ncols=2)
    return figure


def _of_pair(found: howfar.Comparison, name: str) -> tuple[Any, Any]:
    """Measure a dataset's images, and P's own, in the subspace of that pair."""
    own = found.primary_images
    return found.images[found.images["dataset"] == name], own[own["against"] == name]


def _distances(axes: Any, own: Array, new: Array, title: str) -> None:
    edges = np.linspace(0.75, 2.15, 36)
    axes.hist(own, edges, color=PRIMARY, alpha=0.75, label="P's own images, each from the others")
    axes.hist(new, edges, color=ORANGE, alpha=0.75, label="images of clutter")
    limit = float(np.sort(own)[-int(np.floor(0.05 * (len(own) + 1)))])
    beyond = float(np.mean(new > limit))
    axes.axvline(limit, color=INK, lw=1.2, ls=(0, (4, 2)))
    axes.text(
        limit + 0.02, 0.55 * axes.get_ylim()[1], f"{100 * beyond:.0f} % of clutter\nbeyond 95 % of P", fontsize=9, color=INK
    )
    axes.set(title=title, xlabel="relative")
    print(f"profile: {title}: mean relative {new.mean():.3f}, beyond {beyond:.1%}")


def first_figure(demo: Path) -> Figure:
    """Draw the first figure of the demo's report."""
    figure: Figure = howfar.Comparison.load(demo / "run").plot.relative()
    return figure


def thresholds(demo: Path) -> Figure:
    """Draw the scores of one dataset's predictions by threshold."""
    figure: Figure = howfar.Evaluation.load(demo / "performance" / "lighting.parquet").plot.thresholds()
    return figure


def related(name: str, **options: Any) -> Callable[[Path], Figure]:
    """Draw a figure of the demo's relation, by its name."""

    def draw(demo: Path) -> Figure:
        figure: Figure = getattr(howfar.Relation.load(demo / "run").plot, name)(**options)
        return figure

    return draw


def flow(boxes: dict[str, tuple[float, float, str]], arrows: tuple[tuple[str, str], ...]) -> Callable[[Path], Figure]:
    """Draw boxes, each with its place and text, and arrows between them; those whose text begins with howfar are blue."""

    def draw(demo: Path) -> Figure:
        figure = blank(9.0, 2.4)
        axes = figure.subplots()
        axes.set(xlim=(-0.5, 11.0), ylim=(-1.25, 1.25))
        axes.axis("off")
        frames = {}
        for name, (x, y, text) in boxes.items():
            edge = BLUE if "howfar" in text else MUTED
            frame = {"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": edge}
            frames[name] = axes.text(x, y, text, ha="center", va="center", fontsize=9, color=INK, bbox=frame).get_bbox_patch()
        for first, second in arrows:
            between = {"patchA": frames[first], "patchB": frames[second], "shrinkA": 4, "shrinkB": 4}
            arrow = {"arrowstyle": "-|>", "color": MUTED, **between}
            axes.annotate("", xy=boxes[second][:2], xytext=boxes[first][:2], arrowprops=arrow)
        return figure

    return draw


DRAWN: dict[str, tuple[Callable[[Path], Figure], str]] = {
    "projection": (projection, "svg"),
    "distances": (distances, "png"),
    "significance": (significance, "svg"),
    "baselines": (baselines, "png"),
    "profile": (profile, "svg"),
    "demo": (first_figure, "svg"),
    "thresholds": (thresholds, "svg"),
    "performance": (related("performance"), "svg"),
    "judgements": (related("judgements"), "svg"),
    "estimates": (related("estimates"), "svg"),
    "failures": (related("failures", k=4), "png"),
    "onnx-gate": (
        flow(
            {
                "image": (0.2, 0.0, "images"),
                "encoder": (3.0, 0.0, "encoder\nof MODEL.onnx"),
                "head": (6.0, 0.7, "head\nof MODEL.onnx"),
                "gate": (6.0, -0.7, "howfar: 30 operators\nwith the profile's numbers"),
                "scores": (9.4, 0.7, "the model's outputs"),
                "answers": (9.4, -0.7, "howfar_i_dist_mean, _relative,\n_percentile, _p_value, _flag"),
            },
            (("image", "encoder"), ("encoder", "head"), ("encoder", "gate"), ("head", "scores"), ("gate", "answers")),
        ),
        "svg",
    ),
    "callbacks": (
        flow(
            {
                "images": (0.4, 0.0, "training images"),
                "training": (3.2, 0.7, "the training\nends"),
                "profile": (3.2, -0.7, "howfar.callbacks\n.Howfar"),
                "checkpoint": (6.2, 0.7, "best.ckpt"),
                "file": (6.2, -0.7, "best.howfar"),
                "score": (9.4, -0.7, "howfar score\nbest.howfar NEW"),
            },
            (("images", "training"), ("images", "profile"), ("training", "checkpoint"), ("profile", "file"), ("file", "score")),
        ),
        "svg",
    ),
    "model-card": (
        flow(
            {
                "assessment": (0.8, 0.7, "howfar assess\nestimates, gate, profile"),
                "certificate": (0.8, -0.7, "howfar certify\nvalue with interval"),
                "card": (4.6, 0.0, "howfar card"),
                "metadata": (8.6, 0.7, "README.md, metadata:\nmodel-index, gate, digest"),
                "text": (8.6, -0.7, "README.md, text:\ntables and reasons"),
            },
            (("assessment", "card"), ("certificate", "card"), ("card", "metadata"), ("card", "text")),
        ),
        "svg",
    ),
    "mcp": (
        flow(
            {
                "you": (0.2, 0.0, "you"),
                "assistant": (2.6, 0.0, "assistant"),
                "howfar": (5.6, 0.0, "howfar mcp\nten tools"),
                "data": (9.2, 0.7, "images, maps, profiles:\nread"),
                "folder": (9.2, -0.7, "FOLDER:\nruns, logs, features written"),
            },
            (("you", "assistant"), ("assistant", "howfar"), ("data", "howfar"), ("howfar", "folder")),
        ),
        "svg",
    ),
}


COORDINATES = re.compile(r' (?:x|y|d)="[^"]*"')


def _rounded(attribute: re.Match[str]) -> str:
    return re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", attribute[0])


def write(figure: Figure, name: str, ending: str) -> Path:
    """Save a picture on a white card: SVG without a date, to 1/100 of a point; PNG in 128 colours."""
    path = PICTURES / f"{name}.{ending}"
    if ending == "svg":
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None}, bbox_inches="tight")
        path.write_text(COORDINATES.sub(_rounded, text.getvalue()), encoding="utf-8")
        return path
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=110, bbox_inches="tight")
    Image.open(buffer).convert("RGB").quantize(128, kmeans=2, dither=Image.Dither.NONE).save(path, optimize=True)
    return path


def _folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-c", "from howfar.cli.main import main; main()", "demo", "--out", folder], check=True)
        yield Path(folder)


def main() -> int:
    """Draw the pictures named, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demo", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(DRAWN)}; all by default")
    arguments = parser.parse_args()
    PICTURES.mkdir(exist_ok=True)
    for folder in _folder(arguments.demo):
        for name in arguments.names or DRAWN:
            draw, ending = DRAWN[name]
            with drawing(), matplotlib.rc_context({"svg.hashsalt": name, "savefig.pad_inches": 0.05}):
                path = write(draw(folder), name, ending)
            print(f"{path}: {path.stat().st_size / 1024:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
