"""Settings of `[notify]`: where automations send what happened."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from tasks.errors import ConfigError
from tasks.settings.section import Section
from tasks.settings.servers import Variable


class NotifySettings(Section):
    """Where automations of the Prefect server send what happened; without a key they exist and send nothing."""

    webhook: Variable | None = Field(
        None,
        description='"env:NAME" of a variable that holds a URL, which is sent {"text": "..."} by POST, as Slack, '
        "Mattermost and Teams take it. It is kept encrypted in the block webhook/nexthour-notify.",
    )
    block: Annotated[str, Field(pattern=r"^[a-z0-9-]+/[a-z0-9-]+$")] | None = Field(
        None, description='Prefect block for notifications or webhooks as "slug/name", such as "slack-webhook/ops".'
    )

    @model_validator(mode="after")
    def _one(self) -> NotifySettings:
        if self.webhook and self.block:
            raise ConfigError("[notify] names both webhook and block: keep one of them")
        return self
