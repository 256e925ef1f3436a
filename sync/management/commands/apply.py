"""Applies a plan in the foreground, or gives it the second look it needs."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError

from sync import plans
from sync.catalogue import RunState
from sync.management.console import ConsoleCommand
from sync.management.foreground import result, sentence, until_done
from sync.management.planned import found, told
from sync.management.planned import sentence as plan_sentence
from sync.models import SyncPlan


class Command(ConsoleCommand):
    help = "Does exactly what a plan says; what has changed since is left alone and named."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("plan", type=int)
        parser.add_argument(
            "--approve", action="store_true", help="only give the second look; somebody else applies it"
        )
        parser.add_argument("--by", help="the user in whose name (needed to approve)")

    def handle(self, *args: Any, **options: Any) -> None:
        plan, user = found(options["plan"]), self._user(options["by"])
        try:
            if options["approve"]:
                self._approve(plan, user, options["json"])
            else:
                self._apply(plan, user, options["json"])
        except plans.PlanError as error:
            raise CommandError(str(error), returncode=1) from error

    def _approve(self, plan: SyncPlan, user: Any, as_json: bool) -> None:
        if user is None:
            raise CommandError("A second look has a name: add --by USER.", returncode=2)
        plans.approve(plan, user)
        self.one(told(plan), as_json, plan_sentence(plan))

    def _apply(self, plan: SyncPlan, user: Any, as_json: bool) -> None:
        self.need_connections(plan.flow)
        run = until_done(plans.apply(plan, user, ring=False), self.progress)
        self.one(result(run), as_json, sentence(run))
        if run.state != RunState.COMPLETED:
            raise CommandError(run.message or f"The run ended as {run.state}.", returncode=1)
        plan.refresh_from_db()
        if not as_json:
            self.stdout.write(plan_sentence(plan))

    def _user(self, name: str | None) -> Any:
        if not name:
            return None
        user = get_user_model().objects.filter(username=name, is_active=True).first()
        if user is None or not user.has_perm("sync.operate_flow"):
            raise CommandError(f"{name!r} is nobody who may operate flows here.", returncode=2)
        return user
