"""Checkpoints of the authors' layout, and heads in files of their own: read, written, and refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file

from gad.harness.adapter import Context, Features
from gad.harness.cli.exporting import export
from gad.harness.errors import ModelError, UsageError
from gad.harness.executor import loaded, trainings
from gad.models.backbones.weights import TINY, frozen_digest
from gad.models.inctrl import checkpoint, heads_file
from gad.models.inctrl.adapter import InCTRL, as_arrays
from gad.models.inctrl.info import Options
from gad.models.inctrl.network import InCTRLHeads
from gad.models.inctrl.recipe import Recipe
from gad.models.inctrl.training import fresh_network

State = dict[str, torch.Tensor]
FULL = "ViT-B-16-plus-240:laion400m_e32"
# The released files' keys, written down from the authors' model class: 301 of the encoder and 44 beside.
BLOCK = [
    *(f"{norm}.{kind}" for norm in ("ln_1", "ln_2") for kind in ("weight", "bias")),
    *("attn.in_proj_weight", "attn.in_proj_bias", "attn.out_proj.weight", "attn.out_proj.bias"),
    *(f"mlp.{linear}.{kind}" for linear in ("c_fc", "c_proj") for kind in ("weight", "bias")),
]
AUTHORS = {
    *(
        "positional_embedding",
        "text_projection",
        "token_embedding.weight",
        "ln_final.weight",
        "ln_final.bias",
    ),
    *(f"visual.{name}" for name in ("class_embedding", "positional_embedding", "proj", "conv1.weight")),
    *(f"visual.{norm}.{kind}" for norm in ("ln_pre", "ln_post") for kind in ("weight", "bias")),
    *(
        f"{tower}transformer.resblocks.{n}.{key}"
        for tower in ("visual.", "")
        for n in range(12)
        for key in BLOCK
    ),
    *("adapter.fc.0.weight", "adapter.fc.2.weight"),
    *(
        f"{head}.{key}"
        for head in ("diff_head", "diff_head_ref")
        for key in (
            *(f"projection{n}.{kind}" for n in (1, 2, 3) for kind in ("weight", "bias")),
            *(
                f"bn{n}.{kind}"
                for n in (1, 2, 3)
                for kind in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
            ),
        )
    ),
}


def full() -> State:
    """Every tensor of a released file in its shape; a tensor is one number, repeated, so the file is small."""
    shapes = {**checkpoint.clip_shapes(FULL), **checkpoint.heads_shapes(225, 640)}
    return {
        name: torch.tensor(n if name.endswith("tracked") else 0.01 * n).expand(shapes[name])
        for n, name in enumerate(sorted(AUTHORS))
    }


@pytest.fixture(scope="module")
def encoder() -> State:
    return load_file(TINY / "tiny.safetensors")


def heads(patches: int = 64, dim: int = 128) -> State:
    state = fresh_network(patches, dim, Recipe(shots=2)).state_dict()
    for n, (name, value) in enumerate(state.items()):
        if "bn" in name:
            value.fill_(1000 if name.endswith("tracked") else 0.1 + 0.01 * n)
    return dict(state)


def authors(encoder: State) -> State:
    return {**{name: value for name, value in encoder.items() if name != "logit_scale"}, **heads()}


def test_the_whole_released_layout(tmp_path: Path) -> None:
    assert len(AUTHORS) == 345
    state = full()
    assert state["diff_head_ref.projection1.weight"].shape == (128, 640)
    assert state["visual.positional_embedding"].shape == (226, 896)
    assert state["token_embedding.weight"].shape == (49408, 640)
    torch.save(state, tmp_path / "checkpoint.pyth")
    found = checkpoint.read(tmp_path / "checkpoint.pyth", FULL)
    assert found.encoder.keys() | found.heads.keys() == AUTHORS | {"logit_scale"}
    assert float(found.encoder["logit_scale"].exp()) == pytest.approx(100)
    assert (found.patches, found.dim, len(found.heads)) == (225, 640, 44)
    for name, value in {**found.encoder, **found.heads}.items():
        assert name == "logit_scale" or torch.equal(value, state[name]), name
    InCTRLHeads(225, 640).load_state_dict(found.heads, strict=True)


WRAPPED: dict[str, Callable[[State], object]] = {
    "plain": lambda state: state,
    "model_state": lambda state: {"epoch": 9, "model_state": state, "cfg": "TRAIN: {}"},
    "logit_scale": lambda state: {**state, "logit_scale": torch.tensor(4.5)},
    "attn_mask": lambda state: {**state, "attn_mask": torch.zeros(77, 77)},
}


@pytest.mark.parametrize("form", WRAPPED)
def test_accepted_forms(tmp_path: Path, encoder: State, form: str) -> None:
    state = authors(encoder)
    torch.save(WRAPPED[form](state), tmp_path / "c.pyth")
    found = checkpoint.read(tmp_path / "c.pyth", "tiny")
    assert found.encoder.keys() == encoder.keys()
    assert all(torch.equal(found.encoder[name], state[name]) for name in encoder if name != "logit_scale")
    assert all(torch.equal(value, state[name]) for name, value in found.heads.items())
    assert float(found.encoder["logit_scale"]) == pytest.approx(4.5 if form == "logit_scale" else 4.6051702)


def test_a_file_of_an_old_torch(tmp_path: Path, encoder: State) -> None:
    torch.save(authors(encoder), tmp_path / "c.pyth", _use_new_zipfile_serialization=False)
    assert len(checkpoint.read(tmp_path / "c.pyth", "tiny").heads) == 44


def test_every_key_that_does_not_fit_is_listed(tmp_path: Path, encoder: State) -> None:
    state = authors(encoder)
    del state["adapter.fc.2.weight"], state["visual.proj"]
    state["diff_head.projection4.weight"] = torch.zeros(1)
    state["diff_head_ref.bn2.running_var"] = torch.zeros(64)
    state["diff_head.bn3.num_batches_tracked"] = torch.tensor(1.0)
    torch.save(state, tmp_path / "c.pyth")
    with pytest.raises(ModelError) as caught:
        checkpoint.read(tmp_path / "c.pyth", "tiny")
    assert caught.value.message.splitlines() == [
        f"{tmp_path / 'c.pyth'} is no InCTRL checkpoint on tiny",
        "2 missing: visual.proj, adapter.fc.2.weight",
        "1 not known: diff_head.projection4.weight",
        "2 of another shape or kind: diff_head.bn3.num_batches_tracked torch.float32 (), expected (), "
        "diff_head_ref.bn2.running_var torch.float32 (64,), expected (128,)",
    ]


def test_the_backbone_of_another_size(tmp_path: Path, encoder: State) -> None:
    torch.save(authors(encoder), tmp_path / "c.pyth")
    with pytest.raises(ModelError, match=r"no InCTRL checkpoint on ViT-B-16-plus-240(.|\n)* and \d+ more"):
        checkpoint.read(tmp_path / "c.pyth", FULL)
    with pytest.raises(ModelError, match="no CLIP with the layout"):
        checkpoint.read(tmp_path / "c.pyth", "timm:resnet18")


class Runs:
    """What a malicious file would hold."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.marker),)


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    torch.save({"model_state": Runs(tmp_path / "ran")}, tmp_path / "c.pyth")
    with pytest.raises(ModelError, match="cannot be read as tensors alone"):
        checkpoint.read(tmp_path / "c.pyth", "tiny")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([1, 2], "holds a list"),
        ({"model_state": 3}, "holds a int"),
        ({"a": torch.zeros(1), "b": "text"}, "more than tensors: b"),
    ],
)
def test_other_contents(tmp_path: Path, content: object, said: str) -> None:
    torch.save(content, tmp_path / "c.pyth")
    with pytest.raises(ModelError, match=said):
        checkpoint.read(tmp_path / "c.pyth", "tiny")


