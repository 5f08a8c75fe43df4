"""The words that a page explains at its end are those that a reader sees on it."""

from __future__ import annotations

from howfar.glossary import terms_in
from howfar.report.page import _visible, fill

PAGE = """<style>.gate { }</style><script>const verdict = "ODS"</script><svg><text>OIS</text></svg>
<p title="AP">I<sup>dist</sup> &amp; the <b>energy</b> distance</p>"""


def test_words_in_scripts_styles_figures_and_tags_are_not_explained() -> None:
    assert [term.name for term in terms_in(_visible(PAGE))] == ["I^dist", "energy distance"]


def test_no_words_leave_no_section() -> None:
    assert fill("terms.html.j2", {"terms": []}).strip() == ""
    assert "<dt>I<sup>dist</sup></dt>" in fill("terms.html.j2", {"terms": terms_in("I^dist")})
