"""Save a reference profile of a primary dataset, and score new images by it (`howfar profile`, `score`, `check`, `watch`)."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Unpack

import typer

from howfar.cli import flags
from howfar.cli.exit_codes import INTERRUPTED
from howfar.cli.flags import argument, switch, value
from howfar.cli.performance_commands import show_judgements
from howfar.cli.printing import SHOWN, answer, console, json_text, print_json, print_paths, print_skipped, print_table, say
from howfar.errors import InputError
from howfar.image_reading_options import READING, reading_asked
from howfar.io.file_location import ready_file
from howfar.options import DEFAULT_BACKBONE
from howfar.options_by_function import BackboneOptions, ProfileOptions, ScoreOptions, ScoringOptions
from howfar.progress import stage

if TYPE_CHECKING:
    from howfar.pipeline.primary_reference import PrimaryReference
    from howfar.pipeline.profile_scorer import Group, Scorer
    from howfar.results import Skipped
    from howfar.results.check_result import Check
    from howfar.results.scores import Score


ENDING = ".howfar"


@flags.command(ProfileOptions)
def profile(
    primary: Annotated[str, argument("PRIMARY", f"What the model was trained on. {flags.DATASET}")],
    out: Annotated[Path, value("FILE", "Write this file, roads.howfar say.", "--out", "-o")],
    backbone: flags.Backbone = DEFAULT_BACKBONE,
    labelled: Annotated[list[str] | None, value("SET", "Learn from this dataset of known performance; repeat it.")] = None,
    performance: flags.Performance = None,
    onnx: Annotated[Path | None, value("FILE", "Write an ONNX graph too, from features to their scores.")] = None,
    json: flags.Json = False,
    **chosen: Unpack[ProfileOptions],
) -> None:
    """Save in FILE everything needed to score new images against PRIMARY, without its images: `howfar score FILE NEW...`.

    With labelled datasets and their performance, scores predict whether the model will fail.
    """
    from howfar.integrations.onnx_gate import constants, onnx_path, write_gate
    from howfar.pipeline.profile_file import document
    from howfar.studies.profile_dataset import profile as study

    if out.suffix.lower() != ENDING:
        raise InputError.of("out", f"must end in {ENDING}", str(out), "so that no other file is written over")
    ready_file("out", out)
    if onnx is not None:
        onnx_path("onnx", onnx)
    reference = study(primary, backbone, labelled=labelled or None, performance=performance or None, **chosen)
    if onnx is not None:
        constants(reference)  # before the profile is written
        if reference.judge is not None:
            say("note: the graph's flag is by the p-value alone: predicted performance takes predictions", err=True)
    reference.save(out)
    if onnx is not None:
        write_gate(out, onnx)
    if json:
        print_json(document(reference))
        return
    to = console()
    for line in repr(reference).split("\n"):
        say(line)
    if reference.judge is not None:
        show_judgements(to, reference.judge.judgements, reference.judge.order[0], reference.judge.threshold)
    print_skipped(reference.skipped[:SHOWN], "")
    print_paths({"profile": out, "graph": onnx})


def fuse(
    model: Annotated[Path, argument("MODEL", "The .onnx network that is deployed.")],
    profile: Annotated[Path, argument("PROFILE", "What `howfar profile --backbone onnx:MODEL.onnx` wrote.")],
    out: Annotated[Path, value("FILE", "Write this network, both.onnx say.", "--out", "-o")],
) -> None:
    """Write one ONNX network with the outputs of MODEL, and each image's distance, percentile, p-value and flag."""
    from howfar.integrations import onnx_gate

    onnx_gate.fuse(model, profile, out)
    print_paths({"network": out})


STDIN = "-"
WIDTHS = (9, 9, 10, 7, 18, 5)


