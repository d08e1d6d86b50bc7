"""Any sheet as an HTML table, in the look of the main one."""

from __future__ import annotations

from gad.leaderboard.sheet import Figure, Sheet, Value, spell
from gad.leaderboard.text import escape

LONG = 30  # characters of a text that is not broken into lines
MANY = 10  # columns of a table that is set closer
TEXT = ' class="text"'


def html(sheet: Sheet) -> str:
    """The sheet's table; every text in it escaped, links only to this page's own addresses."""
    held = zip(*sheet.rows, strict=True) if sheet.rows else [()] * len(sheet.columns)
    texts = [{type(v) for v in values if v is not None} == {str} for values in held]
    head = "".join(
        f'<th scope="col"{TEXT if is_text else ""}>{escape(name)}</th>'
        for name, is_text in zip(sheet.columns, texts, strict=True)
    )
    body = "".join(
        "<tr>" + "".join(_cell(sheet, i, j, value) for j, value in enumerate(row)) + "</tr>"
        for i, row in enumerate(sheet.rows)
    )
    many = " many" if len(sheet.columns) > MANY else ""
    return (
        f'<div class="gad"><div class="gad-scroll" role="region" tabindex="0" aria-label="{escape(sheet.title)}">'
        f'<table class="gad-table gad-sheet{many}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        "</div></div>"
    )


def _cell(sheet: Sheet, i: int, j: int, value: Value) -> str:
    tag, scope = ("th", ' scope="row"') if j == 0 else ("td", "")
    styles = ["text"] if isinstance(value, str) and j else []
    styles += ["long"] if isinstance(value, str) and len(value) > LONG else []
    inner = escape(spell(value))
    if isinstance(value, Figure):
        styles += {1: ["best"], 2: ["second"]}.get(value.place, [])
        styles += [] if value.complete else ["incomplete"]
        mean, mark, spread = spell(value).partition(" ± ")
        inner = f'<span class="mean">{escape(mean)}</span>'
        inner += f'<span class="spread">± {escape(spread)}</span>' if mark else ""
    if (i, j) in sheet.links:
        # Relative and without a scheme, so that no text can lead anywhere else.
        inner = f'<a href="{escape(sheet.links[i, j])}" target="_self">{inner}</a>'
    hint = f' title="{escape(sheet.hints[i, j])}"' if (i, j) in sheet.hints else ""
    style = f' class="{" ".join(styles)}"' if styles else ""
    return f"<{tag}{scope}{style}{hint}>{inner}</{tag}>"
