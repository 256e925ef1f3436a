"""What a list of ledger lines is narrowed to: the same parameters that control totals and counted cards link with."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.functions import Lower
from django.http import QueryDict
from django.urls import reverse
from django.utils.http import urlencode

from sync.admin.given import number, text
from sync.catalogue import LedgerState
from sync.models import Flow, LedgerEntry, SyncIssue

STATES = {
    **{state.value: state.value.capitalize() for state in LedgerState},
    "unsettled": "Everything not accepted",
}
WORDS = {
    "flow": "Flow",
    "day": "Day",
    "from": "From",
    "to": "To",
    "company": "Legal entity",
    "currency": "Currency",
    "document": "Document",
    "customer": "Customer",
    "record": "Line",
    "rule": "Rule",
    "run": "Run",
    "delivery": "Delivery",
    "credit": "Credits",
    "codes": "Articles",
}
_EXACT = {
    "flow": "flow__name",
    "company": "company",
    "currency": "currency",
    "document": "document",
    "customer": "customer",
    "record": "source_id",
    "rule": "rule",
}


class LedgerFilter:
    """The known parameters with usable values; everything else is ignored."""

    def __init__(self, given: QueryDict | Mapping[str, str]) -> None:
        self.chosen = {name: value for name in (*WORDS, "state") if (value := _value(given, name)) is not None}

    @property
    def narrow(self) -> bool:
        """Whether sums over it are cheap enough to show."""
        return bool(self.chosen)

    def entries(self) -> QuerySet[LedgerEntry]:
        found = LedgerEntry.objects.filter(
            **{column: self.chosen[name] for name, column in _EXACT.items() if name in self.chosen}
        )
        return found.filter(self._state(), self._days(), self._special())

    def _state(self) -> Q:
        state = self.chosen.get("state")
        if state == "unsettled":
            return ~Q(state=LedgerState.ACCEPTED)
        return Q(state=state) if state else Q()

    def _days(self) -> Q:
        columns = {"day": "day", "from": "day__gte", "to": "day__lte", "run": "run_id", "delivery": "delivery_id"}
        return Q(**{column: self.chosen[name] for name, column in columns.items() if name in self.chosen})

    def _special(self) -> Q:
        found = Q()
        if "credit" in self.chosen:
            found &= Q(credit=True)
        if self.chosen.get("credit") == "without_original":
            found &= Q(original="") & ~Q(customer="")
        if "codes" in self.chosen:
            found &= Q(sku__in=codes_that_differ_by_case(self.chosen.get("flow", "")))
        return found

    def address(self, **changes: str | None) -> str:
        kept = {name: value for name, value in {**self.chosen, **changes}.items() if value is not None}
        return f"?{urlencode(kept)}"

    def words(self) -> list[tuple[str, str]]:
        """What is chosen, in words, each with the address that drops it."""
        return [
            (f"{WORDS[name]}: {_shown(name, value)}", self.address(**{name: None}))
            for name, value in self.chosen.items()
            if name in WORDS
        ]


def _value(given: QueryDict | Mapping[str, str], name: str) -> str | None:
    """Company may be empty on purpose: a total of no legal entity opens its own lines only."""
    value = given.get(name)
    if value is None or (value == "" and name not in ("company", "currency")):
        return None
    value = text(value)
    if name in ("day", "from", "to"):
        return value if _is_day(value) else None
    if name in ("run", "delivery"):
        return str(number(value)) if number(value) else None
    if name == "state":
        return value if value in STATES else None
    return value


def _is_day(value: str) -> bool:
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _shown(name: str, value: str) -> str:
    special = {"without_original": "without an original", "case_only": "codes that differ only by case"}
    return special.get(value, value or "none")


def codes_that_differ_by_case(flow: str) -> list[str]:
    """As the exception that counts them has them; recounted where there is none."""
    issues = SyncIssue.objects.filter(kind="case_only_codes", **({"flow__name": flow} if flow else {}))
    latest = issues.order_by("-pk").values_list("details", flat=True).first()
    if latest and latest.get("codes"):
        return [str(code) for code in latest["codes"]]
    flows = Flow.objects.filter(name=flow) if flow else Flow.objects.filter(entity="sale")
    distinct = LedgerEntry.objects.filter(flow__in=flows).exclude(sku="").annotate(folded=Lower("sku"))
    codes: dict[str, list[str]] = {}
    for folded, sku in distinct.values_list("folded", "sku").distinct():
        codes.setdefault(folded, []).append(sku)
    return [code for same in codes.values() if len(same) > 1 for code in same]


def address(**parameters: Any) -> str:
    """The list of ledger lines for exactly these parameters."""
    given = {name: value for name, value in parameters.items() if value is not None}
    return f"{reverse('admin:sync_ledgerentry_changelist')}?{urlencode(given)}"
