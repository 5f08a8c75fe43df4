"""Pages are whole, closed and escaped, hold the numbers of the result and no more, and replace what was there before."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import howfar
from figures import believable, believable_adaptation, believable_relation
from howfar.errors import InputError, StoreError
from howfar.figures.adaptation_models import change_text
from howfar.figures.backbone_figures import looks
from howfar.glossary import terms_in
from howfar.report import comparison_report
from howfar.report.adaptation_report import scores, write_adaptation_report
from howfar.report.backbones_report import write_backbones_report
from howfar.report.comparison_report import write_report
from howfar.report.page import _visible, fill
from howfar.report.rerun import rerun_backbones
from howfar.report.section import Cell, Column, Table, TablePart, listing, plural, sentence_case, with_interval
from howfar.report.study_report import as_csv, as_latex
from howfar.results import Comparison, Leak, Relation, Skipped
from howfar.results.adaptation_result import Adaptation
from worlds.html_page import Page

RUN = ("relative", "violin", "sorted_distances", "scatter")
RELATION = ("performance", "parts", "thresholds", "judgements", "estimates")
STUDY = ("gains", "bars", "curves", "suppression", "bars_background", "curves_background")
DRAWN = {"report": (RUN, {"thumbnails.png"}), "study_report": (STUDY, {"rows.png"})}
DRAWN["related_report"] = (*RUN, *RELATION), {"thumbnails.png", "failures.png"}
SECTIONS = {"report": {"answer", "distances", "made"}, "related_report": {"performance", "estimates", "failures"}}
SECTIONS["study_report"] = {"answer", "gains", "scores", "distance", "pictures", "background", "learnt", "limits", "made"}
CAUTION = "Distance is not performance. These numbers say how unlike P the images look"


@pytest.mark.parametrize("name", DRAWN)
def test_a_page_is_whole_in_itself_sound_and_can_be_read_by_all(name: str, request: pytest.FixtureRequest) -> None:
    file: Path = request.getfixturevalue(name)
    page, (figures, pictures) = Page(file), DRAWN[name]
    drawn = {f"{figure}.{kind}" for figure in figures for kind in ("png", "svg")} | pictures
    assert {path.name for path in (file.parent / "figures").iterdir()} == drawn
    assert file.stat().st_size < 6_000_000
    for tag, attributes in page.tags:
        for key in ("src", "href", "xlink:href", "srcset", "data", "action", "poster"):
            value = attributes.get(key, "#")
            outside = value.startswith(("http", "//", "file", "/"))
            assert not outside or (tag == "a" and key == "href" and value.startswith("https://arxiv.org/")), (tag, value)
    assert "@import" not in page.source
    assert not re.search(r"url\((?!#)", page.source)
    assert not page.of("iframe")
    found = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(found) == len(set(found))
    assert SECTIONS[name] <= page.anchors() <= set(found)
    assert page.of("html") == [{"lang": "en"}]
    assert len(page.of("h1")) == 1
    assert all(one.get("aria-label") for one in page.of("div") if one.get("role") in ("img", "region"))
    assert len(page.of("figcaption")) == len(page.of("figure")) == len(figures) + len(pictures)
    assert all(one.get("scope") in ("col", "row") for one in page.of("th"))
    assert len(page.of("caption")) == len([one for one in page.of("table") if "sortable" in one.get("class", "")])
    assert "<b>bold" not in page.source
    assert escape("a <b>bold</b> & long") in page.source


def test_names_and_files_are_shown_as_they_are(report: Path, six: Comparison) -> None:
    page = Page(report)
    told = [" ".join(dataset.name.split()) for dataset in six.datasets] + ["training & <set>", *six.notes]
    told += [text for skipped in six.skipped for text in (skipped.path, skipped.reason)]
    told += [text for leak in six.leaks for text in (leak.image, leak.primary_image)]
    assert all(text in page.text for text in told)
    assert "<i>&" not in page.source
    assert not SECTIONS["related_report"] & page.anchors()
    assert "labelled" not in page.text
    assert "estimator" not in page.text


def test_the_numbers_of_a_study_are_there(study_report: Path, study: Adaptation) -> None:
    text = Page(study_report).text
    told = [*study.secondaries, *study.blind, study.primary, study.background, *study.notes, *study.picks["image"]]
    for row in study.gains.to_dict("records"):
        told.append(change_text(row["gain"], row["low"], row["high"]))
        if not np.isnan(row["over_random"]) and row["dataset"] in ("all", *study.secondaries):
            told.append(change_text(row["over_random"], row["over_random_low"], row["over_random_high"]))
    suppressed = study.suppression.dropna().to_dict("records")
    told += [change_text(row["cost"], row["cost_low"], row["cost_high"]) for row in suppressed]
    models = study.models.to_dict("records")
    told += [f"{row['threshold']:.2f} {row['held_out_ods']:.3f} {row['weights'][:12]}" for row in models]
    told += [cell.text for column in ("mean_f", "ods") for row in scores(study, column).rows for cell in row]
    told += ["howfar.adapt(", "Achara", "numpy 2.1.0", "photograph ground truth"]
    assert [each for each in told if str(each) not in text] == []
    # Maps are found below the study's folder.
    assert "not found" not in text
    assert "None" not in text.replace("=None", "")
    assert "nan" not in text.lower().split()
    explained = re.findall(r"<dt>(.*?)</dt>", study_report.read_text().split('<section id="terms"')[1])
    assert {"ODS", "primary dataset", "M", "shots", "I<sup>dist</sup>"} <= set(explained)
    assert "reference profile" not in explained


def test_words_in_scripts_styles_figures_and_tags_are_not_explained() -> None:
    page = """<style>.gate { }</style><script>const verdict = "ODS"</script><svg><text>OIS</text></svg>
    <p title="AP">I<sup>dist</sup> &amp; the <b>energy</b> distance</p>"""
    assert [term.name for term in terms_in(_visible(page))] == ["I^dist", "energy distance"]
    assert fill("terms.html.j2", {"terms": []}).strip() == ""
    assert "<dt>I<sup>dist</sup></dt>" in fill("terms.html.j2", {"terms": terms_in("I^dist")})


@pytest.mark.parametrize(
    ("names", "most", "expected"),
    [("a", 4, "a"), ("abc", 4, "a, b and c"), ("abcd", 2, "a, b and 2 others"), ("abc", 2, "a, b and c")],
)
def test_names_stand_in_a_row_and_many_are_counted(names: str, most: int, expected: str) -> None:
    assert listing(list(names), most) == expected
    assert (plural(1), plural(2), plural(1, "has", "have")) == ("", "s", "has")
    assert (sentence_case("roads are near"), sentence_case("")) == ("Roads are near.", "")


@pytest.mark.usefixtures("without_figures")
def test_long_lists_are_folded(six: Comparison, tmp_path: Path, report: Path) -> None:
    many = replace(
        believable.only(six, 5),
        skipped=tuple(Skipped("one", f"/x/{i}.png", "cut") for i in range(13)),
        leaks=tuple(Leak("one", f"{i}.png", "p.png", "") for i in range(13)),
    )
    long = Page(write_report(many, tmp_path))
    assert len(long.of("details")) == len(Page(report).of("details")) + 2
    assert "13 files were left out" in long.text
    assert "/x/12.png" in long.text


def test_a_report_replaces_the_one_before(six: Comparison, bakeoff: Adaptation, tmp_path: Path) -> None:
    one = believable.only(six, 5)
    bare = replace(bakeoff, images=bakeoff.images.assign(f=np.nan, path=""))
    cases: list[tuple[str, Callable[..., Path], Any, set[str]]] = [
        ("judgements", write_report, one, {f"{name}.{kind}" for name in RUN for kind in ("png", "svg")} | {"thumbnails.png"}),
        ("suppression", write_adaptation_report, bare, {"gains.png", "gains.svg"}),
    ]
    for gone, write, result, drawn in cases:
        figures = tmp_path / gone / "figures"
        figures.mkdir(parents=True)
        for name in (f"{gone}.png", f"{gone}.svg", "mine.png"):
            (figures / name).write_bytes(b"old")
        first = write(result, tmp_path / gone).read_text()
        assert {path.name for path in figures.iterdir()} == {*drawn, "mine.png"}
        assert write(result, tmp_path / gone).read_text() == first


@pytest.fixture
def quick(without_figures: None, tmp_path: Path) -> Callable[..., Page]:
    """The page of a result without its figures."""
    return lambda comparison, relation=None: Page(write_report(comparison, tmp_path, relation))


def test_the_caution_gives_way_to_what_was_measured(quick: Callable[..., Page], six: Comparison, related: Relation) -> None:
    measured = quick(six, related).text
    assert CAUTION not in measured
    assert "Distance is not performance , and here performance was measured." in measured
    names = tuple(one.name for one in six.datasets)
    for options in ({"unlabelled": names}, {"unlabelled": names[1:], "blank": names[:1]}):
        assert CAUTION in quick(six, believable_relation.of_comparison(six, **options)).text


def test_the_relation_of_the_folder_is_read(
    quick: Callable[..., Page], six: Comparison, related: Relation, tmp_path: Path
) -> None:
    related.save(tmp_path)
    assert "performance" in quick(six).anchors()
    Relation.discard(tmp_path)
    assert "performance" not in quick(six).anchors()
    related.save(tmp_path)
    (tmp_path / "relation.json").write_text("{")
    with pytest.raises(StoreError, match="run relate again"):
        quick(six)
    with pytest.raises(InputError, match=r"relation must be of this run, whose datasets are roads-dry, .*, got 'roads'"):
        quick(six, believable_relation.sized({"roads": 9}))


@pytest.mark.usefixtures("without_figures")
def test_a_study_without_background_random_or_files_speaks_of_none(bakeoff: Adaptation, tmp_path: Path) -> None:
    text = Page(write_adaptation_report(bakeoff, tmp_path / "all")).text
    assert not [word for word in ("False positives", "Background", "Pictures") if word in text]
    assert "At 7 images of each dataset far beats random. This is corrected" in text
    options: dict[str, Any] = {"background_shots": (), "blind": {}, "files": False}
    alone = believable_adaptation.make(tmp_path, strategies=("far",), seeds=(0,), **options)
    text = Page(write_adaptation_report(alone, tmp_path / "one")).text
    assert "Random was no strategy of this study" in text
    assert "With one seed nothing is known of how trainings differ" in text
    assert not [word for word in ("Beside random", "Random has") if word in text]


def test_the_page_of_backbones(demo_folders: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    primary, *secondaries = demo_folders
    names = ("pixels", "colour_moments")
    options: dict[str, Any] = {"bootstrap": 50, "permutations": 0, "progress": False, "store": tmp_path / "store"}
    found = howfar.compare_backbones(primary, secondaries, names, **options)
    text = write_backbones_report(found, tmp_path).read_text()
    for name in ("backbones_relative", "backbones_agreement"):
        assert (tmp_path / "figures" / f"{name}.png").stat().st_size > 1000
        assert f'id="figure-{name}"' in text
    pages = {f"{folder}/report.html": name for name, folder in found.folders().items()}
    assert all(f'<a href="{page}">{name}</a>' in text for page, name in pages.items())
    # Beside those, only the paper's address.
    links = {one for one in re.findall(r'href="([^#][^"]*)"', text) if not one.startswith("data:")}
    assert links == {"https://arxiv.org/abs/2308.03580", *pages}
    assert "howfar.compare_backbones(" in text
    value = found[names[0]].datasets[0]
    assert value.relative_ci is not None
    assert f"{value.relative:.2f} [{value.relative_ci[0]:.2f}, {value.relative_ci[1]:.2f}]" in text
    seen = looks(found)
    assert list(seen) == [*names, *found.trivial]
    assert len({(look.colour, look.marker) for look in seen.values()}) == len(seen)
    monkeypatch.chdir(tmp_path)
    scope: dict[str, Any] = {}
    exec(rerun_backbones(found), scope)
    assert scope["found"].to_frame().equals(found.to_frame())


def column(table: Table, title: str) -> list[Cell]:
    place = [one.title for one in table.columns].index(title)
    return [row[place] for row in table.rows]


def test_neighbours_mark_the_ranks_that_differ(six: Comparison) -> None:
    near, far = six.datasets[0], six.datasets[4]
    images = six.images.copy()
    images.loc[images["dataset"] == near.name, "knn"] += 100.0
    table = comparison_report.neighbours(replace(six, datasets=(near, far), images=images))
    assert [cell.text for cell in column(table, "rank")] == ["1", "2"]
    assert [(cell.text, cell.strong) for cell in column(table, "rank by kNN")] == [("2 ≠", True), ("1 ≠", True)]
    alike = comparison_report.neighbours(replace(six, datasets=(near, far)))
    assert not any(cell.strong for cell in column(alike, "rank by kNN"))


def test_rivals_have_ranks_and_signs_and_identity_is_laid_out_flat(six: Comparison) -> None:
    pair = zip(six.datasets[:2], (-0.5, -0.25), strict=True)
    table = comparison_report.rivals(
        replace(six, datasets=tuple(replace(d, rivals={"kid": kid, "mine": 1.0}) for d, kid in pair))
    )
    assert [cell.text for cell in column(table, "KID")] == ["−0.5 (1)", "−0.25 (2)"]
    assert [cell.text for cell in column(table, "mine")] == ["1 (1.5)", "1 (1.5)"]
    identity = {"name": "efficientnet_lite0", "preprocessing": {"size": [224, 224], "via": None}}
    flat = comparison_report.backbone(replace(six, backbone=replace(six.backbone, identity=identity, layers=(1000, 280))))
    assert {row[0].text: row[1].text for row in flat.rows} == {
        "name": "efficientnet_lite0",
        "feature length (q)": "1,280",
        "layers": "1,000 + 280",
        "preprocessing: size": "224, 224",
        "preprocessing: via": "none",
    }


def test_tables_are_written_in_full_precision_and_for_latex() -> None:
    f = replace(with_interval(0.52, 0.25, 0.75, "{:.1f}".format), strong=True)
    table = Table((Column("set"), Column("O^dist")), ((Cell("a_b"), f), (Cell("site"), Cell("–"))))
    assert as_csv(table) == "set,O^dist,O^dist low,O^dist high\na_b,0.52,0.25,0.75\nsite,,,\n"
    assert as_latex(TablePart("t", "Distances", table), "name").splitlines() == [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        r"\caption{Distances}",
        r"\label{tab:name}",
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"set & $O^{\mathrm{dist}}$ \\",
        r"\midrule",
        r"a\_b & \textbf{0.5 [0.2, 0.8]} \\",
        r"site & -- \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
