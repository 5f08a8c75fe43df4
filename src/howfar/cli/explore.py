"""Serve a page on which the images of a run can be looked at and picked (`howfar explore`)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Unpack

import typer

from howfar.cli import options
from howfar.cli.terminal import say
from howfar.keywords import PageOptions


@options.command(PageOptions)
def explore(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A folder that `howfar compare --out` or `howfar adapt` wrote.")],
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Listen on this port of 127.0.0.1; 0 takes any that is free.")
    ] = 0,
    **chosen: Unpack[PageOptions],
) -> None:
    """Serve a page to look at the images of RUN at full size and to pick some, on this machine alone, until Ctrl-C."""
    from howfar.errors import InputError
    from howfar.explore.server import Server
    from howfar.report.explorer.served import site_of

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
