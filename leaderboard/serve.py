"""Starting the leaderboard: one Streamlit process, bound to this machine unless asked otherwise.

Light to import: Streamlit is loaded only by the process that is started.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from gad.harness.errors import HarnessError

HOST, PORT = "127.0.0.1", 8501
# The accent because Streamlit's red would look like a failure; the background because the table's first
# column has to cover what scrolls under it. Light and dark apart: one theme for both is light for everybody.
THEME = {
    "theme.light.primaryColor": "#0072B2",
    "theme.light.backgroundColor": "#ffffff",
    "theme.light.secondaryBackgroundColor": "#f3f5f8",
    "theme.dark.primaryColor": "#56B4E9",
    "theme.dark.backgroundColor": "#111318",
    "theme.dark.secondaryBackgroundColor": "#1d2129",
}
PORTS_TRIED = 20
START_S = 60.0
STOP_S = 5.0
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  an address to listen on is not one to visit


@dataclass(frozen=True)
class Folders:
    """What is served: results, and where their images and trainings are; None where those are not shown."""

    results: Path
    data: Path | None = None
    cache: Path | None = None

    def arguments(self) -> list[str]:
        """The same on a command line."""
        named = {"results": self.results, "data": self.data, "cache": self.cache}
        return [part for name, path in named.items() if path for part in (f"--{name}", str(path.absolute()))]


def command(folders: Folders, port: int, host: str = HOST) -> list[str]:
    """The command line that serves the leaderboard of a results folder."""
    app = Path(__file__).parent / "pages" / "app.py"
    flags = {
        "server.address": host,
        "server.port": str(port),
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "server.showEmailPrompt": "false",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "client.showErrorLinks": "false",
        "logger.hideWelcomeMessage": "true",
        "logger.level": "warning",
        "runner.postScriptGC": "false",  # a full collection at every refresh costs more than the refresh
        **THEME,
    }
    options = [part for name, value in flags.items() for part in (f"--{name}", value)]
    # -P: a folder named like a package in the current directory must not hide the package.
    python = [sys.executable, "-P", "-m", "streamlit"]
    return [*python, "run", str(app), *options, "--", *folders.arguments()]


def free_port(host: str = HOST, wanted: int = PORT) -> int:
    """``wanted`` if nobody listens there, else one of the next ports, else any free one."""
    for port in [*range(wanted, min(wanted + PORTS_TRIED, 65536)), 0]:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # As the server does it, so that a port whose last connections are still closing counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except PermissionError:
                continue
            except OverflowError as error:
                raise HarnessError(f"{wanted} is not a port", fix="Choose one from 1024 to 65535.") from error
            except OSError as error:
                if isinstance(error, socket.gaierror) or error.errno == 99:  # EADDRNOTAVAIL
                    raise HarnessError(f"cannot listen on {host}: {error}") from error
                continue
            return int(probe.getsockname()[1])
    raise HarnessError(f"no free port on {host}")


@contextmanager
def running(
    folders: Folders, port: int = PORT, host: str = HOST
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A server that answers: its address and process. It is stopped when the context ends."""
    found = free_port(host, port)
    # A session of its own: Ctrl-C in the terminal comes to us alone, and we stop the server in order.
    process = subprocess.Popen(
        command(folders, found, host),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        shown = ANYWHERE.get(host, host)
        address = f"http://[{shown}]:{found}" if ":" in shown else f"http://{shown}:{found}"
        _wait_until_healthy(process, address)
        yield address, process
    finally:
        _stop(process)


def _wait_until_healthy(process: subprocess.Popen[bytes], address: str) -> None:
    # Straight to the machine: a proxy from the environment would not find our loopback address.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise HarnessError(
                f"the leaderboard's server ended with exit code {process.returncode} while starting",
                fix="What it said is above. `harness doctor` checks the installation.",
            )
        try:
            with opener.open(f"{address}/_stcore/health", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise HarnessError(f"the leaderboard's server did not answer at {address} within {START_S:.0f} s")


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def serve(folders: Folders, port: int = PORT, host: str = HOST) -> int:
    """Serve until Ctrl-C or SIGTERM, and return the exit code: 0 unless the server died by itself."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        with running(folders, port, host) as (address, process):
            print(f"Leaderboard: {address}", flush=True)
            return process.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt
