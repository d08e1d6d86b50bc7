"""What every noun is made of."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """Immutable, and strict about names: an unknown field is an error, never ignored."""

    # defer_build: validators are made when first used, which keeps imports (and so `--help`) quick.
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True)
