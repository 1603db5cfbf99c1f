"""The form of a run in the Prefect UI, out of the parameters of its flow and of the network's settings."""

from __future__ import annotations

from typing import Any

from tasks.settings.tree import Settings


def fill_form(properties: dict[str, dict[str, Any]], settings: Settings) -> None:
    """Mend the schema of a flow's parameters in place, so that its form is one that people can fill in.

    A parameter that may be left out is an empty field; as Prefect makes it, it is a choice between two types whose
    default, None, hides the field. Sources are those of the network, and moments say whose clock is meant.
    """
    for name, field in properties.items():
        kinds = [kind for kind in field.get("anyOf", []) if kind != {"type": "null"}]
        if len(kinds) == 1 and field.get("default") is None:
            del field["anyOf"]
            field.pop("default", None)
            field |= kinds[0]
        field["title"] = name.replace("_", " ").capitalize()
        field["description"] = field["description"][:1].upper() + field["description"][1:]
        if name == "source":
            field["enum"] = [source.name for source in settings.sources]
        if field.get("format") == "date-time":
            field["description"] += f" The network is in {settings.network.timezone}: choose that time zone beside it."
