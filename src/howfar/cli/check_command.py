"""Check new datasets against rules, for pipelines: exit 0 pass, 3 breach, 4 undecided (`howfar check`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Unpack

import typer

from howfar.cli import flags
from howfar.cli.terminal import SHOWN, answer, console, print_paths, print_skipped, print_table
from howfar.errors import InputError
from howfar.io.location import ready_folder
from howfar.keywords import ScoreOptions

if TYPE_CHECKING:
    from howfar.results.check_result import Check

RULES = Path("rules.yaml")


@flags.command(ScoreOptions)
def check(
    file: Annotated[
        Path | None, flags.argument("PROFILE", "A file of `howfar profile`, or a run folder of `howfar assess`.")
    ] = None,
    new: Annotated[list[str] | None, flags.argument("NEW", f"{flags.DATASET} None with --since: the log alone.")] = None,
    rules: Annotated[Path | None, flags.value("FILE", "Decide by these rules, YAML or TOML; --new writes a start.")] = None,
    start: Annotated[bool, typer.Option("--new", help="Write commented rules to --rules (rules.yaml), check nothing.")] = False,
    certificate: Annotated[
        list[Path] | None, flags.value("FILE", "Use this certificate instead of the estimate; repeat it.")
    ] = None,
    performance: Annotated[
        list[Path] | None,
        flags.value(
            "FILE",
            "Read the performance of randomly drawn labelled images, for the alarm: a file of `howfar evaluate`, or a table.",
        ),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Add a row to the profile's log, PROFILE.log.jsonl.")] = False,
    log: Annotated[Path | None, flags.value("FILE", "Add a row to this log instead.")] = None,
    since: Annotated[str | None, flags.value("DATE", "Show the log's rows from then on, for the alarm; add none.")] = None,
    junit: Annotated[Path | None, flags.value("FILE", "Write JUnit XML there.")] = None,
    markdown: Annotated[Path | None, flags.value("FILE", "Write a summary there.")] = None,
    prometheus: Annotated[Path | None, flags.value("FILE", "Write metrics for the textfile collector there.")] = None,
    json: flags.Json = False,
    **chosen: Unpack[ScoreOptions],
) -> None:
    """Decide by rules whether the model may be used on NEW: exit 0 pass, 3 breach, 4 undecided (label some images first)."""
    from howfar.io.atomic import replace_text
    from howfar.report.check_report import junit_text, markdown_text, prometheus_text
    from howfar.studies.check.check_site import check as study
    from howfar.studies.check.rules import write_start

    if start:
        print_paths(console(), {"written": write_start(rules or RULES)})
        return
    if file is None:
        raise InputError("PROFILE must be given: howfar profile PRIMARY -o PROFILE writes it")
    written = {"junit": junit, "markdown": markdown, "prometheus": prometheus}
    for option, path in written.items():
        ready_folder(option, None if path is None else path.absolute().parent)
        if path is not None and path.is_dir():
            raise InputError.of(option, "must be a file, not a folder", str(path), "name a file in it")
    beside: dict[str, Any] = {"certificate": certificate or None, "performance": performance or None}
    found = study(file, new or None, rules, **beside, keep=keep, log=log, since=since, **chosen)
    texts = {"junit": junit_text, "markdown": markdown_text, "prometheus": prometheus_text}
    for option, path in written.items():
        if path is not None:
            replace_text(path, texts[option](found))
    answer(found, json, _show, written, since is not None)
    if found.exit_code:
        raise typer.Exit(found.exit_code)


def _show(found: Check, files: dict[str, Path | None], whole: bool) -> None:
    from howfar.results.check_result import LOG_HEADER

    to = console()
    to.print(found.caption(), style="bold")
    if found.decisions:
        print_table(to, *found.table())
    for line in found.remarks():
        to.print(line, soft_wrap=True)
    rows = found.rows if whole else found.rows[-SHOWN:]
    if rows:
        print_table(to, LOG_HEADER, [row.cells() for row in rows])
    if len(rows) < len(found.rows):
        to.print(f"{len(found.rows) - len(rows)} earlier batches: howfar check PROFILE --since DATE")
    print_skipped(to, found.skipped, "howfar score lists them")
    print_paths(to, {"log": None if found.log is None else Path(found.log), **files})
