"""The sentences a CLIP text encoder is shown for a class: strings alone, nothing heavy.

The compositional ensemble is WinCLIP's (arXiv 2303.14814, section 4.1 and appendix): every state of the
object in every template. InCTRL (arXiv 2403.06495, section 3) uses the same sentences.
"""

from __future__ import annotations

NORMAL_STATES = (
    "{}",
    "flawless {}",
    "perfect {}",
    "unblemished {}",
    "{} without flaw",
    "{} without defect",
    "{} without damage",
)
ANOMALOUS_STATES = ("damaged {}", "{} with flaw", "{} with defect", "{} with damage")

CONDITIONS = ("cropped", "close-up", "bright", "dark", "jpeg corrupted", "blurry")
PATTERNS = (
    *(f"a {condition} photo of [article] [state]." for condition in CONDITIONS),
    "a photo of [article] [state].",
    "a photo of [article] small [state].",
    "a photo of [article] large [state].",
    "a photo of [article] [state] for visual inspection.",
    "a photo of [article] [state] for anomaly detection.",
)
TEMPLATES = tuple(
    pattern.replace("[article]", article).replace("[state]", "{}")
    for pattern in PATTERNS
    for article in ("a", "the")
)

PAIR_NAMES = frozenset(
    {
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
        "animal",
    }
)
NORMAL_PAIR = "a photo of {} for anomaly detection."
ANOMALOUS_PAIR = "a photo without {} for anomaly detection."


def normal_texts(name: str) -> list[str]:
    """The 7 x 22 = 154 sentences of the normal class, states outermost.

    ``name`` is the class text as it shall be read, with spaces and not underscores.
    """
    return composed(NORMAL_STATES, name)


def anomalous_texts(name: str) -> list[str]:
    """The 4 x 22 = 88 sentences of the anomalous class, states outermost."""
    return composed(ANOMALOUS_STATES, name)


def composed(states: tuple[str, ...], name: str) -> list[str]:
    """Every state of ``name`` in every template; braces in a name stay as they are."""
    return [template.format(state.format(name)) for state in states for template in TEMPLATES]


def uses_pair(name: str) -> bool:
    """Whether the class is told by one pair of sentences: CIFAR-10's ten names and ``animal``."""
    return name in PAIR_NAMES


def prompts_for(name: str) -> tuple[list[str], list[str]]:
    """(normal, anomalous) sentences of a class: one of each for a pair, else 154 and 88."""
    if uses_pair(name):
        return [NORMAL_PAIR.format(name)], [ANOMALOUS_PAIR.format(name)]
    return normal_texts(name), anomalous_texts(name)
