"""The decision of the promotion gate, as JSON and as Markdown."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from tasks.escapes import escape_markdown

TOTAL = "network total"


@dataclass(frozen=True)
class RivalRow:
    """The challenger against one rival over all days that both were scored on.

    Attributes:
        rival: name of the other model.
        role: "champion" or "baseline".
        challenger, loss: mean daily loss of the challenger and of the rival, lower is better.
        difference: challenger over rival, less one, in percent; negative is better.
        confidence: probability, by the paired t-test, that the challenger is better.
        verdict: "better", "worse" or "not told apart".
    """

    rival: str
    role: str
    challenger: float
    loss: float
    difference: float
    confidence: float
    verdict: str


@dataclass(frozen=True)
class TierRow:
    """One group of stations, by volume, against the reference.

    Attributes:
        tier: name of the group.
        stations: how many there are.
        rival: the reference: the champion, or the best baseline where there is none.
        challenger, loss: mean loss of the group's stations.
        difference: challenger over reference, less one, in percent.
        verdict: "within margin", "worse", or "not told apart" from chance.
    """

    tier: str
    stations: int
    rival: str
    challenger: float
    loss: float
    difference: float
    verdict: str


@dataclass(frozen=True)
class GroupRow:
    """What became of one group of stations that has a model of its own.

    Attributes:
        group: its name.
        stations: how many there are.
        promoted: whether its challenger is a part of the version.
        kept: what answers for it in its challenger's place; empty where that is promoted.
        reason: the gate's sentence, or why its challenger failed.
        failed: whether it has no challenger, as its fit failed.
        table: the challenger against each rival at these stations.
        fit_seconds: how long its fit took; None where that is not known.
    """

    group: str
    stations: int
    promoted: bool
    kept: str
    reason: str
    failed: bool = False
    table: tuple[RivalRow, ...] = ()
    fit_seconds: float | None = None

    @property
    def verdict(self) -> str:
        """In a few words: whether it is promoted."""
        return "promoted" if self.promoted else "failed" if self.failed else "not promoted"

    def to_markdown(self) -> str:
        """A row of the table of groups."""
        first = self.table[0] if self.table else None
        against = f"{first.rival} | {first.difference:+.1f} % | {first.confidence:.2f}" if first else "| |"
        seconds = "" if self.fit_seconds is None else f"{self.fit_seconds:.0f}"
        why = escape_markdown(self.reason)
        name, kept = escape_markdown(self.group), self.kept or "its challenger"
        return f"| {name} | {self.stations:,} | {against} | {self.verdict} | {kept} | {seconds} | {why} |"


@dataclass(frozen=True)
class Decision:
    """Decision of the promotion gate.

    Attributes:
        promoted: whether the challenger becomes champion.
        reason: one sentence.
        days: service days that were compared.
        table: the challenger against each rival.
        tiers: the challenger against the reference, by station tier.
        waits: whether it would be promoted, and a person decides.
        groups: what became of each group of stations, where each has a model of its own.
    """

    promoted: bool
    reason: str
    days: int
    table: tuple[RivalRow, ...]
    tiers: tuple[TierRow, ...]
    waits: bool = False
    groups: tuple[GroupRow, ...] = ()

    def by_groups(self, groups: tuple[GroupRow, ...]) -> Decision:
        """The same where each group was judged by itself: promoted if one of them is; itself without groups."""
        if not groups:
            return self
        won = [row.group for row in groups if row.promoted]
        lost = [f"{row.group} keeps {row.kept}: {row.reason}" for row in groups if not row.promoted]
        which = f": {', '.join(won)}" if lost and won else ""
        count = f"{len(won)} of {len(groups)} groups {'is' if len(won) == 1 else 'are'} promoted{which}."
        return replace(self, promoted=bool(won), reason=" ".join([count, *lost]), groups=groups)

    def wait_for_person(self) -> Decision:
        """The same, where a promotion is for a person to decide."""
        if not self.promoted:
            return self
        return replace(self, promoted=False, waits=True, reason=f"{self.reason} A person decides.")

    def to_dict(self) -> dict[str, Any]:
        """The decision as JSON-able values."""
        return asdict(self)

    def to_markdown(self) -> str:
        """The decision as people read it: the sentence, then both tables."""
        lines = [
            f"{'Promoted' if self.promoted else 'Would be promoted' if self.waits else 'Not promoted'}. {self.reason}",
            "",
            f"| rival | role | challenger's loss | rival's loss | difference | sure, {self.days} days | verdict |",
            "|---|---|---:|---:|---:|---:|---|",
        ]
        for r in self.table:
            own = f"{r.challenger:.4g} | {r.loss:.4g} | {r.difference:+.1f} % | {r.confidence:.2f} | {r.verdict}"
            lines.append(f"| {r.rival} | {r.role} | {own} |")
        if self.groups:
            lines += ["", "By groups of stations, each with a model of its own:", ""]
            lines += ["| group | stations | against | difference | sure | verdict | answers | fit, s | why |"]
            lines += ["|---|---:|---|---:|---:|---|---|---:|---|", *(row.to_markdown() for row in self.groups)]
        if self.tiers:
            lines += ["", f"By thirds of the stations{', and their total' * (self.tiers[-1].tier == TOTAL)}:", ""]
            lines += ["| stations | number | rival | challenger's loss | rival's loss | difference | verdict |"]
            lines += ["|---|---:|---|---:|---:|---:|---|"]
        for t in self.tiers:
            own = f"{t.challenger:.4g} | {t.loss:.4g} | {t.difference:+.1f} % | {t.verdict}"
            lines.append(f"| {t.tier} | {t.stations} | {t.rival} | {own} |")
        return "\n".join(lines) + "\n"
