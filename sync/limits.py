"""What a connector must ask before it calls: the shared budget and the run's lease."""

from sync import flows
from sync.budget import Budget
from sync.runs import Lease, StoppedError


class FlowLimits:
    """What `connectors.base.Limits` asks for, for one connection and one run."""

    def __init__(self, budget: Budget | None, lease: Lease | None) -> None:
        self.budget, self.lease = budget, lease

    def acquire(self, calls: int = 1, urgent: bool = False) -> None:
        if self.budget:
            self.budget.acquire(calls, urgent)
        if self.lease and self.lease.cancelled():  # perhaps while it waited for its turn
            raise StoppedError.now()

    def observe(self, limit: int, remaining: int, reset_at: float) -> None:
        if self.budget:
            self.budget.observe(limit, remaining, reset_at)

    def still_mine(self) -> bool:
        return self.lease is None or self.lease.still_mine()


def limits_for(name: str, lease: Lease | None = None) -> FlowLimits:
    if name == flows.CONSOLE:
        return FlowLimits(None, lease)
    connection = flows.connection(name)
    if "CALLS_PER_MINUTE" not in connection.connector.settings:
        return FlowLimits(None, lease)
    return FlowLimits(Budget(name, connection.settings.number("CALLS_PER_MINUTE")), lease)
