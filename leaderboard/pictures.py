"""Small pictures of a dataset's images for pages: only of prepared datasets, only what their manifests list.

A picture is asked for by sample, never by path. Every file is compared with its digest in the manifest when
it is read, so what is shown is what was scored.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageChops, ImageFilter

from gad.harness import images, manifest
from gad.harness.errors import DataError
from gad.harness.nouns import Sample
from gad.leaderboard import heatmaps
from gad.leaderboard.text import escape

SIDE = 224  # pixels of the longer side
OUTLINE = (255, 140, 0)


@dataclass(frozen=True)
class Album:
    """A prepared dataset that results were computed on, or ``why`` its images cannot be shown."""

    prepared: manifest.Prepared | None
    why: str = ""

    def samples(self, category: str) -> dict[str, Sample]:
        """Samples of one category by id."""
        if self.prepared is None:
            return {}
        return dict(_samples(self.prepared.folder, self.prepared.name, self.prepared.fingerprint, category))


def album(data: Path | None, dataset: str, fingerprint: str) -> Album:
    """The prepared dataset, if it is here and still the one that was scored."""
    if data is None:
        return Album(None, "The leaderboard was started without a data folder (--data).")
    if Path(dataset).name != dataset or dataset.startswith("."):
        return Album(None, "This dataset's name is not that of a folder.")
    try:
        prepared = manifest.load(data, dataset)
    except DataError as error:
        return Album(None, error.message)
    if prepared.fingerprint != fingerprint:
        return Album(
            prepared=None,
            why="The prepared data have changed since these results: other images than were scored.",
        )
    return Album(prepared)


@lru_cache(maxsize=16)
def _samples(folder: str, name: str, _fingerprint: str, category: str) -> tuple[tuple[str, Sample], ...]:
    prepared = manifest.load(Path(folder).parent, name)
    return tuple((sample.id, sample) for sample in manifest.read_samples(prepared, category=category))


@lru_cache(maxsize=2048)
def _uri(root: Path, sample: Sample, heat: heatmaps.Heat | None) -> str:
    """The picture as a data URI, its mask's outline drawn in. Raises DataError as :func:`images.open_image`."""
    if heat is not None:
        image, mask = heatmaps.draw(root, sample, heat)
    else:
        image = _eight_bit(images.open_image(root, sample)).convert("RGB")
        mask = images.open_mask(root, sample) if sample.mask else None
    image.thumbnail((SIDE, SIDE), Image.Resampling.BICUBIC)
    if max(image.size) < SIDE // 2:  # digits of 8 pixels would be a speck
        scale = SIDE // 2 // max(image.size)
        image = image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
    if mask is not None:
        image = outlined(image, mask)
    out = io.BytesIO()
    image.save(out, "WEBP", quality=82)
    return f"data:image/webp;base64,{base64.b64encode(out.getvalue()).decode()}"


def _eight_bit(image: Image.Image) -> Image.Image:
    """16-bit greys scaled to 8, for looking at: ``convert`` would clip them."""
    return image.point(lambda value: value / 256).convert("L") if image.mode.startswith("I;16") else image


def outlined(image: Image.Image, mask: Image.Image) -> Image.Image:
    """``image`` with the border of ``mask`` (mode L, 255 is marked) drawn two pixels wide."""
    mask = mask.resize(image.size, Image.Resampling.NEAREST).point(lambda value: 255 if value else 0)
    border = ImageChops.difference(
        mask.filter(ImageFilter.MaxFilter(3)), mask.filter(ImageFilter.MinFilter(3))
    )
    return Image.composite(Image.new("RGB", image.size, OUTLINE), image, border)


def card(
    found: Album, sample: Sample | None, sample_id: str, words: str, heat: heatmaps.Heat | None = None
) -> str:
    """One picture with what is to be said of it, as HTML; in place of one that cannot be read, why.

    With its map over it, where ``heat`` has one.
    """
    if heat is not None and sample_id not in heat.ids:
        heat = None
    inner = '<span class="none">not in the manifest</span>'
    if found.prepared is not None and sample is not None:
        try:
            uri = _uri(found.prepared.root_path, sample, heat)
            inner = f'<img src="{uri}" alt="{escape(sample_id)}" loading="lazy">'
        except DataError as error:
            inner = f'<span class="none">{escape(error.message)}</span>'
    elif found.why:
        inner = f'<span class="none">{escape(found.why)}</span>'
    return f'<figure title="{escape(sample_id)}">{inner}<figcaption>{escape(words)}</figcaption></figure>'


def gallery(cards: list[str]) -> str:
    """Cards side by side."""
    return f'<div class="gad gad-gallery">{"".join(cards)}</div>'