def test_no_file_and_no_torch_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no checkpoint"):
        checkpoint.read(tmp_path / "c.pyth", "tiny")
    (tmp_path / "c.pyth").write_bytes(b"not a checkpoint at all")
    with pytest.raises(ModelError, match="cannot be read"):
        checkpoint.read(tmp_path / "c.pyth", "tiny")


def test_written_as_the_authors_do(tmp_path: Path, encoder: State) -> None:
    trained = heads()
    checkpoint.write(tmp_path / "out.pyth", encoder, trained, "tiny")
    written = torch.load(tmp_path / "out.pyth", weights_only=True)
    assert written.keys() == authors(encoder).keys()
    again = checkpoint.read(tmp_path / "out.pyth", "tiny")
    assert all(torch.equal(value, trained[name]) for name, value in again.heads.items())
    assert [path.name for path in tmp_path.iterdir()] == ["out.pyth"]
    ablation = dict(InCTRLHeads(64, 128, "PI").state_dict()) | {"patch_pairs.0.weight": torch.zeros(1, 4)}
    with pytest.raises(ModelError, match="InCTRL with all its parts"):
        checkpoint.write(tmp_path / "no.pyth", encoder, ablation, "tiny")


SIZES = (64, 128, 3, 128)


def header(**options: object) -> heads_file.Header:
    return heads_file.Header(
        options=Options.model_validate(options),
        auxiliary="mvtec",
        shots=4,
        training_seed=10,
        encoder="0123456789abcdef0123",
        backbone_digest="ab" * 32,
    )


@pytest.mark.parametrize("residual", ["subtract", "concat"])
@pytest.mark.parametrize("components", ["TPI", "P", "T"])
def test_heads_in_a_file_of_their_own(tmp_path: Path, components: str, residual: str) -> None:
    path = tmp_path / "heads.safetensors"
    network = InCTRLHeads(64, 128, components, residual, layers=3, width=128)
    said = header(components=components, residual=residual, own_prompt=True)
    heads_file.save(path, network.state_dict(), SIZES, said)
    found, state, sizes = heads_file.read(path)
    assert (found, sizes) == (said, SIZES)
    assert found.options.own_prompt
    assert state.keys() == network.state_dict().keys()
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in state.items())
    # What the harness reads of any model's checkpoint, and what its adapter loads.
    assert trainings.header(path)["encoder"] == "0123456789abcdef0123"
    InCTRL(said.options, Context("nut", "nut", seed=0)).load(load_arrays(path))
    assert [path.name for path in tmp_path.iterdir()] == ["heads.safetensors"]


