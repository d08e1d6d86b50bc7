"""The command line: `harness`. Commands import what they need when they run, so that help is quick."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Annotated, NoReturn

try:
    import typer

    from gad.harness.cli import (
        cache,
        data,
        exporting,
        importing,
        looking,
        models,
        plan,
        prompts,
        score,
        status,
        submit,
        tables,
        train,
    )
    from gad.harness.errors import HarnessError
except KeyboardInterrupt:  # these imports are most of the time before run() can say it
    print("interrupted", file=sys.stderr)
    sys.exit(1)

INTERRUPTED = 130  # what typer makes of an interrupt; no command ends so by itself

app = typer.Typer(
    name="harness",
    help="Compare few-normal-shot visual anomaly detectors under one protocol.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(data.app, name="data")
models.app.command("export")(exporting.export)
app.add_typer(models.app, name="models")
app.add_typer(looking.database, name="db")
app.add_typer(cache.app, name="cache")
app.add_typer(prompts.app, name="prompts")
app.command()(submit.submit)
app.command()(plan.plan)
app.command()(score.score)
app.command()(train.train)
app.command()(status.status)
app.command()(looking.results)
app.command()(tables.export)
app.command("import")(importing.import_)
app.command()(tables.diff)
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
    signal.signal(signal.SIGTERM, _terminated)
    try:
        app()
    except HarnessError as error:
        _fail(error, str(error), error.exit_code)
    except KeyboardInterrupt:
        _interrupted()
    except SystemExit as ended:
        if ended.code != INTERRUPTED:
            raise
        _interrupted()
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has left: nothing to say, and nobody to say it to
        sys.exit(1)
    except OSError as error:
        _fail(error, _os_text(error), 1)


def _fail(error: Exception, text: str, code: int) -> NoReturn:
    if getattr(main, "debug", False):
        raise error
    print(f"error: {printable(text)}", file=sys.stderr)
    sys.exit(code)


def _interrupted() -> NoReturn:
    for number in (signal.SIGINT, signal.SIGTERM):  # once more, while things (Ray) are put away
        signal.signal(number, _at_once)
    print("interrupted", file=sys.stderr, flush=True)
    sys.exit(1)


def _at_once(_number: int, _frame: FrameType | None) -> NoReturn:
    os.write(2, b"ended at once: what was started is left to end by itself\n")
    os._exit(1)


def _terminated(_number: int, _frame: FrameType | None) -> NoReturn:
    """A termination is an interrupt. A grid that runs counts both itself, see the executor's driver."""
    raise KeyboardInterrupt


def _os_text(error: OSError) -> str:
    """``/results/x: Permission denied``, with every file the error names."""
    files = [os.fsdecode(f) for f in (error.filename, error.filename2) if isinstance(f, str | bytes)]
    return f"{' -> '.join(files)}: {error.strerror or error}" if files else str(error)


def printable(text: str) -> str:
    from gad.harness.cli.common import printable as shown

    return shown(text)
