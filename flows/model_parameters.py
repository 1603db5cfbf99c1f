"""Closed sets of models for the forms of flows that name one."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from flows.pipelines.loop import LADDER
from tasks.model.steps import architecture_names

Architecture = Annotated[str, Field(json_schema_extra={"enum": list(architecture_names())})]
ReplayedModel = Annotated[str, Field(json_schema_extra={"enum": ["champion", "previous", *architecture_names()]})]
PublishingModel = Annotated[str, Field(json_schema_extra={"enum": list(LADDER)})]
