"""Define the commands `study`, `report`, `card` (model cards), `bench` (compare methods) and `mcp` (serve an AI assistant)."""

import json as text_json
import sys
from pathlib import Path
from typing import Annotated, Unpack

import typer

from howfar.cli import flags
from howfar.cli.flags import argument, switch, value
from howfar.cli.printing import answer, console, print_json, print_paths, print_table, say, show
from howfar.errors import InputError
from howfar.options_by_function import PageOptions, StudyFileOptions
from howfar.progress import stage


@flags.command(PageOptions)
def report(
    run: Annotated[Path, typer.Argument(help="A folder that compare, matrix, adapt or prompts wrote.")],
    summary: Annotated[bool, switch("--summary", "Write summary.html too: the answer on one page, to print.")] = False,
    **chosen: Unpack[PageOptions],
) -> None:
    """Write figures/ and report.html of a RUN or a study anew from its tables, and print the page's path."""
    from howfar.report.page import write_summary
    from howfar.studies.run_report import write_report

    with stage(f"drawing the report of {run}"):
        page = write_report(run, **chosen)
    say(str(page))
    if summary:
        with stage("writing the answer on one page"):
            written = write_summary(page)
        say(str(written))


def mcp(folder: Annotated[Path, argument("FOLDER", "Let the assistant write below this folder alone.")]) -> None:
    """Serve ten tools to an assistant over MCP, on stdin and stdout: assess, compare, certify, check, select, score and more.

    Your assistant's program starts this command itself; the documentation says where it is named.
    """
    from howfar.integrations.mcp_server import serve

    if sys.stdin.isatty():
        say("howfar mcp waits for an MCP client on stdin; Ctrl-C ends it", err=True)
    serve(folder)


@flags.command(StudyFileOptions)
def study(
    file: Annotated[Path, argument("STUDY.toml", "The study file; with --new the file to write.")] = Path("study.toml"),
    new: Annotated[bool, switch("--new", "Write a commented start of a study file, and run nothing.")] = False,
    schema: Annotated[bool, switch("--schema", "Print the JSON Schema of study files, and run nothing.")] = False,
    dry_run: Annotated[bool, switch("--dry-run", "Show what would run, with time and disk; run nothing.")] = False,
    bundle: Annotated[Path | None, value("FILE.zip", "Write study file, hashes and results there, no images.")] = None,
    data: Annotated[Path | None, value("DIR", "Run a bundle again on the datasets in this folder, and compare.")] = None,
    json: flags.Json = False,
    **chosen: Unpack[StudyFileOptions],
) -> None:
    """Run the studies of STUDY.toml that are not done yet, and write one report of all."""
    from howfar.studies.study_file.kind import write_start
    from howfar.studies.study_file.read_study_file import json_schema
    from howfar.studies.study_file.run_and_estimate import PAGE, estimate, plan_of, run_plan

    bundled = file.suffix.lower() == ".zip"
    if [new, schema, dry_run, bundle is not None, bundled].count(True) > 1:
        raise InputError("--new, --schema, --dry-run, --bundle and a bundle to run again must be given one at a time")
    if bundled != (data is not None):
        raise InputError("--data must be given with a bundle to run again, and only there: howfar study BUNDLE.zip --data DIR")
    if schema:
        for line in text_json.dumps(json_schema(), indent=1).splitlines():
            say(line)
    elif data is not None:
        from howfar.studies.study_file.results_bundle import rerun_bundle

        found = rerun_bundle(file, data, **chosen)
        answer(found, json, show, {"run": Path(found.folder)})
        if not found.agrees:
            raise typer.Exit(1)
    elif new:
        print_paths({"written": write_start(file)})
    elif dry_run:
        answer(estimate(file, **chosen), json, show, {})
    else:
        from howfar.option_checks_and_signatures import checked
        from howfar.studies.study_file.results_bundle import check_bundle_path, write_bundle

        given = checked(StudyFileOptions, chosen)
        if bundle is not None:
            check_bundle_path(bundle)
        plan = plan_of(file, given)
        run = run_plan(plan, given)
        written = None if bundle is None else write_bundle(run, plan, bundle)
        answer(run, json, show, {"report": plan.root / PAGE, "bundle": written})


def card(
    run: Annotated[Path, argument("RUN", "A folder that `howfar assess` or `howfar certify` wrote.")],
    out: Annotated[Path | None, value("FILE", "Write this card; by default README.md in RUN.", "--out", "-o")] = None,
    name: Annotated[str | None, value("NAME", "Name the model so; by default as its card or file does.")] = None,
) -> None:
    """Write results with intervals, the gate's range and the profile's digest into a Hugging Face model card, offline."""
    from howfar.integrations.model_card import write_card

    written = write_card(run, out, name)
    say(str(out or written))


METHODS = "A Python file, whose code then runs, or a method that howfar brings; by default all of these."
ENTRIES = "Read entries here, a Parquet or CSV file a model; by default those that howfar brings."


def bench(
    methods: Annotated[list[str] | None, argument("METHOD.py", METHODS)] = None,
    entries: Annotated[Path | None, value("DIR", ENTRIES)] = None,
    json: flags.Json = False,
) -> None:
    """Compare your own method with others: errors on new sites, intervals, gate, ranking of failures, labels needed."""
    from howfar.studies.bench.method_comparison import INCLUDED
    from howfar.studies.bench.method_comparison import bench as study

    found = study(methods or INCLUDED, entries)
    if json:
        print_json(found)
        return
    from howfar.report.estimation_methods_report import section
    from howfar.report.section import TablePart

    filled, to = section(found), console()
    to.print(filled.lead, style="bold")
    for part in filled.parts:
        if isinstance(part, TablePart):
            to.print(part.title)
            rows = [[cell.text for cell in row] for row in part.table.rows]
            print_table(to, [each.title for each in part.table.columns], rows)
            for each in (column for column in part.table.columns if column.explanation):
                to.print(f"{each.title}: {each.explanation}", style="dim")
    for sentence in filled.sentences:
        to.print(sentence)
