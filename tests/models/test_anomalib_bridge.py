"""Models of anomalib by name: cards without importing it, raw scores, weights that are named, clear errors."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from encoded import pictures
from pydantic import ValidationError

from gad.harness import gridfile, registry
from gad.harness.adapter import Context
from gad.harness.errors import GridError, HarnessError, ModelError
from gad.harness.methods import input_of, method_fields
from gad.harness.nouns import Grid, ModelChoice, ModelInfo
from gad.models.anomalib import info, signatures
from gad.models.backbones import generated

SIDE = 32
GRID = "models: [{model}]\ndatasets: [textures]\nshots: [2]\nseeds: [0]\n"
CONTEXT = Context(category="c", text="c", seed=3, maps=True)
needs_anomalib = pytest.mark.skipif(
    signatures.folder() is None, reason="anomalib is not installed (the extra `anomalib`)"
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A ResNet-18 with drawn weights, by name."""
    path = tmp_path_factory.mktemp("weights") / "resnet18.safetensors"
    generated.write("timm:resnet18", path)
    return f"timm:resnet18:{path}"


def refused(model: str) -> str:
    known = gridfile.Known(registry.load().infos)
    with pytest.raises(GridError) as caught:
        gridfile.parse(GRID.format(model=model), known, file="g.yaml", folder=Path())
    return str(caught.value)


def test_without_anomalib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signatures, "folder", lambda: None)
    with pytest.raises(ModelError) as caught:
        registry.load().find("anomalib:Padim")
    assert str(caught.value) == (
        "anomalib:Padim needs anomalib, which is not installed\n"
        "Install the extra: pip install 'gad-harness[anomalib]'"
    )
    assert "which is not installed. Install the extra: pip install 'gad-harness[anomalib]'" in refused(
        "anomalib:Padim"
    )
    assert info.names() == ()


@needs_anomalib
@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("anomalib:Padm", "has no image model 'Padm'. Did you mean 'Padim'?"),
        ("anomalib:WinClip", "use winclip"),
        ("anomalib:EfficientAd", "cannot be fitted on K images: it trains beside images of ImageNet"),
        ("anomalib:AnomalyVFM", "cannot be fitted on K images: it is trained already"),
        ("{name: anomalib:Padim, options: {n_featurs: 3}}", "unknown option. Did you mean 'n_features'?"),
        ("{name: anomalib:Padim, options: {n_features: many}}", "is not an integer"),
        ("{name: anomalib:Padim, options: {pre_trained: false}}", "unknown option"),
        ("{name: anomalib:Padim, options: {backbone: 'timm:resnet18@64:/w.pt'}}", "the option side"),
        (
            "{name: anomalib:Dinomaly, options: {encoder_name: 'timm:x:/w.pt'}}",
            "an option that is called backbone",
        ),
    ],
)
def test_names_and_options_are_checked_when_planned(model: str, said: str) -> None:
    assert said in refused(model)


@needs_anomalib
def test_cards_are_light_and_can_be_sent() -> None:
    card = registry.load().find("anomalib:Padim").info
    assert pickle.loads(pickle.dumps(card)) == card
    assert card.options().model_dump() == {
        "side": 256,
        "max_epochs": 0,
        "backbone": "resnet18",
        "layers": ("layer1", "layer2", "layer3"),
        "n_features": None,
    }
    script = (
        "import sys; from gad.models.anomalib import info; found = [info.info(n) for n in info.names()]\n"
        "print(len(found), [m for m in ('torch', 'anomalib', 'lightning', 'timm') if m in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == f"{len(info.names())} []"
    assert {"Padim", "Patchcore", "Stfpm"} <= set(info.names())


@needs_anomalib
def test_version_and_weights_are_part_of_the_method(weights: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = registry.load().find("anomalib:Padim")
    options = model.info.options(side=SIDE, backbone=weights).model_dump(mode="json")
    choice = ModelChoice(name="anomalib:Padim", options=options)
    grid = Grid(name="g", models=(choice,), datasets=("textures",), shots=(1,), seeds=(0,))
    fields = method_fields(grid, model, choice, input_of(model, choice))
    assert fields["generated"] == "timm:resnet18, seed 0"
    assert len(fields["weights"]) == 20
    monkeypatch.setattr(registry, "_version", lambda distribution, model: f"{distribution} 99")
    assert method_fields(grid, model, choice, input_of(model, choice))["source"] != fields["source"]


def bridged(card: ModelInfo, **options: object):  # type: ignore[no-untyped-def]
    from gad.models.anomalib.adapter import Bridge

    made = Bridge(card.options.model_validate({"side": SIDE, **options}), CONTEXT)
    made.prepare(pictures(2, size=made.options.side, seed=1))
    return made


@needs_anomalib
def test_scores_and_maps_are_anomalibs_raw_ones(weights: str) -> None:
    """The same model by hand: its own processor, network and fit, without a trainer."""
    card = registry.load().find("anomalib:Padim").info
    detector, queries = bridged(card, backbone=weights, n_features=30), pictures(4, seed=70)
    found = detector.score(queries)
    own = detector.model.model
    assert len(own.idx) == 30
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from anomalib.models.image.padim.torch_model import PadimModel

        plain = PadimModel("resnet18", ["layer1", "layer2", "layer3"], pre_trained=False, n_features=30)
    plain.feature_extractor.load_state_dict(own.feature_extractor.state_dict())
    plain.idx = own.idx
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))

    def seen(images: np.ndarray) -> torch.Tensor:
        return (torch.from_numpy(images / 255.0).float().permute(0, 3, 1, 2) - mean) / std

    with torch.no_grad():
        plain.train()(seen(pictures(2, seed=1)))
        plain.fit()
        expected = plain.eval()(seen(queries))
    assert found.scores == pytest.approx(expected.pred_score.flatten().numpy(), rel=1e-4)
    assert found.maps == pytest.approx(expected.anomaly_map[:, 0].numpy(), rel=1e-4)
    assert found.scores.min() > 1  # neither normalised nor clamped
    one_by_one = [detector.score(queries[i : i + 1]).scores[0] for i in range(4)]
    assert found.scores.tolist() == one_by_one
    again = bridged(card, backbone=weights, n_features=30).score(queries)
    assert again.scores.tolist() == found.scores.tolist()


