"""Tables as CSV, Markdown, LaTeX and text: complete, and nothing of a name that another program could act on."""

from __future__ import annotations

import csv
import io

import pytest

from gad.leaderboard import sheetformats, sheettable
from gad.leaderboard.sheet import Figure, Sheet

HOSTILE = '=1+1|</td><img src=x onerror=alert(1)>&%$#_{}~^\\"\n,'
TABLE = Sheet(
    "AUROC",
    ["method", "d_1", "note"],
    [
        ["a", Figure(0.94, 0.015, 3, 3, place=1), "x"],
        [HOSTILE, Figure(0.5, None, 1, 3), HOSTILE],
        ["c", None, ""],
    ],
    links={(0, 1): 'dataset?x="><script>'},
    hints={(0, 1): HOSTILE},
)


def test_csv_keeps_every_digit_and_runs_no_formula() -> None:
    header, first, second, third = csv.reader(io.StringIO(sheetformats.to_csv(TABLE)))
    assert header == ["method", "d_1", "d_1 std", "d_1 n", "note"]
    assert first == ["a", "0.94", "0.015", "3", "x"]
    assert second[0].startswith("'=1+1")
    assert third == ["c", "", "", "", ""]
    exact = Sheet("t", ["v"], [[Figure(1 / 3)], [Figure(0.1 + 0.2)]])
    assert [row[0] for row in csv.reader(io.StringIO(sheetformats.to_csv(exact)))][1:] == [
        repr(1 / 3),
        repr(0.1 + 0.2),
    ]


def test_markdown_has_one_line_a_row_and_no_markup_of_names() -> None:
    lines = sheetformats.to_markdown(TABLE).splitlines()
    assert len(lines) == 2 + len(TABLE.rows)
    assert "**0.940 ± 0.015**" in lines[2]
    assert "0.500 (1 of 3)" in lines[3]
    assert "\\<img" in lines[3]
    assert lines[3].replace("\\|", "").count("|") == 4


def test_latex_escapes_everything_special() -> None:
    found = sheetformats.to_latex(TABLE)
    body = found[found.index("\\midrule") : found.index("\\bottomrule")].splitlines()[1:]
    assert len(body) == len(TABLE.rows)
    assert "\\textbf{0.940 $\\pm$ 0.015}" in body[0]
    assert "\\&\\%\\$\\#\\_\\{\\}\\textasciitilde{}\\textasciicircum{}\\textbackslash{}" in body[1]
    assert body[1].replace("\\&", "").count("&") == 2
    assert "\\begin{tabular}{lrl}" in found


def test_html_escapes_everything() -> None:
    found = sheettable.html(TABLE)
    assert "<img" not in found
    assert "<script" not in found
    assert "&lt;img src=x onerror=alert(1)&gt;" in found


@pytest.mark.parametrize("name", sheetformats.FORMATS)
def test_every_format_of_an_empty_table(name: str) -> None:
    assert "method" in sheetformats.FORMATS[name][0](Sheet("t", ["method", "d"], []))


def test_a_ragged_table_is_refused() -> None:
    with pytest.raises(ValueError, match="1 values for 2 columns"):
        Sheet("t", ["a", "b"], [["x"]])
