"""The decision of the promotion gate, as JSON and as Markdown."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

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
class Decision:
    """Decision of the promotion gate.

    Attributes:
        promoted: whether the challenger becomes champion.
        reason: one sentence.
        days: service days that were compared.
        table: the challenger against each rival.
        tiers: the challenger against the reference, by station tier.
        waits: whether it would be promoted, and a person decides.
    """

    promoted: bool
    reason: str
    days: int
    table: tuple[RivalRow, ...]
    tiers: tuple[TierRow, ...]
    waits: bool = False

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
        if self.tiers:
            lines += ["", f"By thirds of the stations{', and their total' * (self.tiers[-1].tier == TOTAL)}:", ""]
            lines += ["| stations | number | rival | challenger's loss | rival's loss | difference | verdict |"]
            lines += ["|---|---:|---|---:|---:|---:|---|"]
        for t in self.tiers:
            own = f"{t.challenger:.4g} | {t.loss:.4g} | {t.difference:+.1f} % | {t.verdict}"
            lines.append(f"| {t.tier} | {t.stations} | {t.rival} | {own} |")
        return "\n".join(lines) + "\n"
