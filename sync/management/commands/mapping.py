"""A site's own fields of a flow: what they are, whether they are right, what they make of a record, in force."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import msgspec
from django.core.management.base import CommandError

from connectors.extra import ExtraField
from sync import field_checks, field_mappings, field_trials, runs
from sync.field_checks import NotPossibleError
from sync.management.console import ConsoleCommand
from sync.models import FieldMapping, Flow


class Command(ConsoleCommand):
    help = "Shows, checks, tries and activates the field mapping of a flow. Only activate changes what is sent."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=["show", "check", "preview", "save", "activate", "discard"])
        parser.add_argument("flow")
        parser.add_argument("key", nargs="?", default="", help="preview: the record's key; the first one without")
        parser.add_argument("--file", type=Path, help="rows as a JSON list, instead of the draft or the active version")
        parser.add_argument("--why", default="", help="save and activate: the reason, kept in the audit trail")
        parser.add_argument("--read-all", action="store_true", help="activate: queue a full read at once")

    def handle(self, *args: Any, **options: Any) -> None:
        flow = self.flow(options["flow"])
        try:
            getattr(self, f"_{options['action']}")(flow, options)
        except NotPossibleError as error:
            raise CommandError(str(error), returncode=1) from error

    def _show(self, flow: Flow, options: Any) -> None:
        for version in reversed(field_mappings.versions(flow)):
            told = _told(version)
            rows = "".join(f"\n  {line}" for line in field_mappings.names(version))
            self.one(told, options["json"], f"version {version.number}, {version.state}: {version.note}{rows}")

    def _check(self, flow: Flow, options: Any) -> None:
        fields, problems = self._rows(flow, options)
        problems = problems or field_checks.check(flow, fields, field_checks.offer(flow, fields))
        for problem in problems:
            self.one(problem._asdict(), options["json"], str(problem))
        if problems:
            raise CommandError(f"{len(problems)} to correct.", returncode=1)
        told = field_trials.touched(flow, fields)
        self.one(msgspec.to_builtins(told) | {"fields": len(fields)}, options["json"], f"All is well. {told.words}")

    def _preview(self, flow: Flow, options: Any) -> None:
        fields, problems = self._rows(flow, options)
        if problems:
            raise CommandError(str(problems[0]), returncode=1)
        shown = field_trials.preview(flow, fields, options["key"])
        if shown.note:
            raise CommandError(shown.note, returncode=1)
        for one in shown.fields:
            hidden = one.field.personal
            values = [one.source, one.value, one.sent, one.target]
            source, value, sent, target = ["(personal)" if hidden and text else text for text in values]
            told = {"key": shown.key, "field": one.field.name, "source": source, "value": value, "sent": sent,
                    "target": target, "same": one.same, "error": one.error}  # fmt: skip
            if hidden:
                told["error"] = one.error and "It cannot be read or written."
            words = f"{one.field.name}: {source!r} → {value!r} → sent {sent!r}; the target has {target!r}. {one.error}"
            self.one(told, options["json"], words.strip())

    def _save(self, flow: Flow, options: Any) -> None:
        if not options["file"]:
            raise CommandError("save needs --file with the rows.", returncode=2)
        stored, problems = field_mappings.save(flow, _read(options["file"]), options["why"], None)
        for problem in problems:
            self.one(problem._asdict(), options["json"], str(problem))
        if stored is None:
            raise CommandError(f"Not stored: {len(problems)} to correct.", returncode=1)
        self.one(_told(stored), options["json"], f"Stored as draft {stored.number}; nothing is sent before activate.")

    def _activate(self, flow: Flow, options: Any) -> None:
        run = field_mappings.activate(flow, None, options["why"], read_now=options["read_all"])
        version = field_mappings.active(flow)
        assert version is not None
        follows = field_mappings.what_follows(field_checks.offer(flow).change, runs.active(flow) is not None)
        queued = f" Run {run.pk} is queued." if run else ""
        told = {**_told(version), "run": run.pk if run else None, "follows": follows}
        self.one(told, options["json"], f"Version {version.number} is in force. {follows}{queued}")

    def _discard(self, flow: Flow, options: Any) -> None:
        done = field_mappings.discard(flow, None)
        self.one({"discarded": done}, options["json"], "The draft is gone." if done else "There was no draft.")

    def _rows(self, flow: Flow, options: Any) -> tuple[list[ExtraField], list[field_checks.Problem]]:
        if options["file"]:
            return field_checks.parsed(_read(options["file"]))
        return field_mappings.fields_of(field_mappings.draft(flow) or field_mappings.active(flow)), []


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CommandError(f"{path} cannot be read as JSON: {error}", returncode=2) from error
    if not isinstance(found, list):
        raise CommandError(f"{path} holds no list of rows.", returncode=2)
    return found


def _told(version: FieldMapping) -> dict[str, Any]:
    return {"version": version.number, "state": version.state, "why": version.note, "fields": version.fields,
            "activated_at": version.activated_at}  # fmt: skip
