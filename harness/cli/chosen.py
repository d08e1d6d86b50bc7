"""What commands that need no grid are told on the command line: a model with options, and image files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gad.harness.errors import UsageError
    from gad.harness.nouns import Input, ModelInfo
    from gad.harness.registry import Model


def chosen_model(
    model: str, option: list[str], backbone: str, base: dict[str, Any] | None = None
) -> tuple[Model, Any, Input]:
    """A registered model, its options (``NAME=VALUE`` each, over ``base``), and what it then wants to see."""
    from gad.harness import registry
    from gad.harness.methods import input_of
    from gad.harness.nouns import ModelChoice
    from gad.models.backbones.spec import placed

    found = registry.load().find(model)
    info, chosen = found.info, {**(base or {}), **options_of(found.info, option)}
    if "backbone" in info.options.model_fields:
        named = str(backbone or chosen.get("backbone") or info.default_backbone)
        chosen["backbone"] = placed(named, Path())  # trainings run in folders of their own
    elif backbone:
        raise no_backbone(model)
    options = _validated(info, chosen)
    return found, options, input_of(found, ModelChoice(name=model, options=options.model_dump(mode="json")))


def no_backbone(model: str) -> UsageError:
    """What to raise when one is named for a model that has no such option."""
    from gad.harness.errors import UsageError

    return UsageError(f"{model} looks at images themselves and has no backbone", fix="Leave --backbone away.")


def options_of(info: ModelInfo, given: list[str]) -> dict[str, Any]:
    """Options as a grid file would read them."""
    import yaml

    from gad.harness.errors import UsageError, did_you_mean

    known = list(info.options.model_fields)
    chosen: dict[str, Any] = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not equals or name not in known:
            raise UsageError(
                f"--option {item!r}: {info.name} has no option {name!r}.{did_you_mean(name, known)}"
                if equals
                else f"--option {item!r} is not NAME=VALUE",
                fix=f"Its options: {', '.join(known) or 'none'}.",
            )
        try:
            chosen[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise UsageError(
                f"--option {item!r}: {value!r} is not a value as YAML has it",
                fix="Put quotes around text with brackets, braces or colons in it.",
            ) from error
    return chosen


def _validated(info: ModelInfo, chosen: dict[str, Any]) -> Any:
    from pydantic import ValidationError

    from gad.harness.errors import UsageError

    try:
        return info.options.model_validate(chosen)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(map(str, first["loc"]))
        where = f"option {name} of {info.name}" if name else f"options of {info.name}"
        raise UsageError(
            f"{where}: {first['msg'].removeprefix('Value error, ')}",
            fix=f"`harness models show {info.name}` shows the defaults.",
        ) from error


def listed(places: Sequence[Path], what: str) -> list[Path]:
    """Image files among ``places``, and in the folders among them (at any depth), in name order.

    A file that is named itself is taken whatever its suffix. UsageError when a place does not exist, or a
    folder holds no image.
    """
    from gad.datasets.trees import is_image
    from gad.harness.errors import UsageError

    found: list[Path] = []
    for place in places:
        if place.is_dir():
            inside = sorted(path for path in place.rglob("*") if path.is_file() and is_image(path))
            if not inside:
                raise UsageError(f"{what}: no image files in {place}", fix="Name the folder that holds them.")
            found += inside
        elif place.exists():
            found.append(place)
        else:
            raise UsageError(f"{what}: there is no {place}", fix="Check the path.")
    return found
