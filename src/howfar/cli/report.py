"""Draw the figures and the report of a run or a study again (`howfar report`)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Unpack

import typer

from howfar.cli import options
from howfar.cli.terminal import say
from howfar.keywords import PageOptions


@options.command(PageOptions)
def report(
    run: Annotated[Path, typer.Argument(help="A folder that compare, matrix, adapt or prompts wrote.")],
    **chosen: Unpack[PageOptions],
) -> None:
    """Write figures/ and report.html of a RUN or a study anew from its tables, and print the page's path."""
    from howfar.studies.run_folder import write_report

    say(str(write_report(run, **chosen)))
