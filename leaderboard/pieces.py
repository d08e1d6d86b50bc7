"""The page's small pieces of HTML: title, status line, notices, legend and the list of failures."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

from gad.harness.errors import HarnessError
from gad.harness.nouns import spelled_shots
from gad.leaderboard.figures import Style
from gad.leaderboard.queries import Progress
from gad.leaderboard.text import escape

FAILURES_SHOWN = 50


def style() -> str:
    """The page's style sheet."""
    return f"<style>{Path(__file__).with_name('style.css').read_text(encoding='utf-8')}</style>"


def scrolling(name: str, least: int) -> str:
    """The style of a container of that key, whose content is at least so many pixels wide."""
    inside = f".st-key-{name}"
    return f"<style>{inside} {{ overflow-x: auto; }} {inside} > * {{ min-width: {least}px; }}</style>"


def title(text: str, note: str) -> str:
    """Heading of a page."""
    return f'<div class="gad"><h1>{escape(text)}</h1><p class="muted">{escape(note)}</p></div>'


def nothing(text: str) -> str:
    """Said where a table or a figure would be empty; what stands between backticks is code."""
    return f'<div class="gad gad-nothing">{_with_code(escape(text))}</div>'


def heading(text: str, note: str = "") -> str:
    """A section's heading with a line of explanation."""
    return f'<div class="gad"><h2>{escape(text)}</h2><p class="muted">{escape(note)}</p></div>'


def command(text: str) -> str:
    """A command to copy: one click selects it. Streamlit's own code block would load a highlighter of 1.5 MB."""
    return f'<div class="gad"><pre class="command" tabindex="0">{escape(text)}</pre></div>'


def status(jobs: pd.DataFrame, progress: Progress) -> str:
    """One line: how many jobs there are in each state, and whether a run is going on."""
    counts = jobs["status"].value_counts()
    running = int((jobs["job_id"].isin(progress.jobs) & (jobs["status"] == "planned")).sum())
    items = [f"<span><b>{counts.get('done', 0)}</b> of {len(jobs)} jobs done</span>"]
    if counts.get("failed", 0):
        items.append(f'<span class="bad"><b>{counts["failed"]}</b> failed</span>')
    if running:
        items.append(f"<span><b>{running}</b> running</span>")
    if counts.get("planned", 0) > running:
        items.append(f"<span><b>{counts['planned'] - running}</b> planned</span>")
    if counts.get("skipped", 0):
        items.append(f"<span><b>{counts['skipped']}</b> skipped</span>")
    items.append(_live(progress))
    return f'<div class="gad gad-status" role="status">{"".join(items)}</div>'


def _live(progress: Progress) -> str:
    if not progress.runs:
        return '<span class="muted">no run going on</span>'
    who = "a run is going on" if progress.runs == 1 else f"{progress.runs} runs are going on"
    parts = f": {progress.ended} of {progress.total} parts" if progress.total else ""
    return f'<span class="live">{who}{parts}</span>'


def empty(results: Path, progress: Progress) -> str:
    """What to do when there is nothing to show yet."""
    if progress.runs:
        text = "<h2>A run has started</h2><p>Its first results will appear here by themselves.</p>"
    else:
        text = (
            "<h2>No results yet</h2><p>Run <code>harness submit --grid demo</code> in another terminal: "
            "results appear here while it runs, and this page can stay open.</p>"
        )
    return f'<div class="gad gad-notice">{text}<p class="muted">Results folder: {escape(results)}</p></div>'


def problem(error: HarnessError) -> str:
    """An error's text and what to do about it."""
    fix = f"<p>{_with_code(escape(error.fix))}</p>" if error.fix else ""
    return (
        '<div class="gad gad-notice bad" role="alert"><h2>The results cannot be shown</h2>'
        f"<pre>{escape(error.message)}</pre>{fix}</div>"
    )


def _with_code(text: str) -> str:
    """Escaped text with what stands between backticks as code."""
    return re.sub(r"`([^`\n]+)`", r"<code>\1</code>", text)


