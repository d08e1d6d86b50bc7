"""Making any text safe to put on the page: names come from files that anybody may have written."""

from __future__ import annotations

import html
import re


def visible(text: object) -> str:
    r"""``text`` with everything that is not printable spelled out, so that it can be seen and sent.

    Control characters, direction overrides and lone surrogates would be lost, change the order of what
    is around them, or not fit into a message at all. Line breaks stay.

    >>> visible("a\x1b[0m\u202eb\nc")
    'a\\x1b[0m\\u202eb\nc'
    """
    found = str(text)
    if found.isprintable():  # nearly always: a page has thousands of texts
        return found
    return "".join(char if char.isprintable() or char == "\n" else _spelled(char) for char in found)


def _spelled(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def row_name(model: str, detail: str, note: str) -> str:
    """What a row is called where its name is on one line.

    >>> row_name("knn", "k=1", "older abc"), row_name("coop", "", "")
    ('knn (k=1) [older abc]', 'coop')
    """
    return " ".join(filter(None, [model, f"({detail})" if detail else "", f"[{note}]" if note else ""]))


def escape(text: object) -> str:
    """``text`` as HTML content or as a quoted attribute's value.

    >>> escape('<b title="x">')
    '&lt;b title=&quot;x&quot;&gt;'
    """
    return html.escape(visible(text), quote=True)


def markdown(text: object) -> str:
    r"""``text`` for Streamlit's labels, which are read as Markdown: a name could else fetch a picture.

    >>> markdown("![a_b](//c/d.png)")
    '\\!\\[a\\_b\\](//c/d.png)'
    """
    return re.sub(r"([\\`*_\[\]!~$<>#|])", r"\\\1", visible(text))


def plotly_text(text: object) -> str:
    """``text`` for Plotly, which reads a few tags and entities, but not the one for a quotation mark.

    >>> plotly_text('<b>"')
    '&lt;b&gt;"'
    """
    return html.escape(visible(text), quote=False)
