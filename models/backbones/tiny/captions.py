"""Captions of the generated images.

The object's name is often a random word of the tokenizer's vocabulary, so that the text tower learns what
"flawless" and "damaged" mean beside any object, also one that it was never told about. Words that name a
surface of ``textures`` are never used.
"""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np

from gad.models.backbones.tiny.glyphs import GLYPHS
from gad.models.backbones.tiny.marks import MARKS
from gad.models.backbones.tiny.patterns import FAMILIES

FORBIDDEN = ("wood", "fabric", "tile", "brush", "metal", "leather", "mesh")  # as parts of words, too

NORMAL = (
    "{}",
    "flawless {}",
    "perfect {}",
    "unblemished {}",
    "{} without flaw",
    "{} without defect",
    "{} without damage",
)
ANOMALOUS = ("damaged {}", "{} with flaw", "{} with defect", "{} with damage")
TEMPLATES = (
    *(
        f"a {kind}photo of {article} {{}}."
        for kind, article in itertools.product(
            ("", "cropped ", "close-up ", "bright ", "dark ", "jpeg corrupted ", "blurry "), ("a", "the")
        )
    ),
    *(
        f"a photo of {article} {size} {{}}."
        for size, article in itertools.product(("small", "large"), ("a", "the"))
    ),
    *(
        f"a photo of {article} {{}} for {purpose}."
        for purpose, article in itertools.product(("visual inspection", "anomaly detection"), ("a", "the"))
    ),
)
PLAIN = ("{}", "a photo of {}.", "a photo of the {}.", "a photo of a {}.", "the {}")
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
GENERIC = ("surface", "object", "material", "texture", "sample", "product", "part", "sheet", "item")

Random = np.random.Generator


@cache
def words() -> tuple[str, ...]:
    """Whole words of the tokenizer's vocabulary that may stand for an object."""
    from open_clip.tokenizer import SimpleTokenizer

    known = (token.removesuffix("</w>") for token in SimpleTokenizer().encoder if token.endswith("</w>"))
    plain = (word for word in known if word.isascii() and word.isalpha() and len(word) > 2)
    return tuple(sorted(word for word in plain if not any(part in word for part in FORBIDDEN)))


def _any(rng: Random, choices: tuple[str, ...]) -> str:
    return choices[int(rng.integers(len(choices)))]


def object_name(rng: Random, family: str) -> str:
    """What a caption calls a surface: its family, something generic, or any one or two words."""
    way = rng.random()
    if way < 0.3:
        return family
    if way < 0.45:
        return _any(rng, GENERIC)
    return _any(rng, words()) if way < 0.85 else f"{_any(rng, words())} {_any(rng, words())}"


def state(rng: Random, name: str, flawed: bool) -> str:
    """A caption that says only whether the object is flawed."""
    return _any(rng, TEMPLATES).format(_any(rng, ANOMALOUS if flawed else NORMAL).format(name))


def families(rng: Random) -> list[str]:
    """One caption per family of surfaces."""
    return [_any(rng, PLAIN).format(name) for name in FAMILIES]


def flaws(rng: Random, name: str) -> list[str]:
    """One caption per kind of flaw, on the same object."""
    return [_any(rng, TEMPLATES).format(f"{name} with a {kind}") for kind in MARKS]


def glyph_name(rng: Random, glyph: str) -> str:
    """``digit 3``, ``number 3`` or ``three``; a shape's own name."""
    if not glyph.isdigit():
        return glyph
    return (
        f"{_any(rng, ('digit', 'digit', 'number'))} {glyph}" if rng.random() < 0.75 else NUMBERS[int(glyph)]
    )


def glyph_captions(rng: Random) -> list[str]:
    """One caption per glyph."""
    pick = PLAIN if rng.random() < 0.5 else TEMPLATES
    return [_any(rng, pick).format(glyph_name(rng, name)) for name in GLYPHS]


def presence(rng: Random, glyph: str) -> tuple[str, str]:
    """The pair of prompts for an image that shows the glyph, and for one that shows another."""
    name = glyph_name(rng, glyph)
    return f"a photo of {name} for anomaly detection.", f"a photo without {name} for anomaly detection."
