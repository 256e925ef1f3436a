"""The last words of the demo's start: where to look, as whom, and how to stop."""

from collections.abc import Mapping

from django.db.models import Q

from sync.demo.story import open_by_kind

FIRST = {
    "marketing": "contacts that differ, are missing or double: compare both sides, press Retry",
    "finance": "control totals, and invoices that need a decision",
    "admin": "the overview: every flow, its last run, its schedule",
    "viewer": "all of it, masked; nothing can be changed",
}


DATA = {
    "online_retail": "The invoices are real (UCI Online Retail, CC BY 4.0); names, e-mails and consents are made up.",
}


def framed(address: str, emulators: str, logins: Mapping[str, str], dataset: str) -> str:
    """`logins` is role → password."""
    width = max(len(role) for role in logins)
    lines = [
        f"Integration Console   {address}",
        "",
        *(f"{role:<{width}}   {password}   {FIRST.get(role, '')}" for role, password in logins.items()),
        "",
        *_desks(),
        f"Emulated Dynamics 365 and Emarsys: {emulators}/_control/systems",
        DATA.get(dataset, f"The data are those of {dataset}."),
        "Flows run by themselves while this is up. Stop: Ctrl-C. Go on later: script/demo. Start over: --fresh",
    ]
    inside = max(map(len, lines))
    body = [f"│ {line:<{inside}} │" for line in lines]
    return "\n".join([f"╭{'─' * (inside + 2)}╮", *body, f"╰{'─' * (inside + 2)}╯"])


def _desks() -> list[str]:
    waiting = [
        f"{sum(count for _, count, _ in open_by_kind(Q(team=team))):,} with {team}"
        for team in ("marketing", "finance", "operations")
    ]
    return [f"Open exceptions: {', '.join(waiting)}."]