@flags.command(ScoreOptions)
def score(
    file: Annotated[Path, argument("FILE", "What `howfar profile -o` wrote, or a run folder of `howfar assess`.")],
    new: Annotated[list[str] | None, argument("NEW", "Image files and datasets; - reads paths from stdin.")] = None,
    stdin: Annotated[bool, switch("--stdin", "Read one path a line from stdin, and answer each at once.")] = False,
    geojson: Annotated[Path | None, value("FILE", "Write windows with their scores there, for QGIS.", "--geojson")] = None,
    geopackage: Annotated[
        Path | None, value("FILE", "Write windows with their scores there as GeoPackage.", "--geopackage")
    ] = None,
    json: Annotated[bool, flags.output_flag("--json", "Print one JSON document per image, each on a line of stdout.")] = False,
    **chosen: Unpack[ScoreOptions],
) -> None:
    """Score each NEW image: its distance from the primary dataset of FILE, and whether the model will probably fail on it.

    An image that cannot be read gets a line with the reason. The exit code is 0 where at least one image was scored.
    """
    from howfar.option_checks_and_signatures import picked
    from howfar.pipeline.profile_file import Profile
    from howfar.pipeline.profile_scorer import OWN_SUBSPACE, Scorer, arrivals, load_again

    given = [argument for argument in new or [] if argument != STDIN]
    stdin = stdin or len(given) < len(new or [])
    if not given and not stdin:
        raise InputError("NEW must name at least one image or dataset: pass files, folders, or - to read paths from stdin")
    if stdin and (cut := reading_asked().window or reading_asked().frames):
        raise InputError.of("--window and --frames", "cut files that are named as NEW", cut, "leave --stdin out")
    profile = Profile.load(file)
    for name, target, endings in (("geojson", geojson, (".geojson", ".json")), ("geopackage", geopackage, (".gpkg",))):
        if target is not None and target.suffix.lower() not in endings:
            raise InputError.of(name, f"must end in {endings[0]}", str(target), "so that no other file is written over")
        ready_file(name, target)
    files = [file for file in (geojson, geopackage) if file is not None]
    groups = arrivals(given, profile.identity.get(READING)) if given else []
    needed = stdin or any(group.items for group in groups)
    backbone = load_again(profile, **picked(BackboneOptions, chosen)) if needed else None
    scorer = Scorer(profile, backbone, picked(ScoringOptions, chosen))
    for note in (*scorer.notes, *(() if json else (OWN_SUBSPACE,))):
        say(f"note: {note}", err=True)
    scores = _answer(_outcomes(scorer, groups, stdin), json, profile, bool(files))
    if files:
        from howfar.data import raster_windows_and_outlines
        from howfar.io.atomic_writes import replace, replace_text

        outlines = raster_windows_and_outlines.outlines_of((score.image, score.to_dict()) for score in scores)
        if geojson is not None:
            replace_text(geojson, json_text(raster_windows_and_outlines.geojson(outlines)))
        if geopackage is not None:
            content = raster_windows_and_outlines.geopackage(outlines)
            replace(geopackage, lambda path: path.write_bytes(content))
        say(f"windows: {', '.join(map(str, files))}", err=True)


def _outcomes(scorer: Scorer, groups: Sequence[Group], stdin: bool) -> Iterator[Score | Skipped]:
    """Yield each outcome, and name the work on stderr while the next is computed, but not while a line of stdin is awaited."""
    outcomes = chain.from_iterable(map(scorer.each, groups))
    while True:
        with stage("scoring images"):
            outcome = next(outcomes, None)
        if outcome is None:
            break
        yield outcome
    if stdin:
        # Read bytes line by line: a path is bytes, and each line must be answered before the next is read.
        while line := sys.stdin.buffer.readline():
            path = os.fsdecode(line.rstrip(b"\r\n"))
            if path:
                yield scorer.one(path)


