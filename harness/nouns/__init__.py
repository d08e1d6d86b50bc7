"""The words of the project as frozen types. They hold data and check it; they do nothing.

Import them from here; in which of the modules beside this one a word lies may change.
"""

from __future__ import annotations

from gad.harness.nouns.cards import Family, ModelInfo, Trial
from gad.harness.nouns.data import Box, Category, DatasetInfo, PromptSet, Protocol, Sample, Split
from gad.harness.nouns.frozen import Frozen
from gad.harness.nouns.grid import ALL_MAPS, Grid, Limits, ModelChoice, Worst, most_maps, spelled_shots
from gad.harness.nouns.inputs import (
    ENCODER_VERSION,
    PIXELS_VERSION,
    FeatureInput,
    GridResize,
    ImageInput,
    Input,
    Precision,
    Resize,
)
from gad.harness.nouns.jobs import Job, Part, Status, Training
from gad.harness.nouns.results import PixelResult, Result, Scores

__all__ = [
    "ALL_MAPS",
    "ENCODER_VERSION",
    "PIXELS_VERSION",
    "Box",
    "Category",
    "DatasetInfo",
    "Family",
    "FeatureInput",
    "Frozen",
    "Grid",
    "GridResize",
    "ImageInput",
    "Input",
    "Job",
    "Limits",
    "ModelChoice",
    "ModelInfo",
    "Part",
    "PixelResult",
    "Precision",
    "PromptSet",
    "Protocol",
    "Resize",
    "Result",
    "Sample",
    "Scores",
    "Split",
    "Status",
    "Training",
    "Trial",
    "Worst",
    "most_maps",
    "spelled_shots",
]
