"""Rewrite a run's report (`howfar report`), or serve its images on a page (`howfar explore`)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Unpack

import typer

from howfar.cli import flags
from howfar.cli.terminal import say
from howfar.keywords import PageOptions


@flags.command(PageOptions)
def report(
    run: Annotated[Path, typer.Argument(help="A folder that compare, matrix, adapt or prompts wrote.")],
    summary: Annotated[
        bool, typer.Option("--summary", help="Write summary.html too: the answer on one page, to print.")
    ] = False,
    **chosen: Unpack[PageOptions],
) -> None:
    """Write figures/ and report.html of a RUN or a study anew from its tables, and print the page's path."""
    from howfar.report.page import write_summary
    from howfar.studies.run_folder import write_report

    page = write_report(run, **chosen)
    say(str(page))
    if summary:
        say(str(write_summary(page)))


@flags.command(PageOptions)
def explore(
    run: Annotated[Path, flags.argument("RUN", "A folder that `howfar compare --out` or `howfar adapt` wrote.")],
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Listen on this port of 127.0.0.1; 0 takes any free one.")] = 0,
    **chosen: Unpack[PageOptions],
) -> None:
    """Serve a page to look at the images of RUN at full size and to pick some, on this machine alone, until Ctrl-C."""
    from howfar.errors import InputError
    from howfar.explore.server import Server
    from howfar.report.explorer import site_of

    site = site_of(run, **chosen)
    try:
        server = Server(site, port)
    except OSError as error:
        rule = f"cannot be listened on ({error.strerror or error})"
        raise InputError.of("port", rule, port, "choose another, or leave it out") from error
    with server:
        say(f"{server.address} shows {run}; Ctrl-C ends it", err=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("ended", err=True)


def card(
    run: Annotated[Path, flags.argument("RUN", "A folder that `howfar assess` or `howfar certify` wrote.")],
    out: Annotated[Path | None, flags.value("FILE", "Write this card; by default README.md in RUN.", "--out", "-o")] = None,
    name: Annotated[str | None, flags.value("NAME", "Name the model so; by default as its card or file does.")] = None,
) -> None:
    """Write results with intervals, the gate's range and the profile's digest into a Hugging Face model card, offline."""
    from howfar.integrations.model_card import write_card

    written = write_card(run, out, name)
    say(str(out or written))