@needs_anomalib
def test_a_model_that_is_trained_by_gradient(weights: str) -> None:
    card = registry.load().find("anomalib:Stfpm").info
    with pytest.raises(ModelError, match="Give it an option max_epochs"):
        bridged(card, backbone=weights)
    found = bridged(card, backbone=weights, max_epochs=2).score(pictures(2, seed=70))
    assert found.maps.shape == (2, SIDE, SIDE)
    assert np.isfinite(found.scores).all()


@needs_anomalib
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("Cflow", {"max_epochs": 1, "side": 64, "fiber_batch_size": 8, "coupling_blocks": 1}),
        ("Dfkde", {"n_pca_components": 1}),
        ("Dfm", {"layer": "layer3", "side": 64}),
        ("Fastflow", {"max_epochs": 1, "flow_steps": 2}),
        ("Fre", {"max_epochs": 1, "layer": "layer3", "input_dim": 256, "latent_dim": 8}),
        ("Patchcore", {}),
        ("ReverseDistillation", {"max_epochs": 1}),
        ("Supersimplenet", {"max_epochs": 1, "side": 256}),
        ("Ganomaly", {"max_epochs": 1}),
    ],
)
def test_others_that_work(weights: str, name: str, options: dict[str, object]) -> None:
    """The table of docs/anomalib.md, as far as its encoders can be named."""
    card = registry.load().find(f"anomalib:{name}").info
    own = {"backbone": weights} if "backbone" in card.options.model_fields else {}
    made = bridged(card, **own, **options)
    side = made.options.side
    found = made.score(pictures(2, size=side, seed=70))
    assert found.scores.shape == (2,)
    assert np.isfinite(found.scores).all()
    assert found.maps is None or found.maps.shape == (2, side, side)


@needs_anomalib
@pytest.mark.filterwarnings("ignore")
def test_what_does_not_work_is_said(weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def said(name: str, **options: object) -> str:
        card = registry.load().find(f"anomalib:{name}").info
        with pytest.raises(ModelError) as caught:
            bridged(card, **options).score(pictures(2, seed=70))
        return str(caught.value)

    assert "the model wants dtd-r1.0.1.tar.gz in datasets/dtd, and a run does not fetch it" in said(
        "Draem", max_epochs=1
    )
    assert list(tmp_path.iterdir()) == []
    assert "anomalib:Dfkde was fitted and cannot score" in said("Dfkde", backbone=weights)
    assert "cannot be smaller than center crop size" in said("MHPatchcore", backbone=weights)

    def unreachable(*_: object, **__: object) -> None:
        raise URLError("no such host")

    monkeypatch.setattr("torch.hub.download_url_to_file", unreachable)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert "weights of anomalib:Cfa are not in the local cache, and could not be fetched" in said(
        "Cfa", backbone="resnet18", max_epochs=1
    )


@needs_anomalib
def test_weights_that_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never random ones: neither where the hub cannot be reached nor where a file is of another network."""
    import timm.models._builder as builder

    def offline(*_: object, **__: object) -> object:
        raise OSError("no network")

    card = registry.load().find("anomalib:Padim").info
    monkeypatch.setattr(builder, "load_state_dict_from_hf", offline)
    monkeypatch.setattr(builder, "load_state_dict_from_url", offline)
    with pytest.raises(ModelError, match=r"resnet18 cannot be read .*no network(?s:.)*timm:resnet18:/path"):
        bridged(card)
    other = tmp_path / "other.safetensors"
    generated.write("timm:test_resnet", other)
    with pytest.raises(ModelError, match=r"resnet18 cannot be read from .*other\.safetensors"):
        bridged(card, backbone=f"timm:resnet18:{other}")
    with pytest.raises(HarnessError, match="not there"):
        bridged(card, backbone=f"timm:resnet18:{tmp_path}/gone.safetensors")
    with pytest.raises(ValidationError, match="called backbone"):
        registry.load().find("anomalib:UniNet").info.options(teacher_backbone=f"timm:resnet18:{other}")
