"""A page's choices, every one kept in its address, so that a link shows what its sender saw.

Each function draws one widget and returns its value. What an address asks for wins when a page opens; a
value that is not (or no longer) on offer is replaced by the default, and a note says so. Whatever is
chosen is written back. Choices that several pages share by name go along from one to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import streamlit as st

from gad.leaderboard.text import escape, markdown, visible

T = TypeVar("T", int, str)

SHOWN = 40  # characters of a value that a note quotes
NARROW, WIDE = 190, 300  # pixels
FEW = 6  # options that fit side by side


def one(
    name: str,
    label: str,
    options: Sequence[T],
    spell: Callable[[T], str] = visible,
    *,
    default: T | None = None,
    help_text: str | None = None,
    width: int = WIDE,
) -> T:
    """One of ``options``, which must not be empty: side by side where they are few, else a list.

    A single one is not asked about.
    """
    first = options[0] if default is None or default not in options else default
    _prepare(name, options, lambda asked: _match(name, asked, options, first, spell))
    if len(options) == 1:
        _write(name, [str(first)])
        return first
    if len(options) <= FEW:
        chosen = st.segmented_control(
            label,
            options,
            key=name,
            format_func=lambda option: markdown(spell(option)),
            required=True,
            wrap=True,
            help=help_text,
        )
    else:
        chosen = st.selectbox(label, options, key=name, format_func=spell, help=help_text, width=width)
    value: T = first if chosen is None else chosen
    _write(name, [str(value)])
    return value


def several(
    name: str,
    label: str,
    options: Sequence[str],
    spell: Callable[[str], str] = visible,
    *,
    default: Sequence[str] | None = None,
    placeholder: str | None = None,
) -> list[str]:
    """Some of ``options``, in their order. The address repeats the name; empty, it stands for none.

    Without a ``default`` nothing is chosen, which should mean no restriction: what is new then shows by itself.
    """
    preset = [o for o in default or () if o in options]

    def match(asked: list[str]) -> list[str]:
        unknown = [value for value in asked if value and value not in options]
        if unknown:
            _note(name, unknown[0], "left out")
        known = [option for option in options if option in asked]
        return known if known or asked == [""] else preset

    _prepare(name, options, lambda asked: preset if asked is None else match(asked), whole=True)
    chosen = st.multiselect(
        label, options, key=name, format_func=spell, placeholder=placeholder, width="stretch"
    )
    value = [option for option in options if option in chosen]
    _write(name, value or ([""] if preset else []))
    return value


def flag(name: str, label: str, *, default: bool = False, help_text: str | None = None) -> bool:
    """A switch: 1 or 0 in the address."""
    _prepare(name, (), lambda asked: _match(name, asked, ("0", "1"), "1" if default else "0", str) == "1")
    value = bool(st.toggle(label, key=name, help=help_text))
    _write(name, ["1" if value else "0"])
    return value


def words(name: str, label: str, placeholder: str | None = None) -> str:
    """A line of text to search for; absent from the address while it is empty."""
    _prepare(name, (), lambda asked: "" if asked is None else str(asked))
    value = str(st.text_input(label, key=name, placeholder=placeholder, width=NARROW) or "")
    _write(name, [value] if value else [])
    return value


def stands_for(name: str, meant: Callable[[str], dict[str, str] | None], first: str) -> None:
    """Ask for the choices that one word of an address, under ``name``, stands for; before they are drawn.

    ``meant`` gives them by name, None for a word that means nothing here; ``first`` is the first of the choices.
    """
    asked = st.query_params.get(name)
    if not asked or first in st.session_state:
        return
    found = meant(asked)
    if found is None:
        _note(name, asked, "chosen below instead")
    for choice, value in (found or {}).items():
        st.query_params[choice] = value


def stood_for(name: str, value: str) -> None:
    """After these choices: the word that stands for them. Empty, it goes from the address."""
    last = f"{name} last"
    if st.session_state.get(last, value) != value:
        _noted().pop(name, None)
    st.session_state[last] = value
    _write(name, [value] if value else [])


def notes() -> str:
    """What was asked for and could not be had, as HTML: empty when there is nothing to say."""
    lines = [
        f"<p>The address asks for <code>{escape(name)} = {escape(asked[:SHOWN])}</code>, "
        f"which is not here; {escape(what)}.</p>"
        for name, (asked, what) in sorted(_noted().items())
    ]
    return f'<div class="gad gad-note" role="status">{"".join(lines)}</div>' if lines else ""


def _match(name: str, asked: Any, options: Sequence[T], default: T, spell: Callable[[T], str]) -> T:
    if asked is None:
        return default
    for option in options:
        if str(option) == str(asked):
            return option
    _note(name, str(asked), f"shown instead: {spell(default)}")
    return default


def _prepare(name: str, options: Sequence[Any], settle: Callable[[Any], Any], whole: bool = False) -> None:
    """Set the widget's value when it is new or its options changed: more often, a refresh could undo a click."""
    seen, last = f"{name} options", f"{name} last"
    offered = list(options)
    if name in st.session_state and st.session_state.get(seen) == offered:
        if last in st.session_state and st.session_state[name] != st.session_state[last]:
            _noted().pop(name, None)  # somebody chose: what the address asked for is no longer news
        st.session_state[last] = st.session_state[name]
        return
    if name in st.session_state:
        asked = st.session_state[name]
        asked = (
            [str(v) for v in asked] if whole else ("1" if asked is True else "0" if asked is False else asked)
        )
    elif name in st.query_params:
        asked = st.query_params.get_all(name) if whole else st.query_params[name]
    else:
        asked = _shared(name, whole)
    _noted().pop(name, None)
    st.session_state[name] = settle(asked)
    st.session_state[seen] = offered
    st.session_state[last] = st.session_state[name]


def _shared(name: str, whole: bool) -> Any:
    """What was chosen under this name on another page, if that can be had here; never a reason for a note."""
    del whole
    return st.session_state.get(f"{name} carried") if name in CARRIED else None


# Choices that mean the same on every page that has them.
CARRIED = ("metric",)


def _write(name: str, values: list[str]) -> None:
    if name in CARRIED:
        st.session_state[f"{name} carried"] = values[0]
    if st.query_params.get_all(name) != values:
        if values:
            st.query_params[name] = values
        else:
            del st.query_params[name]


def _note(name: str, asked: str, what: str) -> None:
    _noted()[name] = (asked, what)


def _noted() -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = st.session_state.setdefault("notes on choices", {})
    return found
