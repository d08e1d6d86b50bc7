"""A sheet as CSV, Markdown, LaTeX (booktabs) or plain text. Light: the command line writes them, too."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterator

from gad.leaderboard.sheet import Figure, Sheet, Value, spell
from gad.leaderboard.text import visible


def to_csv(sheet: Sheet) -> str:
    r"""Comma-separated, every figure in full precision with its std and n in columns of their own.

    A text that a spreadsheet would run as a formula is written with an apostrophe before it.

    >>> print(to_csv(Sheet("t", ["m", "d"], [["a", Figure(0.5, 0.25, 3)], ["=b", None]])), end="")
    m,d,d std,d n
    a,0.5,0.25,3
    '=b,,,
    """
    wide = [any(map(_has_more, column)) for column in zip(*sheet.rows, strict=True)] or [False] * len(
        sheet.columns
    )
    header: list[str] = []
    for name, figures in zip(sheet.columns, wide, strict=True):
        header += (
            [visible(name), f"{visible(name)} std", f"{visible(name)} n"] if figures else [visible(name)]
        )
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(_harmless, header))
    for row in sheet.rows:
        cells: list[object] = []
        for value, figures in zip(row, wide, strict=True):
            cells += _expanded(value) if figures else [_plain(value)]
        writer.writerow(cells)
    return out.getvalue()


def _has_more(value: Value) -> bool:
    """Whether a value is a figure with more to it than its mean."""
    return isinstance(value, Figure) and (value.std is not None or value.n is not None)


def _expanded(value: Value) -> list[object]:
    if isinstance(value, Figure):
        return [_plain(value.mean), _plain(value.std), _plain(value.n)]
    return [_plain(value), "", ""]


def _plain(value: Value) -> object:
    if isinstance(value, Figure):
        return _plain(value.mean)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return (
        repr(value)
        if isinstance(value, float)
        else value
        if isinstance(value, int)
        else _harmless(spell(value))
    )


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def to_markdown(sheet: Sheet) -> str:
    r"""A pipe table; the best is bold, the second underlined.

    >>> print(to_markdown(Sheet("t", ["m", "d"], [["a|b", Figure(0.5, place=1)]])), end="")
    | m | d |
    |---|---|
    | a\|b | **0.500** |
    """
    marks = {1: "**{}**", 2: "<u>{}</u>"}
    lines = [_pipes(_markdown(name) for name in sheet.columns), "|" + "---|" * len(sheet.columns)]
    lines += [_pipes(_marked(value, _markdown, marks) for value in row) for row in sheet.rows]
    return "\n".join(lines) + "\n"


def _pipes(cells: Iterator[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _markdown(text: str) -> str:
    plain = re.sub(r"([\\`*_\[\]<>|#~])", r"\\\1", visible(text))
    return plain.replace("\n", " ")


LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "−": "$-$",
    "Δ": r"$\Delta$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "×": r"$\times$",
    "≤": r"$\leq$",
    "\n": " ",
    **{char: f"\\{char}" for char in "&%$#_{}"},
}


def to_latex(sheet: Sheet) -> str:
    r"""A booktabs ``tabular``; the best is bold, the second underlined.

    >>> print(to_latex(Sheet("t", ["m", "d_1"], [["a & b", Figure(0.5, 0.1, place=2)]])), end="")
    % t
    % \usepackage{booktabs}
    \begin{tabular}{lr}
    \toprule
    m & d\_1 \\
    \midrule
    a \& b & \underline{0.500 $\pm$ 0.100} \\
    \bottomrule
    \end{tabular}
    """
    marks = {1: r"\textbf{{{}}}", 2: r"\underline{{{}}}"}
    left = [all(isinstance(row[i], str) for row in sheet.rows) for i in range(len(sheet.columns))]
    body = [" & ".join(_marked(value, _latex, marks) for value in row) + r" \\" for row in sheet.rows]
    return "\n".join(
        [
            f"% {visible(sheet.title).replace(chr(10), ' ')}",
            r"% \usepackage{booktabs}",
            rf"\begin{{tabular}}{{{''.join('l' if is_left else 'r' for is_left in left)}}}",
            r"\toprule",
            " & ".join(_latex(name) for name in sheet.columns) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def _latex(text: str) -> str:
    return "".join(LATEX.get(char, char) for char in visible(text))


def _marked(value: Value, escape: Callable[[str], str], marks: dict[int, str]) -> str:
    text = escape(spell(value))
    place = value.place if isinstance(value, Figure) else 0
    return marks[place].format(text) if place in marks and text else text


def to_text(sheet: Sheet) -> str:
    """Columns aligned with spaces, for a terminal.

    >>> print(to_text(Sheet("t", ["m", "d"], [["a", 1], ["bc", 20]])), end="")
    m    d
    a    1
    bc  20
    """
    lines = [[visible(name) for name in sheet.columns], *([spell(v) for v in row] for row in sheet.rows)]
    lines = [[cell.replace("\n", " ") for cell in line] for line in lines]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    texts = [all(v is None or isinstance(v, str) for v in column) for column in zip(*sheet.rows, strict=True)]
    texts = texts or [True] * len(widths)
    aligned = (
        "  ".join(c.ljust(w) if left else c.rjust(w) for c, w, left in zip(line, widths, texts, strict=True))
        for line in lines
    )
    return "".join(line.rstrip() + "\n" for line in aligned)


def stem(name: str) -> str:
    """A file's name, without its ending, for a table's: datasets' names are part of some.

    >>> stem("bootstrap-../../etc-k2"), stem("<>")
    ('bootstrap-..-..-etc-k2', 'table')
    """
    return re.sub(r"[^A-Za-z0-9.-]+", "-", name).strip("-.") or "table"


FORMATS: dict[str, tuple[Callable[[Sheet], str], str, str]] = {
    "csv": (to_csv, "csv", "text/csv"),
    "md": (to_markdown, "md", "text/markdown"),
    "latex": (to_latex, "tex", "application/x-tex"),
    "table": (to_text, "txt", "text/plain"),
}
