"""Runs one flow in the foreground, without a worker."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime
from typing import Any

from django.core.management.base import CommandError

from sync import backfills, pending, plans, runs
from sync.catalogue import RunState
from sync.management.console import ConsoleCommand, keys
from sync.management.foreground import result, sentence, until_done
from sync.management.planned import sentence as planned
from sync.management.planned import told
from sync.models import Flow, SyncRun


def moment(text: str) -> str:
    """A day or a time in ISO 8601, as it was written."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no day or time such as 2011-12-01 or 2011-12-01T08:00:00Z") from None
    return text


class Command(ConsoleCommand):
    help = "Syncs one flow now, in this process."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("flow")
        parser.add_argument("--full", action="store_true", help="read everything; what is unchanged is still skipped")
        parser.add_argument("--ids", help="only these source ids, comma separated")
        parser.add_argument("--dry-run", action="store_true", help="store what would be done as a plan; send nothing")
        parser.add_argument("--since", type=moment, help="start from this day or time instead of the stored watermark")

    def handle(self, *args: Any, **options: Any) -> None:
        flow = self.flow(options["flow"])
        self.need_connections(flow)
        if options["dry_run"]:
            self._plan(flow, options)
            return
        if flow.paused:
            raise CommandError(f"{flow} is paused: {flow.paused_note} (manage.py resume {flow})", returncode=1)
        ids = keys(options["ids"])
        if ids:
            pending.note(flow, ids, "pasted")
        run = self._run(flow, options["full"], bool(ids))
        if options["since"]:
            self._from(run, options["since"])
        run = until_done(run, self.progress)
        self.one(result(run), options["json"], sentence(run))
        if run.state != RunState.COMPLETED:
            raise CommandError(run.message or f"The run ended as {run.state}.", returncode=1)

    def _run(self, flow: Flow, full: bool, keys_only: bool) -> SyncRun:
        """The run that does what was asked; one under way that reads less is waited for."""
        while True:
            run = runs.start(flow, trigger="command", full=full, keys_only=keys_only, ring=False)
            if run is None:
                raise CommandError(f"{flow} cannot start now.", returncode=1)
            if keys_only or _reads_as_much(run, full):
                return run
            until_done(run, self.progress)

    def _plan(self, flow: Flow, options: dict[str, Any]) -> None:
        """What the same command would do without --dry-run."""
        try:
            plan = plans.ask(
                flow, full=options["full"], since=options["since"] or "", ids=keys(options["ids"]), ring=False
            )
        except plans.PlanError as error:
            raise CommandError(str(error), returncode=1) from error
        run = plans.making(plan)
        if run is not None:
            run = until_done(run, self.progress)
        plans.tidy()
        plan.refresh_from_db()
        self.one(told(plan), options["json"], planned(plan))
        if run is None or run.state != RunState.COMPLETED:
            raise CommandError(plan.message or "The preview did not come to its end.", returncode=1)

    def _from(self, run: SyncRun, since: str) -> None:
        """Where the run starts; one that has begun already started elsewhere."""
        if not SyncRun.objects.filter(pk=run.pk, state=RunState.QUEUED).update(watermark_from=since):
            raise CommandError(
                f"Run {run.pk} of {run.flow} is under way from elsewhere; wait for its end, or cancel it.", returncode=1
            )


def _reads_as_much(run: SyncRun, full: bool) -> bool:
    """A few keys, a backfill and a plan are no sync of what changed; and what changed is not everything."""
    short = run.keys_only or run.plan_id is not None or run.trigger == backfills.TRIGGER
    return not short and (run.full or not full)
