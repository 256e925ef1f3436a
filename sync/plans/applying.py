"""A plan is applied by an ordinary run that lets go only what is exactly as planned, and names everything else."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sync.catalogue import Bucket
from sync.delivery import PageResult, Work
from sync.delivery.page import Candidate, Departing, Gate, T
from sync.plans import actions, pages
from sync.plans.actions import Action
from sync.plans.asked import OfPlan
from sync.plans.differences import as_wanted, seen_there, standing
from sync.plans.register import Register


@dataclass
class Applying(OfPlan):
    """What somebody else asks of the gate (a limit, say) is asked of what is left."""

    register: Register = field(init=False)
    others: Gate = field(init=False)
    others_departing: Departing = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.register = pages.register(self.plan)
        self.others, self.gate = self.gate, self._as_planned
        self.others_departing, self.departing = self.departing, self._going_as_planned

    def _as_planned(self, work: Work, leaving: Sequence[T], result: PageResult) -> Sequence[T]:
        """Both sides count: what would be sent, and what it would write over. Where the target has it already, as an
        earlier try has sent it, sending it again changes nothing."""
        agreed: list[T] = []
        found = seen_there(work.route, [one for one in leaving if one.candidate.key in self.register])
        for one in leaving:
            key = one.candidate.key
            there = found.get(key)
            content = actions.content(one, self.digest, standing(work.route, one, there))
            as_planned = self.register.get(key) == actions.mark(actions.of(one), content)
            if as_planned or (key in self.register and as_wanted(work.route, one, there)):
                agreed.append(one)
            else:
                result.put(Bucket.EXCLUDED, key)
                result.kept_back.append(key)
        return self.others(work, agreed, result)

    def _going_as_planned(self, work: Work, going: Sequence[Candidate], result: PageResult) -> Sequence[Candidate]:
        agreed: list[Candidate] = []
        for one in going:
            if self.register.get(one.key) == actions.mark(Action.DEACTIVATE, actions.departure(one, self.digest)):
                agreed.append(one)
            else:
                result.kept_back.append(one.key)
        return self.others_departing(work, agreed, result)