def _answer(outcomes: Iterator[Score | Skipped], json: bool, profile: PrimaryReference, keep: bool) -> list[Score]:
    """Print a line for each image as it is scored, then each dataset's answer; return the scores that are kept."""
    from howfar.pipeline.profile_scorer import judged
    from howfar.results.scores import Score

    scores: list[Score] = []
    scored = flagged = unreadable = 0
    try:
        if not json:
            say(_columns("image", ("relative", "kNN", "percentile", "p", "predicted", "flag"), "why"))
        for outcome in outcomes:
            if isinstance(outcome, Score):
                scored, flagged = scored + 1, flagged + bool(outcome.flag)
                image, *numbers, why = outcome.cells()
                # Behind a semicolon stands why the image's map is not used.
                why = "" if outcome.flag is False and "; " not in why else why
                line = json_text(outcome.to_dict()) if json else _columns(image, numbers, why)
                if keep or profile.judge is not None:
                    scores.append(outcome)
            else:
                unreadable += 1
                fault = {"dataset": outcome.dataset, "image": outcome.path, "error": outcome.reason}
                line = json_text(fault) if json else f"{outcome.path}  error: {outcome.reason}"
            say(line)
    except KeyboardInterrupt:
        say(f"howfar: stopped after {_summary(scored, flagged, unreadable)}", err=True)
        # The printed lines are complete; main's advice for a stopped run is about a store, which is not used here.
        raise SystemExit(INTERRUPTED) from None
    except BrokenPipeError:
        # The reader has closed the pipe: discard what Python would flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return scores
    if not json:
        for words in (*judged(profile, scores).answers(), _summary(scored, flagged, unreadable)):
            say(words)
    if unreadable and not scored:
        say(f"howfar: no image could be scored: {unreadable} could not be read", err=True)
        raise typer.Exit(2)
    return scores


def _columns(image: str, numbers: Sequence[str], why: str) -> str:
    """Align columns at fixed widths, as later images are unknown; the path, of any length, is last but one."""
    cells = "  ".join(cell.rjust(width) for cell, width in zip(numbers, WIDTHS, strict=True))
    return f"{cells}  {image}  {why}".rstrip()


def _summary(scored: int, flagged: int, unreadable: int) -> str:
    unread = f", {unreadable} left out" if unreadable else ""
    return f"{scored} {'image' if scored == 1 else 'images'} scored, {flagged} flagged{unread}"


LABELLED = "Read the performance of randomly drawn labelled images, for the alarm: a file of `howfar evaluate`, or a table."
RULES = Path("rules.yaml")


@flags.command(ScoreOptions)
def check(
    file: Annotated[Path | None, argument("PROFILE", "A file of `howfar profile`, or a run folder of `howfar assess`.")] = None,
    new: Annotated[list[str] | None, argument("NEW", f"{flags.DATASET} None with --since: the log alone.")] = None,
    rules: Annotated[Path | None, value("FILE", "Decide by these rules, YAML or TOML; --new writes a start.")] = None,
    start: Annotated[bool, switch("--new", "Write commented rules to --rules (rules.yaml), check nothing.")] = False,
    certificate: Annotated[list[Path] | None, value("FILE", "Use this certificate instead of the estimate; repeat it.")] = None,
    performance: Annotated[list[Path] | None, value("FILE", LABELLED)] = None,
    keep: Annotated[bool, switch("--keep", "Add a row to the profile's log, PROFILE.log.jsonl.")] = False,
    log: Annotated[Path | None, value("FILE", "Add a row to this log instead.")] = None,
    since: Annotated[str | None, value("DATE", "Show the log's rows from then on, for the alarm; add none.")] = None,
    junit: Annotated[Path | None, value("FILE", "Write JUnit XML there.")] = None,
    markdown: Annotated[Path | None, value("FILE", "Write a summary there.")] = None,
    prometheus: Annotated[Path | None, value("FILE", "Write metrics for the textfile collector there.")] = None,
    json: flags.Json = False,
    **chosen: Unpack[ScoreOptions],
) -> None:
    """Decide by rules whether the model may be used on NEW: exit 0 pass, 3 breach, 4 undecided (label some images first)."""
    from howfar.io.atomic_writes import replace_text
    from howfar.report.check_report_formats import junit_text, markdown_text, prometheus_text
    from howfar.studies.check.check_site import check as study
    from howfar.studies.check.rules import write_start

    if start:
        print_paths({"written": write_start(rules or RULES)})
        return
    if file is None:
        remedy = "howfar check PROFILE NEW --rules FILE, with what howfar profile or assess wrote"
        raise InputError(f"PROFILE must be given: {remedy} (--new writes rules, --help shows more)")
    written = {"junit": junit, "markdown": markdown, "prometheus": prometheus}
    for option, path in written.items():
        ready_file(option, path)
    beside: dict[str, Any] = {"certificate": certificate or None, "performance": performance or None}
    with stage("scoring and judging images"):
        found = study(file, new or None, rules, **beside, keep=keep, log=log, since=since, **chosen)
    for path, text in zip(written.values(), (junit_text, markdown_text, prometheus_text), strict=True):
        if path is not None:
            replace_text(path, text(found))
    answer(found, json, _show_check, written, since is not None)
    if found.exit_code:
        raise typer.Exit(found.exit_code)


