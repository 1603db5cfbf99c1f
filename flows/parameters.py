"""Types of flow parameters: what the form of a run offers, and what the server refuses before a run exists.

The server checks patterns, bounds and closed sets; that a text is a date it does not check, hence the patterns. Prefect
takes the description of a parameter from the docstring of its flow.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import Field

Day = Annotated[date, Field(json_schema_extra={"pattern": r"^\d{4}-\d{2}-\d{2}$"})]
Moment = Annotated[datetime, Field(json_schema_extra={"pattern": r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}"})]
ReportName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,59}$")]
Version = Annotated[str, Field(pattern=r"^(\d{1,9}|local-[0-9A-Za-z]{1,30})$")]
OriginMinutes = Annotated[int, Field(ge=1, le=1440)]
RetrainDays = Annotated[int, Field(ge=1, le=366)]
