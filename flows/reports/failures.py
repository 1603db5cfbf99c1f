"""Report of a run that did not end well."""

from __future__ import annotations

from flows.reports.document import Alert, Document, MarkdownOnly

PREFIX = "Flow run encountered an exception: "
AGAIN = "What was written stays. The same run again goes on from there: nothing is written twice."


def failure_document(flow: str, state: str, message: str, known: bool) -> Document:
    """What happened to a run, and what a person does now.

    Args:
        flow: its name.
        state: name of Prefect's state, such as Failed, TimedOut, Crashed or Cancelled.
        message: of that state.
        known: whether the message itself says what to do.
    """
    text = message.removeprefix(PREFIX)
    if known:
        text, remedy = text.partition(": ")[2] or text, "Do what the line above says, then run it again."
    elif state == "TimedOut":
        remedy = "Run it again. If it times out again, give it less to do: fewer days, models or trials."
    elif state.startswith("Cancel"):
        remedy = "Run it again with the same parameters when it is wanted."
    else:
        remedy = "Look at the logs of this run for the line before it, and run nexthour doctor on the machine."
    return Document(f"{flow}: {state}", [Alert(state.upper(), text or "no reason was given"), remedy, AGAIN])


def unanswered_document(version: str, why: str, decision: str) -> Document:
    """A promotion that waited for a person in vain.

    Args:
        version: that waited.
        why: nobody decided.
        decision: what was to be decided, as Markdown.
    """
    stays = f"Version {version} was not promoted: {why}. The champion stays, and version {version} is a challenger."
    remedy = f"To let it publish all the same: nexthour promote {version}, or a run of promote."
    return Document("retrain: nobody decided", [Alert("UNANSWERED", stays), remedy, MarkdownOnly(decision)])
