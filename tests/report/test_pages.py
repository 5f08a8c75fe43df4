"""Pages are whole, closed and escaped, hold the numbers of the result and no more, and replace what was there before."""

import re
from collections.abc import Callable
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import believable_identity
from assessed_sites import assessment
from figures import believable, believable_relation
from howfar import registry
from howfar.errors import InputError, StoreError
from howfar.glossary import terms_in
from howfar.report.adaptation_report import write_adaptation_report
from howfar.report.comparison_report import write_report
from howfar.report.estimates_report import ASSESSMENT
from howfar.report.page import RunResults, _visible, fill, gates_as_answered, without_corrupted
from howfar.report.reproduction_code import NOT_RECORDED, argument, rerun
from howfar.report.section import Cell, Column, Table, TablePart, interval_cell
from howfar.report.study_report import as_csv, as_latex, write_section_report
from howfar.results import Comparison, Relation
from howfar.results.assessment_result import Assessment, LabelledSet
from howfar.results.display_and_shared_records import Interval
from howfar.results.relation_result import Gate, GateReading
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


def test_words_in_scripts_styles_figures_and_tags_are_not_explained() -> None:
    page = """<style>.gate { }</style><script>const verdict = "ODS"</script><svg><text>OIS</text></svg>
    <p title="AP">I<sup>dist</sup> &amp; the <b>energy</b> distance</p>"""
    assert [term.name for term in terms_in(_visible(page))] == ["I^dist", "energy distance"]
    assert fill("terms.html.j2", {"terms": []}).strip() == ""
    assert "<dt>I<sup>dist</sup></dt>" in fill("terms.html.j2", {"terms": terms_in("I^dist")})


def test_a_report_replaces_the_one_before(six, bakeoff, tmp_path, monkeypatch):
    ours = registry.OURS["figures"]
    monkeypatch.setitem(registry.OURS, "figures", {"relative": ours["relative"]})  # type: ignore[arg-type]  # it is a dict
    one = believable.only(six, 5)
    bare = replace(bakeoff, images=bakeoff.images.assign(f=np.nan, path=""))
    cases: list[tuple[str, Callable[..., Path], Any, set[str]]] = [
        ("judgements", write_report, one, {"relative.png", "relative.svg"}),
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


def test_the_relation_of_the_folder_is_read(quick, six, related, tmp_path):
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


def test_one_study_has_a_page_with_all_its_files(tmp_path: Path) -> None:
    page = write_section_report(believable_identity.make(tmp_path, apart={"lite0": 3.0}), tmp_path / "identity")
    assert "Do distances tell persons apart?" in page.read_text(encoding="utf-8")
    names = {file.name for file in (tmp_path / "identity" / "figures").iterdir()}
    assert {"persons.png", "violins-1.svg", "blur-1.pdf"} <= names
    assert (tmp_path / "identity" / "tables" / "claims.tex").is_file()


def test_tables_are_written_in_full_precision_and_for_latex() -> None:
    f = interval_cell(Interval(0.52, 0.25, 0.75), "{:.1f}".format, strong=True)
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


@pytest.fixture
def corrupted(six: Comparison) -> str:
    return six.datasets[1].name


@pytest.fixture
def answers(related: Relation, corrupted: str) -> Assessment:
    """An assessment of the six in which one was made to learn from."""
    some = assessment().sites[0]
    sites = tuple(
        replace(some, dataset=row.dataset, estimate=row.predicted, gate=None, to_label=())
        for row in related.estimates
        if row.dataset != corrupted
    )
    made = LabelledSet(corrupted, "corrupted", 9, 0.5, 0.5, 0.4, 0.6, True, None)
    return replace(assessment(), sites=sites, labelled=(made,))


def test_a_corrupted_set_is_in_no_row(six: Comparison, related: Relation, answers: Assessment, corrupted: str) -> None:
    shown, narrowed = without_corrupted(six, answers), without_corrupted(related, answers)
    assert narrowed is not None
    assert [row.name for row in shown.datasets] == [row.name for row in six.datasets if row.name != corrupted]
    for frame, column in ((shown.images, "dataset"), (shown.primary_images, "against"), (narrowed.images, "dataset")):
        assert set(frame[column]) == {row.name for row in shown.datasets}
    for rows in (narrowed.estimates, narrowed.failures, narrowed.gates):
        assert corrupted not in {row.dataset for row in rows}
    assert narrowed.judgements == related.judgements
    assert narrowed.pooled is None
    assert (shown.run_id, narrowed.run_id) == (six.run_id, related.run_id)
    assert without_corrupted(six, None) is six
    assert without_corrupted(related, replace(answers, labelled=())) is related


def test_gates_are_those_that_the_answers_read(related: Relation, answers: Assessment) -> None:
    name, other = related.estimates[0].dataset, related.estimates[1].dataset
    large = GateReading("size", 999.0, None, 500.0, False, "images larger than any labelled dataset")
    near = GateReading("distance", 1.1, None, 1.3, True, "distance 1.1")
    gated = replace(related, gates=(Gate(name, (large, near)), Gate(other, (near,))))
    site = replace(answers.sites[0], dataset=name, gate=Gate(name, (near,)))
    read = gates_as_answered(gated, replace(answers, sites=(site,)))
    assert read is not None
    assert [[gate.inside for gate in each.gates] for each in (gated, read)] == [[False, True], [True, True]]
    assert gates_as_answered(gated, None) is gated


def test_answers_of_an_earlier_relation_are_not_shown(six, related, answers, tmp_path):
    answers.save(tmp_path)
    assert RunResults.of(six, tmp_path, related).assessment is not None
    moved = tuple(replace(row, predicted=row.predicted + 0.2) for row in related.estimates)
    assert RunResults.of(six, tmp_path, replace(related, estimates=moved)).assessment is None
    assert RunResults.of(six, tmp_path).assessment is None
    assert ASSESSMENT.content(six, related, assessment=None) is None
    assert ASSESSMENT.content(six, None, assessment=answers) is None


def test_gaps_where_the_result_does_not_tell(six: Comparison) -> None:
    text = rerun(six)
    compile(text, "rerun", "exec")
    assert "'training & <set>=<where training & <set> is>'" in text
    assert "from_folder" not in text
    assert "backbone=" in text
    assert "backbone=" not in rerun(replace(six, backbone=replace(six.backbone, name="embeddings"), options={}))
    assert rerun(replace(six, options={})) == NOT_RECORDED
    assert "not recorded" in NOT_RECORDED
    compile(NOT_RECORDED, "rerun", "exec")
    assert argument("roads", {"roads": "/data/roads.csv"}) == "'roads=/data/roads.csv'"
    assert argument("site", {}) == "'site=<where site is>'"
    assert argument("a=b", {"a=b": "/data/ab"}) == "howfar.Dataset.from_folder('/data/ab', name='a=b')"
