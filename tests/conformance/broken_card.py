"""A card that imports a heavy library."""

import scipy  # noqa: F401
from broken_models import card

INFO = card("Sound")
