"""Where automations send what happened: the block that `[notify]` names, or the one that holds its webhook."""

from __future__ import annotations

import json
from dataclasses import dataclass
from uuid import UUID

from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import SyncPrefectClient
from prefect.events.actions import ActionTypes, CallWebhook, DoNothing, SendNotification
from prefect.exceptions import ObjectNotFound

from tasks.errors import ConfigError
from tasks.settings.secrets import check_url, read_variable
from tasks.settings.tree import Settings

BLOCK = "nexthour-notify"
"""Name of the webhook block that holds `[notify] webhook`, encrypted."""


@dataclass(frozen=True)
class Notifier:
    """Makes the action that sends a message; one that does nothing where nothing is configured.

    Attributes:
        block: id of a block; None without notifications.
        is_webhook: whether it is a webhook, and not one of Prefect's blocks for notifications.
    """

    block: UUID | None = None
    is_webhook: bool = False

    def action(self, message: str) -> ActionTypes:
        """The action that sends a message, a Jinja template of Prefect's."""
        if self.block is None:
            return DoNothing()
        if self.is_webhook:
            # tojson of a captured block: whatever the values hold, the body stays JSON.
            payload = f'{{% set text %}}{message}{{% endset %}}{{"text": {{{{ text | tojson }}}}}}'
            return CallWebhook(block_document_id=self.block, payload=payload)
        return SendNotification(block_document_id=self.block, subject="Nexthour", body=message)


def make_notifier(settings: Settings, client: SyncPrefectClient) -> Notifier:
    """The notifier that `[notify]` asks for; a webhook's address is stored in an encrypted block of the server.

    Raises:
        ConfigError: if the variable is not set or is no address, or there is no such block.
    """
    if settings.notify.webhook:
        url = read_variable("[notify] webhook", settings.notify.webhook)
        _check(url)
        block = Webhook(url=url, headers={"Content-Type": "application/json"})  # type: ignore[arg-type]
        return Notifier(UUID(str(block.save(BLOCK, overwrite=True))), is_webhook=True)
    if settings.notify.block:
        slug, _, name = settings.notify.block.partition("/")
        try:
            found = client.read_block_document_by_name(name, slug, include_secrets=False)
        except ObjectNotFound:
            raise ConfigError(
                f"[notify] block: Prefect has no block {settings.notify.block}: make it, or correct the name"
            ) from None
        return Notifier(found.id, is_webhook=slug == "webhook")
    return Notifier()


def literal(text: str) -> str:
    """Text as it stands, inside a Jinja template."""
    return f"{{{{ {json.dumps(text)} }}}}"


def _check(url: str) -> None:
    """Whether a webhook can be called; its address may hold a secret, and is not repeated."""
    try:
        check_url(url)
    except ConfigError:
        raise ConfigError("[notify] webhook: the variable holds no http:// or https:// address") from None
