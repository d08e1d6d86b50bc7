"""Checkpoints on their way in and out: the authors' files, and heads that `harness train` left."""

from __future__ import annotations

from pathlib import Path

from gad.harness.adapter import Given
from gad.harness.errors import ModelError
from gad.models.backbones import weights
from gad.models.backbones.spec import parse
from gad.models.inctrl import checkpoint, heads_file
from gad.models.inctrl.adapter import as_arrays
from gad.models.inctrl.info import Options

WHOLE = ("TPI", "subtract")  # components and residual of the authors' checkpoints


def read_given(path: Path, backbone: str, options: Options) -> Given:
    """Heads for the architecture of ``backbone``: a ``.safetensors`` of ours, or a file in the authors' layout.

    Raises ModelError for a file that does not fit, key by key, and for heads of another variant than the
    ``options`` ask for.
    """
    wanted = (options.components, options.residual)
    if path.suffix == ".safetensors":
        header, state, sizes = heads_file.read(path)
        made = (header.options.components, header.options.residual)
        if made != wanted:
            raise ModelError(
                f"{path} was trained with components {made[0]} and residual {made[1]}, not {wanted[0]} and {wanted[1]}",
                fix="Ask for the variant that the checkpoint holds.",
            )
        return Given(as_arrays(state, sizes), header.shots, header.encoder, header.backbone_digest)
    if wanted != WHOLE:
        raise ModelError(
            f"{path}: a released checkpoint is InCTRL with all its parts, not {wanted[0]} with {wanted[1]}",
            fix="Leave components and residual as they are.",
        )
    released = checkpoint.read(path, backbone)
    arrays = as_arrays(released.heads, (released.patches, released.dim, 0, 0))
    return Given(arrays, encoder_digest=weights.frozen_digest(released.encoder))


def write_released(path: Path, backbone: str, out: Path) -> None:
    """Write the heads of ``path`` (a ``.safetensors`` of ours) with their encoder in the authors' layout.

    Raises ModelError when ``backbone`` is not the encoder that they were trained on or its weights are generated,
    and for the heads of an ablation, which the layout has no place for.
    """
    from gad.models.backbones import clip
    from gad.models.backbones.describe import generated

    if generated(backbone):
        raise ModelError(
            f"the weights of {backbone} are generated, and the authors' layout has no place to say so",
            fix="Train on an encoder that was trained itself.",
        )
    header, state, _ = heads_file.read(path)
    made = (header.options.components, header.options.residual)
    if made != WHOLE:  # some of them have tensors of the same names and shapes
        raise ModelError(
            f"{path} holds components {made[0]} with {made[1]}: the authors' layout has all of them"
        )
    checkpoint.clip_shapes(backbone)  # before its weights are read: is it a CLIP at all?
    encoder = clip.load(parse(backbone)).model.state_dict()
    if header.backbone_digest and header.backbone_digest != weights.frozen_digest(encoder):
        raise ModelError(
            f"{path} was trained on another encoder than {backbone}",
            fix=f"Name its own with --backbone: it was {header.options.backbone}.",
        )
    checkpoint.write(out, encoder, state, backbone)
