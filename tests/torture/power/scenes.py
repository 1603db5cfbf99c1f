"""All work amid which the power is cut."""

from __future__ import annotations

from typing import Any

from torture.power.ingests import INGESTS
from torture.power.promotions import Promotions
from torture.power.publications import Publications
from torture.power.scorings import Scorings
from torture.power.tries import Scene
from torture.power.upkeep import Upkeep

SCENES: tuple[Scene[Any], ...] = (*INGESTS, Upkeep(), Publications(), Promotions(), Scorings())
