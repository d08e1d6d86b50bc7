"""Fitting a model of anomalib on K images: its own steps and hooks, run by Lightning's trainer on one process."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from gad.harness.errors import HarnessError, ModelError

BATCH = 32  # anomalib's own for training


class Shown:
    """The prompts as batches of normal images, made anew every time: processors write into them."""

    def __init__(self, images: Tensor) -> None:
        self.images = images

    def __len__(self) -> int:
        return -(-len(self.images) // BATCH)

    def __iter__(self) -> Iterator[Any]:
        from anomalib.data import ImageBatch

        for images in self.images.split(BATCH):
            nothing = torch.zeros(len(images), dtype=torch.bool)
            masks = torch.zeros(len(images), *images.shape[-2:], dtype=torch.bool)
            yield ImageBatch(image=images.clone(), gt_label=nothing, gt_mask=masks)


def data_of(shown: Shown) -> Any:
    """The batches as a data module: some models ask it how many there are, and set up their schedules by that."""
    from lightning.pytorch import LightningDataModule

    data: Any = LightningDataModule()
    data.train_dataloader = lambda: shown
    return data


def fit(model: Any, images: Tensor, max_epochs: int, name: str) -> None:
    """Fit on float32 ``[K, 3, side, side]`` in 0..1; the model is then ready to be asked.

    Raises ModelError when nobody says how long to train, and for what the model's own code raises.
    """
    from lightning.pytorch import Trainer

    asked = dict(model.trainer_arguments)
    epochs = max_epochs or asked.get("max_epochs")
    if not epochs:
        raise ModelError(
            f"anomalib:{name} trains until it is told to stop", fix="Give it an option max_epochs."
        )
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quiet = dict.fromkeys(
            ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False
        )
        settings = {**asked, **quiet, "accelerator": "cpu", "devices": 1, "max_epochs": epochs}
        try:
            Trainer(default_root_dir=folder, **settings).fit(model, datamodule=data_of(Shown(images)))
        except HarnessError:
            raise
        except Exception as error:  # the model's own code, which may want what is not here
            raise ModelError(
                f"anomalib:{name} cannot be fitted on {len(images)} images: {type(error).__name__}: {error}",
                fix="Some models of anomalib need other data beside normal images; use another one.",
            ) from error
    model.trainer = None
    model.eval()