def panel_title(dataset: str, note: str) -> str:
    """What stands above the curves of one dataset."""
    return (
        f'<div class="gad gad-panel" title="{escape(dataset)}">{escape(dataset)} '
        f'<span class="muted">{escape(note)}</span></div>'
    )


def legend(rows: pd.DataFrame, styles: dict[tuple[str, str, str], Style]) -> str:
    """Which line of the figures is which method."""
    items = []
    for row in rows.itertuples():
        style = styles[row.model, row.options, row.method_key]
        notes = ", ".join(filter(None, [row.detail, row.note]))
        items.append(
            f'<span><i style="border-top: 3px {style.css_line} {style.colour}"></i>{escape(row.model)} '
            f'<span class="sub">{escape(notes)}</span></span>'
        )
    return f'<div class="gad gad-legend">{"".join(items)}</div>'


def lines(named: list[tuple[str, Style]]) -> str:
    """The same for lines with names of their own."""
    items = (
        f'<span><i style="border-top: 3px {style.css_line} {style.colour}"></i>{escape(name)}</span>'
        for name, style in named
    )
    return f'<div class="gad gad-legend">{"".join(items)}</div>'


def failures(failed: pd.DataFrame) -> str:
    """Failed jobs with what they said. Text only."""
    items = [
        f"<div><b>{escape(job.model)}</b> on <b>{escape(job.dataset)}</b>, K = {spelled_shots(job.shots)}, "
        f"seed {job.seed}: {job.n_failed} of {job.n_parts} parts failed"
        f"<pre>{escape(job.error or 'no message')}</pre></div>"
        for job in failed.head(FAILURES_SHOWN).itertuples()
    ]
    if len(failed) > FAILURES_SHOWN:
        items.append(f"<div>and {len(failed) - FAILURES_SHOWN} more: <code>harness status</code></div>")
    return f'<div class="gad gad-failures">{"".join(items)}</div>'


def tracebacks(failed: pd.DataFrame) -> str:
    """Failed parts with what they said, their traceback and last output. Text only."""
    items = []
    for part in failed.head(FAILURES_SHOWN).itertuples():
        where = f"{part.model} on {part.dataset}/{part.category}, K = {spelled_shots(part.shots)}, seed {part.seed}"
        more = "\n".join(filter(None, [part.traceback, part.output and f"last output:\n{part.output}"]))
        story = (
            f"<details><summary>traceback and output</summary><pre>{escape(more)}</pre></details>"
            if more
            else ""
        )
        items.append(
            f'<div><a href="job?job={escape(part.job_id)}" target="_self"><b>{escape(where)}</b></a>, '
            f"{part.attempts} {'attempt' if part.attempts == 1 else 'attempts'}"
            f"<pre>{escape(part.error_type)}: {escape(part.error or 'no message')}</pre>{story}</div>"
        )
    if len(failed) > FAILURES_SHOWN:
        items.append(f"<div>and {len(failed) - FAILURES_SHOWN} more: <code>harness status</code></div>")
    return f'<div class="gad gad-failures">{"".join(items)}</div>'


def going(fields: dict[str, Any]) -> str:
    """Progress of one run that is alive: a bar for each stage that has something to do."""
    bars = []
    for stage in ("encode", "train", "score", "record"):
        counts = fields.get(stage)
        if isinstance(counts, dict) and _number(counts.get("total")) > 0:
            done, total = _number(counts.get("done")), _number(counts.get("total"))
            failed = (
                f', <span class="bad">{_number(counts.get("failed")):g} failed</span>'
                if counts.get("failed")
                else ""
            )
            share = max(0.0, min(100.0, 100 * done / total))
            bars.append(
                f'<div class="bar"><small>{stage}</small><i><b style="width: {share:.1f}%"></b></i>'
                f"<small>{done:g} of {total:g}{failed}</small></div>"
            )
    pace = _number(fields.get("images_per_second"))
    said = f"{pace:.0f} images/s" if pace else ""
    return (
        f'<div class="gad gad-going"><p><b class="live">run {escape(fields.get("run_id", ""))}</b> '
        f'<span class="muted">{said}</span></p>{"".join(bars)}</div>'
    )


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
