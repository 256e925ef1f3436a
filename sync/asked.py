"""What may be asked of a flow beside its runs: a comparison of both sides, a sweep of the source's keys.

Told by what it carries: asking the target itself would take a call, and a page makes none.
"""

from dataclasses import dataclass

from sync import flows, sweep
from sync.models import Flow

WITHOUT_COMPARISON = {
    "product": "The feed is fetched by Emarsys as a whole file and made anew by every run: there is nothing to "
    "compare.",
    "order_event": "An event that was told cannot be read back from Emarsys. Each is told once, under its own key.",
    **dict.fromkeys(flows.OBSERVED, "These records are kept here to look at; nothing is sent that could differ."),
}
"""By entity: what stands where others have Compare now."""


@dataclass(frozen=True)
class Asked:
    compare: bool
    sweep: bool
    why_not: str = ""
    """Where no comparison is possible: the reason, in a sentence."""

    def allows(self, kind: str) -> bool:
        return {"compare": self.compare, "sweep": self.sweep}.get(kind, True)


def may_be(flow: Flow) -> Asked:
    why_not = WITHOUT_COMPARISON.get(flow.entity, "")
    return Asked(not why_not, not why_not and flow.entity not in sweep.UNSWEPT, why_not)
