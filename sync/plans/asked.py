"""What a plan looks at: the source's changes, or the records that somebody named. Keys that wait for a retry are no
part of it; they follow with the next run."""

from dataclasses import dataclass, field

from sync.gathering import Unit
from sync.models import SyncPlan
from sync.slices import Slice

CHUNK = 500


@dataclass
class OfPlan(Slice):
    """A slice that looks at what its plan asks, and at nothing else."""

    plan: SyncPlan = field(init=False)

    def __post_init__(self) -> None:
        plan = self.lease.run.plan
        assert plan is not None
        self.plan = plan

    def pending(self) -> bool:
        """The next of the named records; False when there are none (left). The resume point counts them."""
        run = self.lease.run
        ids: list[str] = self.plan.ids
        done = int(run.resume or 0) if ids else 0
        if done >= len(ids):
            return False
        self.settle()
        pages = self.route.source.fetch(self.route.flow.stream, ids[done : done + CHUNK])
        rows = [row for page in pages for row in page.rows]
        result = self._begin(Unit([(row, self.digest(row)) for row in rows]), forced=True)()
        self._remember(result, resume=str(done + CHUNK))
        if result.interrupted:
            raise result.interrupted
        return True
