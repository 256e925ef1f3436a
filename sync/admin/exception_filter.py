"""What a list of exceptions is narrowed to: from the address, for the pills, and for an action on all of it."""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.http import HttpRequest
from django.utils.http import urlencode

from sync import roles
from sync.admin.given import number, text
from sync.catalogue import KINDS, Team
from sync.models import Flow

STATES = {"open": "Open", "retrying": "Being retried", "waived": "Waived", "resolved": "Resolved", "all": "All"}
AGE_WORDS = {"late": "Past their due date", "day": "Older than a day", "week": "Older than a week"}
AGE_WORDS["month"] = "Older than a month"


@dataclass(frozen=True)
class Choice:
    label: str
    url: str
    chosen: bool


@dataclass(frozen=True)
class Pill:
    """One filter: its choices, and the words of what is chosen now."""

    label: str
    chosen: str
    choices: list[Choice]
    clear: str


class ExceptionFilter:
    """The known parameters of the address with values that exist; everything else is ignored."""

    def __init__(self, request: HttpRequest) -> None:
        self.user: Any = request.user
        self.teams = roles.teams(self.user)
        self.flows = list(Flow.objects.values_list("name", flat=True))
        self.chosen = {name: value for name in self._known() if (value := self._value(request, name))}

    def _known(self) -> tuple[str, ...]:
        return ("team", "kind", "state", "age", "assignee", "flow", "run", "record")

    def _value(self, request: HttpRequest, name: str) -> str:
        given = text(request.GET.get(name))
        allowed: dict[str, Any] = {
            "team": self.teams,
            "kind": KINDS,
            "state": STATES,
            "age": AGE_WORDS,
            "flow": self.flows,
        }
        if name in allowed:
            return given if given in allowed[name] else ""
        if name == "run":
            return str(number(given) or "")
        if name == "assignee":
            return given if given in ("me", "none") else str(number(given) or "")
        return given

    @property
    def team(self) -> str:
        """The one team whose desk this is, where it is one."""
        return self.chosen.get("team") or (self.teams[0] if len(self.teams) == 1 else "")

    @property
    def wanted(self) -> dict[str, Any]:
        """For sync.bulk: `me` has become a person, so that the meaning does not depend on who runs it."""
        chosen = dict(self.chosen)
        if chosen.get("assignee") == "me":
            chosen["assignee"] = str(self.user.pk)
        return {"teams": [team.value for team in self.teams], "filter": chosen}

    def address(self, **changes: str) -> str:
        kept = {name: value for name, value in {**self.chosen, **changes}.items() if value}
        return f"?{urlencode(kept)}"

    def pills(self) -> list[Pill]:
        kinds = {k.name: k.title for k in KINDS.values() if not self.team or self._may_be_on_desk(k.name)}
        found = [
            self._pill("State", "state", STATES, default="open"),
            self._pill("Kind", "kind", kinds),
            self._pill("Age", "age", AGE_WORDS),
            self._pill("Assignee", "assignee", self._people()),
            self._pill("Flow", "flow", {name: name for name in self.flows}),
        ]
        if len(self.teams) > 1:
            found.insert(0, self._pill("Team", "team", {team.value: team.value.capitalize() for team in self.teams}))
        return found

    def _may_be_on_desk(self, kind: str) -> bool:
        """Operations' kinds stay with operations; the others follow the entity or an assignment."""
        return (KINDS[kind].team == Team.OPERATIONS) == (self.team == Team.OPERATIONS)

    def _people(self) -> dict[str, str]:
        people = {"me": "Me", "none": "Nobody yet"}
        return people | {str(pk): name for pk, name in colleagues(self.teams)}

    def _pill(self, label: str, name: str, words: dict[str, str], default: str = "") -> Pill:
        current = self.chosen.get(name, default)
        choices = [Choice(text, self.address(**{name: value}), value == current) for value, text in words.items()]
        shown = words.get(current, current) if name in self.chosen else ""
        return Pill(label, shown, choices, self.address(**{name: ""}))

    def words(self) -> list[tuple[str, str]]:
        """What is chosen beyond the pills, each with the address that drops it."""
        extra = [("run", "Run"), ("record", "Record")]
        return [
            (f"{word} {self.chosen[name]}", self.address(**{name: ""})) for name, word in extra if name in self.chosen
        ]


def colleagues(teams: tuple[Team, ...]) -> list[tuple[int, str]]:
    """People who work on these teams' exceptions: (id, name)."""
    permissions = [f"work_{team}" for team in teams]
    people = get_user_model().objects.filter(is_active=True, groups__permissions__codename__in=permissions)
    return list(people.distinct().order_by("username").values_list("pk", "username"))
