"""Run the studies of a study file (`howfar study`)."""

from __future__ import annotations

import json as text_json
from pathlib import Path
from typing import Annotated, Unpack

import typer

from howfar.cli import options
from howfar.cli.terminal import console, print_json, print_paths, print_table, show
from howfar.errors import InputError
from howfar.keywords import StudyFileOptions


@options.command(StudyFileOptions)
def study(
    file: Annotated[Path, typer.Argument(metavar="STUDY.toml", help="The study file; with --new the file to write.")] = Path(
        "study.toml"
    ),
    new: Annotated[bool, typer.Option("--new", help="Write a commented start of a study file, and run nothing.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of study files, and run nothing.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be run, with estimated time and disk, and run nothing.")
    ] = False,
    json: options.Json = False,
    **chosen: Unpack[StudyFileOptions],
) -> None:
    """Run every study of STUDY.toml that is not done yet, and write one report of all."""
    from howfar.studies.study_file.schema import json_schema
    from howfar.studies.study_file.start import write_start

    if [new, schema, dry_run].count(True) > 1:
        raise InputError("--new, --schema and --dry-run must be given one at a time")
    if schema:
        typer.echo(text_json.dumps(json_schema(), indent=1))
    elif new:
        print_paths(console(), {"written": write_start(file)})
    elif dry_run:
        _show_plan(file, json, chosen)
    else:
        _run(file, json, chosen)


def _run(file: Path, json: bool, chosen: StudyFileOptions) -> None:
    from howfar.studies.study_file.study import PAGE, run_folder_of, study

    run = study(file, **chosen)
    if json:
        print_json(run.to_dict())
    else:
        show(run, {"report": run_folder_of(file, chosen.get("out")) / PAGE})


def _show_plan(file: Path, json: bool, chosen: StudyFileOptions) -> None:
    from howfar.studies.study_file.estimate import estimate

    found = estimate(file, **chosen)
    if json:
        print_json(found.to_dict())
        return
    to = console()
    to.print(found.caption(), style="bold", markup=False)
    print_table(to, *found.table())
    for line in found.remarks():
        to.print(line, markup=False)
