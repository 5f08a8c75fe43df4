"""Figures and sections of other packages on the page of a run: shown after howfar's own, and left out where they fail."""

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any

import pytest
from matplotlib.figure import Figure

from figures import believable
from howfar import registry
from howfar.report.comparison_report import write_report
from howfar.report.page import SectionKind
from howfar.results import Comparison, Relation
from worlds.html_page import Page

TEMPLATE = """{% block edges %}
<section id="edges"><h2>Edges</h2>
{{ table(sizes, "Sizes") }}
{{ figure("placed") }}
<p>{{ c.primary.name }} and {{ note }}</p></section>
{% endblock %}"""


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes objects known as an installed package's entry points: ``installed("figures", edges=draw)``."""
    module = ModuleType("elsewhere")
    monkeypatch.setitem(sys.modules, "elsewhere", module)
    points: list[EntryPoint] = []
    monkeypatch.setattr(registry, "entry_points", lambda group: [point for point in points if point.group == group])

    def install(kind: str, **objects: Any) -> None:
        for name, value in objects.items():
            setattr(module, f"{kind}_{name}", value)
            points.append(EntryPoint(name, f"elsewhere:{kind}_{name}", f"howfar.{kind}"))

    return install


@pytest.fixture
def one(six: Comparison, monkeypatch: pytest.MonkeyPatch) -> Comparison:
    """A result whose page shows a single figure of howfar's own."""
    ours = registry.OURS["figures"]
    monkeypatch.setitem(registry.OURS, "figures", {"relative": ours["relative"]})
    return believable.only(six, 5)


def plain(comparison: Comparison) -> Figure:
    """Strength of edges in each set.

    More words, which no page shows.
    """
    figure = Figure()
    figure.add_subplot().set_title(f"edges beside {comparison.primary.n} images")
    return figure


def test_a_plain_function_is_shown_after_ours_with_its_first_line(one, tmp_path, installed):
    installed("figures", edge_strength=plain, another=plain)
    parsed = Page(write_report(one, tmp_path))
    figures = [figure["id"] for figure in parsed.of("figure")]
    assert figures == ["figure-relative", "figure-another", "figure-edge_strength"]
    assert "Further figures" in parsed.text
    assert "Edge strength. Strength of edges in each set." in parsed.text
    assert "More words" not in parsed.text
    assert "edges beside 150 images" in parsed.text
    assert {"edge_strength.png", "edge_strength.svg"} <= {path.name for path in (tmp_path / "figures").iterdir()}


def test_a_figure_that_raises_is_left_out_with_a_note(one, tmp_path, installed, monkeypatch):
    def broken(_: Comparison) -> Figure:
        raise ZeroDivisionError("no <edges>")

    installed("figures", broken=broken)
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "broken.png").write_bytes(b"of an earlier report")
    parsed = Page(write_report(one, tmp_path))
    assert "The figure broken could not be drawn (ZeroDivisionError: no <edges>)." in parsed.text
    assert [figure["id"] for figure in parsed.of("figure")] == ["figure-relative"]
    assert not (tmp_path / "figures" / "broken.png").exists()
    monkeypatch.setitem(registry.OURS, "figures", {"broken": "elsewhere:figures_broken"})
    with pytest.raises(ZeroDivisionError):
        write_report(one, tmp_path)


def test_a_section_stands_before_what_is_folded_and_in_the_contents(one, tmp_path, installed):
    from howfar.report.section import Cell, Column, Table

    template = tmp_path / "edges.html.j2"
    template.write_text(TEMPLATE)

    def content(comparison: Comparison, relation: Relation | None) -> dict[str, Any]:
        rows = tuple((Cell(dataset.name), Cell(f"{dataset.n}")) for dataset in comparison.datasets)
        return {"sizes": Table((Column("dataset"), Column("n")), rows), "note": f"<{relation}>"}

    installed("figures", placed=plain)
    installed(
        "sections",
        edges=SectionKind("edges", "Edges & more", template, content),
        nothing=SectionKind("nothing", "Nothing", template, lambda comparison, relation: None),
        broken=SectionKind("broken", "Broken", tmp_path / "gone.html.j2", content),
    )
    parsed = Page(write_report(one, tmp_path / "run"))
    ids = [attributes["id"] for attributes in parsed.of("section")]
    # What another package shows stands open, before the sections of ours that are folded.
    assert (ids[:3], ids[-3:]) == (["answer", "images", "edges"], ["made", "further", "terms"])
    assert {"href": "#edges"} in parsed.of("a")
    assert "training & <set> and <None>" in parsed.text
    assert {"href": "#nothing"} not in parsed.of("a")
    assert "The section broken could not be made (FileNotFoundError" in parsed.text
    assert parsed.text.index("edges beside") < parsed.text.index("training & <set> and <None>")
