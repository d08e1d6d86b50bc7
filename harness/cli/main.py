"""The command line: `harness`. Commands import what they need when they run, so that help is quick."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from gad.harness.cli import data, grids, looking, models
from gad.harness.errors import HarnessError

app = typer.Typer(
    name="harness",
    help="Compare few-normal-shot visual anomaly detectors under one protocol.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(data.app, name="data")
app.add_typer(models.app, name="models")
app.add_typer(looking.database, name="db")
app.command()(grids.submit)
app.command()(grids.plan)
app.command()(looking.status)
app.command()(looking.results)
app.command()(looking.leaderboard)
app.command()(looking.doctor)


@app.callback()
def main(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
) -> None:
    # Read by run(), which sees errors after the commands are gone.
    main.debug = debug  # type: ignore[attr-defined]


def run() -> None:
    """Entry point: errors as text with what to do, and their exit codes; tracebacks only with --debug."""
    try:
        app()
    except HarnessError as error:
        if getattr(main, "debug", False):
            raise
        print(f"error: {printable(str(error))}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has left: nothing to say, and nobody to say it to
        sys.exit(1)


def printable(text: str) -> str:
    from gad.harness.cli.common import printable as shown

    return shown(text)
