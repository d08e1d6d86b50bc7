"""Starting and stopping the server."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from gad.harness.errors import HarnessError
from gad.leaderboard import serve

SERVE = """
import sys
from pathlib import Path
from gad.leaderboard.serve import Folders, serve
sys.exit(serve(Folders(Path(sys.argv[1]))))
"""
# Straight to this machine, whatever proxy the environment names.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def test_importing_it_is_light() -> None:
    code = "import sys, gad.leaderboard.serve; sys.exit(bool({'streamlit', 'pandas', 'plotly'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_command_is_local_and_silent(tmp_path) -> None:
    found = serve.command(serve.Folders(tmp_path, data=tmp_path / "data"), 1234)
    assert found[found.index("--server.address") + 1] == "127.0.0.1"
    assert found[found.index("--server.port") + 1] == "1234"
    assert found[found.index("--browser.gatherUsageStats") + 1] == "false"
    assert found[-4:] == ["--results", str(tmp_path), "--data", str(tmp_path / "data")]
    assert Path(found[found.index("run") + 1]).is_file()


def test_a_taken_port_gives_another() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert serve.free_port(wanted=port) != port


def test_impossible_addresses_are_errors() -> None:
    with pytest.raises(HarnessError, match="cannot listen"):
        serve.free_port(host="203.0.113.7")
    with pytest.raises(HarnessError, match="not a port"):
        serve.free_port(wanted=-5)


def test_the_page_s_background_is_the_table_s() -> None:
    style = Path(serve.__file__).with_name("style.css").read_text()
    colours = serve.THEME["theme.light.backgroundColor"], serve.THEME["theme.dark.backgroundColor"]
    assert f"light-dark({', '.join(colours)})" in style


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_serves_until_it_is_interrupted(tmp_path, how) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.fullmatch(r"Leaderboard: (http://127\.0\.0\.1:\d+)\n", line)
    assert found, line
    with OPENER.open(found[1] + "/_stcore/health") as answer:
        assert answer.status == 200
    process.send_signal(how)
    assert process.wait(10) == 0
    process.stdout.close()
    with pytest.raises(OSError, match="refused"):
        OPENER.open(found[1])
