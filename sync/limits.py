"""What a connector must ask before it calls: the shared budget of its credential and the run's lease."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from connectors.errors import UnavailableError
from connectors.registry import Connection
from sync import flows, pending
from sync.budget import Budget
from sync.runs import Lease, StoppedError

NOBODY = "console"
"""Whose calls they are that no flow makes: tests of a connection, questions of a screen."""


class FlowLimits:
    """What `connectors.base.Limits` asks for, for one connection and one run."""

    def __init__(self, budget: Budget | None, lease: Lease | None, urgent: bool = False) -> None:
        self.budget, self.lease, self.urgent = budget, lease, urgent

    def acquire(self, calls: int = 1, urgent: bool = False) -> None:
        if self.budget:
            self.budget.acquire(calls, urgent or self.urgent)
        if self.lease and self.lease.cancelled():  # perhaps while it waited for its turn
            if self.budget:
                self.budget.give_up(calls)
            raise StoppedError.now()
        if not self.still_mine():
            raise UnavailableError("The run's lease was lost before this request.")

    def observe(self, limit: int, remaining: int, reset_at: float) -> None:
        if self.budget:
            self.budget.observe(limit, remaining, reset_at)

    def done(self, seconds: float) -> None:
        if self.budget:
            self.budget.done(seconds)

    def refused(self, seconds: float) -> None:
        if self.budget:
            self.budget.refused(seconds)

    def still_mine(self) -> bool:
        return self.lease is None or self.lease.still_mine()

    @contextmanager
    def hurrying(self, urgent: bool) -> Iterator[None]:
        """Calls made meanwhile go first."""
        before, self.urgent = self.urgent, self.urgent or urgent
        try:
            yield
        finally:
            self.urgent = before


def hurry(*limits: FlowLimits | None) -> Callable[[bool], AbstractContextManager[None]]:
    """Lets the calls to all of these systems go first for a while (or not, as it is told)."""

    @contextmanager
    def hurrying(urgent: bool) -> Iterator[None]:
        with ExitStack() as stack:
            for one in filter(None, limits):
                stack.enter_context(one.hurrying(urgent))
            yield

    return hurrying


def limits_for(name: str, lease: Lease | None = None) -> FlowLimits:
    """For this connection; the calls of a flow that people wait for (an order event) go first."""
    if name == flows.CONSOLE:
        return FlowLimits(None, lease)
    connection = flows.connection(name)
    allowance = connection.connector.allowance
    flow = lease.run.flow if lease else None
    urgent = lease is not None and _is_urgent(lease)
    if allowance is None:
        return FlowLimits(None, lease, urgent)
    whose = flow.name if flow else NOBODY
    budget = Budget(credential(connection), allowance(connection.settings), connection.connector.title, name, whose)
    return FlowLimits(budget, lease, urgent)


def _is_urgent(lease: Lease) -> bool:
    run = lease.run
    return run.flow.entity in flows.URGENT or (run.keys_only and pending.urgent(run.flow))


def credential(connection: Connection) -> str:
    """Whose calls the system counts: a hash of the system and the account, never of a secret. Two connections
    with the same credential have one budget."""
    settings, connector = connection.settings, connection.connector
    names = [name for name in connector.credential if name in connector.settings]
    account = [settings.text(name).strip().rstrip("/").casefold() for name in names if _is_given(connection, name)]
    return hashlib.sha256("\n".join([connector.name, *(account or [connection.name])]).encode()).hexdigest()


def _is_given(connection: Connection, name: str) -> bool:
    setting, settings = connection.connector.settings[name], connection.settings
    applies = setting.when is None or settings.text(setting.when[0]) == setting.when[1]
    return applies and settings.variable(name) in settings.environment