def _show_check(found: Check, files: dict[str, Path | None], whole: bool) -> None:
    from howfar.results.check_result import LOG_HEADER

    to = console()
    to.print(found.caption(), style="bold")
    if found.decisions:
        print_table(to, *found.table())
    for line in found.remarks():
        say(line)
    rows = found.rows if whole else found.rows[-SHOWN:]
    if rows:
        print_table(to, LOG_HEADER, [row.cells() for row in rows])
    if len(rows) < len(found.rows):
        to.print(f"{len(found.rows) - len(rows)} earlier batches: howfar check PROFILE --since DATE")
    print_skipped(found.skipped, "howfar score lists them")
    print_paths({"log": None if found.log is None else Path(found.log), **files})


@flags.command(ScoreOptions)
def watch(
    images: Annotated[str, argument("FOLDER", "Where images arrive, or its URL; - reads a list of paths from stdin.")],
    profile: Annotated[Path, value("FILE", "A file of `howfar profile`, or a run folder of `howfar assess`.")],
    rules: Annotated[Path, value("FILE", "Decide by these rules; howfar check --new writes a start.")],
    out: Annotated[Path, value("DIR", "Keep journal, log and labels in this folder.", "--out", "-o")],
    once: Annotated[bool, switch("--once", "Look once, and close the batch: for cron.")] = False,
    every: Annotated[float, typer.Option(min=0.0, help="Look again after this many seconds.")] = 60.0,
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="Serve a page here on 127.0.0.1; 0: a free one.")] = None,
    prometheus: Annotated[Path | None, value("FILE", "Write metrics for the textfile collector there.")] = None,
    json: Annotated[bool, flags.output_flag("--json", "Print each look as one JSON document on a line of stdout.")] = False,
    **chosen: Unpack[ScoreOptions],
) -> None:
    """Check images as they arrive: a verdict, an alarm over time, and one image a day to label, until Ctrl-C.

    It goes on where it was stopped. With --once the exit code is that of `howfar check`.
    """
    from howfar.explore.page_server_and_picks import serving
    from howfar.integrations.folder_watch import Watch, WatchPage
    from howfar.io.atomic_writes import replace_text
    from howfar.report.check_report_formats import prometheus_text

    ready_file("prometheus", prometheus)
    paths = [os.fsdecode(line) for line in sys.stdin.buffer.read().splitlines() if line] if images == STDIN else []
    ends = once or images == STDIN
    with ExitStack() as held:
        eye = held.enter_context(Watch(None if images == STDIN else images, profile, rules, out, chosen))
        page = WatchPage(f"howfar watch {images}")
        if port is not None:
            say(f"{held.enter_context(serving(page, port))} shows the verdict; Ctrl-C ends it", err=True)
        before: list[str] = []
        while True:
            found = page.found = eye.look(paths, close=ends)
            if prometheus is not None and found.check is not None:
                replace_text(prometheus, prometheus_text(found.check))
            if json:
                print_json(found.to_dict())
            elif ends or found.lines() != before:
                before = found.lines()
                for line in (f"{datetime.now(UTC):%Y-%m-%d %H:%M} {before[0]}", *before[1:]):
                    say(line)
            if ends:
                raise typer.Exit(0 if found.check is None else found.check.exit_code)
            time.sleep(every)
