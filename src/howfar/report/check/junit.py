"""Write what a check decided as JUnit XML, which CI systems show as tests."""

from __future__ import annotations

from xml.etree import ElementTree

from howfar.printable import xml_text
from howfar.results.check import Check, Decision


def junit_text(check: Check) -> str:
    """Write one suite a dataset and one test a rule: a breach is a failure, undecided an error, a warning its output.

    The elements and attributes are those of the JUnit XML that Ant's task writes, which all readers take.

    Examples
    --------
    >>> from howfar.results.check import Check, Decision
    >>> few = Decision("site", "images", "breach", "breach", "at least 20", 3, None, None, "3 images were scored")
    >>> print(junit_text(Check("roads", (few,))))
    <?xml version="1.0" encoding="utf-8"?>
    <testsuites name="howfar check" tests="1" failures="1" errors="0">
      <testsuite name="site" tests="1" failures="1" errors="0" skipped="0">
        <testcase classname="roads.site" name="images">
          <failure type="breach" message="3 images were scored">must be at least 20</failure>
        </testcase>
      </testsuite>
    </testsuites>
    <BLANKLINE>
    """
    root = ElementTree.Element("testsuites", {"name": "howfar check", **_counts(check.decisions)})
    for name in dict.fromkeys(decision.dataset for decision in check.decisions):
        its = tuple(decision for decision in check.decisions if decision.dataset == name)
        suite = ElementTree.SubElement(root, "testsuite", {"name": xml_text(name), **_counts(its), "skipped": "0"})
        for decision in its:
            _add(suite, decision, check.primary)
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _counts(decisions: tuple[Decision, ...]) -> dict[str, str]:
    outcomes = [decision.counts for decision in decisions]
    counts = {"tests": len(outcomes), "failures": outcomes.count("breach"), "errors": outcomes.count("undecided")}
    return {name: str(count) for name, count in counts.items()}


def _add(suite: ElementTree.Element, decision: Decision, primary: str) -> None:
    case = ElementTree.SubElement(
        suite, "testcase", {"classname": xml_text(f"{primary}.{decision.dataset}"), "name": xml_text(decision.rule)}
    )
    if decision.counts == "pass":
        output = ElementTree.SubElement(case, "system-out")
        output.text = xml_text(f"{decision.shown}: {decision.why()}")
        return
    tag = "failure" if decision.counts == "breach" else "error"
    fault = ElementTree.SubElement(case, tag, {"type": decision.counts, "message": xml_text(decision.words)})
    fault.text = xml_text("; ".join(filter(None, [f"must be {decision.must}", decision.remedy])))