def test_what_the_harness_writes_is_read_and_exported(tmp_path: Path, encoder: State) -> None:
    said = {
        "model": "inctrl",
        "options": Options(backbone="tiny").model_dump(mode="json"),
        "auxiliary": "mvtec",
        "shots": 4,
        "training_seed": 10,
        "encoder": "0123456789abcdef0123",
    }
    arrays = as_arrays(heads(), SIZES)
    loaded.save(arrays, str(tmp_path / "checkpoint.safetensors"), {**said, "epoch": 3})
    found, state, _ = heads_file.read(tmp_path / "checkpoint.safetensors")
    assert found.model_dump(mode="json") == {**said, "backbone_digest": ""}
    checkpoint.write(tmp_path / "checkpoint.pyth", encoder, state, "tiny")
    again = checkpoint.read(tmp_path / "checkpoint.pyth", "tiny")
    assert all(np.array_equal(value.numpy(), arrays[name]) for name, value in again.heads.items())


def test_heads_that_do_not_fit_their_header(tmp_path: Path) -> None:
    path = tmp_path / "heads.safetensors"
    with pytest.raises(ModelError, match="44 not known"):
        heads_file.save(path, heads(), SIZES, header(components="T"))
    heads_file.save(path, heads(), SIZES, header())
    arrays, fields = load_arrays(path), trainings.header(path)
    save_arrays({**arrays, "sizes": np.array((225, 128, 3, 128))}, path, {"gad": json.dumps(fields)})
    with pytest.raises(
        ModelError, match=r"diff_head.projection1.weight .*\(128, 64\), expected \(128, 225\)"
    ):
        heads_file.read(path)
    for bad, said in (({"model": "winclip"}, "inctrl"), ({"options": {"nose": 1}}, "nose")):
        save_arrays(arrays, path, {"gad": json.dumps({**fields, **bad})})
        with pytest.raises(ModelError, match=f"holds no InCTRL heads: .*{said}"):
            heads_file.read(path)
    save_arrays(arrays, path)
    with pytest.raises(ModelError, match="holds no InCTRL heads"):
        heads_file.read(path)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ModelError, match="holds no InCTRL heads"):
        heads_file.read(path)
    with pytest.raises(ModelError, match="holds no InCTRL heads"):
        heads_file.read(tmp_path / "nothing")


def test_released_heads_score_in_the_adapter(tmp_path: Path, encoder: State) -> None:
    torch.save(authors(encoder), tmp_path / "c.pyth")
    released = checkpoint.read(tmp_path / "c.pyth", "tiny")
    adapter = InCTRL(Options(), Context("nut", "nut", seed=0))
    adapter.load(as_arrays(released.heads, (released.patches, released.dim, 0, 0)))
    draw = np.random.default_rng(0)
    given = Features(
        draw.normal(size=(5, 128)).astype(np.float32),
        nearest={n: draw.random((5, 64)).astype(np.float32) for n in (3, 4, 5)},
        text=draw.normal(size=(2, 128)).astype(np.float32),
    )
    adapter.prepare(given.rows(0, 2))
    scored = adapter.score(given)
    assert np.isfinite(scored.scores).all()
    assert scored.parts.keys() == {"image_score", "patch_score", "text_score"}
    mean = np.mean(list(given.nearest.values()), axis=0)
    assert scored.maps is not None
    assert np.abs(scored.maps - mean.reshape(5, 8, 8)).max() < 1e-6
    assert np.abs(scored.parts["patch_score"] - mean.max(axis=1)).max() < 1e-6


def test_heads_of_ours_are_exported_with_their_encoder(tmp_path: Path, encoder: State) -> None:
    """`harness models export`: what it writes is read as the authors' file is, and fits its own encoder."""
    trained, path = heads(), tmp_path / "checkpoint.safetensors"
    digest = frozen_digest(encoder)
    said = header(backbone="tiny").model_copy(update={"backbone_digest": digest})
    heads_file.save(path, trained, SIZES, said)
    export(path, out=tmp_path / "new" / "checkpoint.pyth")
    again = checkpoint.read(tmp_path / "new" / "checkpoint.pyth", "tiny")
    assert all(torch.equal(value, trained[name]) for name, value in again.heads.items())
    assert frozen_digest(again.encoder) == digest
    with pytest.raises(UsageError, match="is there already"):
        export(path, out=path)
    heads_file.save(path, trained, SIZES, said.model_copy(update={"backbone_digest": "cd" * 32}))
    with pytest.raises(ModelError, match="was trained on another encoder than tiny"):
        export(path, out=tmp_path / "other.pyth")
    part = header(backbone="tiny", components="PI").model_copy(update={"backbone_digest": digest})
    heads_file.save(path, InCTRLHeads(64, 128, "PI").state_dict(), SIZES, part)
    with pytest.raises(ModelError, match="holds components PI with subtract"):
        export(path, out=tmp_path / "other.pyth")
    assert not (tmp_path / "other.pyth").exists()
