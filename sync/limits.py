"""What a connector must ask before it calls: the shared budget of its credential and the run's lease."""

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial

from django.db import Error
from django.db import connection as database

from connectors.registry import Connection
from sync import flows, pending
from sync.budget import Budget
from sync.runs import Lease, NotSentError, StoppedError
from sync.storage import away

log = logging.getLogger(__name__)
PATIENCE = 20.0
"""Seconds that a request waits for the console's own database."""
NOBODY = "console"
"""Whose calls they are that no flow makes: tests of a connection, questions of a screen."""


class FlowLimits:
    """What `connectors.base.Limits` asks for, for one connection and one run."""

    def __init__(self, budget: Budget | None, lease: Lease | None, urgent: bool = False) -> None:
        self.budget, self.lease, self.urgent = budget, lease, urgent

    def acquire(self, calls: int = 1, urgent: bool = False) -> None:
        self._take_turn(calls, urgent or self.urgent)
        if self.lease and self.lease.cancelled():  # perhaps while it waited for its turn
            if self.budget:
                self.budget.give_up(calls)
            raise StoppedError.now()
        if not self.still_mine():
            raise NotSentError.unsure()

    def _take_turn(self, calls: int, urgent: bool) -> None:
        """While the database is away nothing leaves: for a moment it is waited for, then the run waits."""
        if self.budget is None:
            return
        book = partial(self.budget.acquire, calls, urgent)
        try:
            away.outlasted(book, seconds=PATIENCE)
        except Error as error:
            if not away.is_gone(error) and not away.is_full(error):
                raise
            raise NotSentError(f"{away.words(error)} Nothing is sent without it.", remedy=away.REMEDY) from error

    def observe(self, limit: int, remaining: int, reset_at: float) -> None:
        if self.budget:
            self._note(partial(self.budget.observe, limit, remaining, reset_at))

    def done(self, seconds: float) -> None:
        if self.budget:
            self._note(partial(self.budget.done, seconds))

    def refused(self, seconds: float) -> None:
        if self.budget:
            self._note(partial(self.budget.refused, seconds))

    @staticmethod
    def _note(write: Callable[[], None]) -> None:
        """What is written down after a call must not cost its answer."""
        try:
            write()
        except Error as error:
            if not away.is_gone(error) and not away.is_full(error):
                raise
            log.warning("A budget was not told how a call went: %s", away.words(error))
            database.close()  # a broken one would fail this thread's next call, too

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


def limits_for_a_person(name: str) -> FlowLimits:
    """For what somebody waits for at a screen or a prompt: counted like any other call, and ahead of bulk."""
    limits = limits_for(name)
    limits.urgent = True
    return limits


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
