"""The seven breakers: what each looks at, what it means, its limits by default, and the flows it applies to."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from sync.flows import OBSERVED
from sync.models import Flow
from sync.models.breaker import (
    CATALOGUE_SHRINK,
    ERROR_RATE,
    MASS_CHANGE,
    MASS_DEACTIVATION,
    MASS_OPT_OUT,
    OUT_OF_RANGE,
    ZERO_RECORDS,
)

ISSUE = "breaker_tripped"
"""The kind of exception a trip opens."""
SENT_ONCE = ("sale", "order_event", "product", *OBSERVED)
"""Entities of which nothing in the target is changed record by record."""


@dataclass(frozen=True)
class Kind:
    """`watches` completes "It trips when …"; `percent_of` names what the percentage is of; `counted` is the run's
    column of what has happened already, `counted_words` how a sentence calls it."""

    name: str
    title: str
    watches: str
    percent_of: str
    meaning: str
    next_step: str
    percent: int
    minimum: int
    minimum_words: str
    counted: str = ""
    counted_words: str = ""
    applies: Callable[[str], bool] = lambda entity: True


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            ERROR_RATE,
            "Error rate",
            "too many of the records that a run reads are refused by the mapping or by the target",
            "of the records read so far",
            "So many records were refused that the cause is hardly in single records: a field, a right or a setting "
            "changed in one of the systems.",
            "Open the rejected records of the run: they name the field and the reason. Correct that, then resume; "
            "resume and allow this once only if the records are really meant to be refused.",
            25,
            50,
            "refused records",
        ),
        Kind(
            MASS_CHANGE,
            "Mass change",
            "a run is about to change too many records that the target already holds",
            "of the linked records",
            "Far more records than usual would get other values in the target. That is right after an import or a "
            "new mapping, and wrong after a mistake in either.",
            "Look at some of these records in the ERP: were they meant to change? If yes, resume and allow this "
            "once. If not, have them corrected there first, then resume.",
            20,
            100,
            "changed records",
            "changes",
            "changed",
            lambda entity: entity not in SENT_ONCE,
        ),
        Kind(
            MASS_DEACTIVATION,
            "Mass deactivation",
            "a run is about to end or put on hold too many records",
            "of the linked records",
            "Far more customers than usual were archived, merged, deleted or put on hold in the ERP. Their links "
            "would be closed and campaigns would lose them.",
            "Ask the ERP's administrator whether this was meant, for example a clean-up. If yes, resume and allow "
            "this once. If not, have it undone there first, then resume.",
            5,
            20,
            "deactivated records",
            "deactivations",
            "deactivated",
            lambda entity: entity not in SENT_ONCE,
        ),
        Kind(
            MASS_OPT_OUT,
            "Mass opt-out",
            "a run is about to pass on too many opt-outs",
            "of the linked records",
            "Far more people than usual would be opted out. No opt-out is lost: each waits in its system and is "
            "passed on when you allow it. Until then these people can still be written to.",
            "Decide today. If people really opted out, resume and allow this once. If an import or a mistake did it, "
            "have it undone where it happened, then resume.",
            5,
            20,
            "opt-outs",
            "opt_outs",
            "opted out",
            lambda entity: entity in ("consent", "contact"),
        ),
        Kind(
            CATALOGUE_SHRINK,
            "Catalogue shrink",
            "the new product feed lost too many of the articles that the published one lists",
            "of the articles published",
            "Published, the new feed would take these articles out of the shop's recommendations. Emarsys goes on "
            "fetching the one before.",
            "Look at the articles that are missing (Product feed). If they are really gone, publish the version "
            "there, or resume and allow this once. If not, have them corrected in the ERP, then resume.",
            20,
            0,
            "missing articles",
            applies=lambda entity: entity == "product",
        ),
        Kind(
            ZERO_RECORDS,
            "Zero records",
            "a run reads nothing where there always is something",
            "",
            "The source answered properly, but with nothing at all. Most often a right, a filter or a company was "
            "taken away from the account that reads it.",
            "Check in the source what that account may see, then resume. If there is really nothing, resume and "
            "allow this once.",
            0,
            10,
            "records that are known or usual",
        ),
        Kind(
            OUT_OF_RANGE,
            "Out of the expected range",
            "a run reads far more or far less than the same weekday usually brings",
            "below the usual (and as many times above it)",
            "The number of records is far from what this weekday usually brings: part of the data may be missing, "
            "or come twice.",
            "Think of a reason: a public holiday, a sale, an import, a new company. If there is one, resume and allow "
            "this once. If not, ask the source's administrator first.",
            75,
            50,
            "records away from the usual",
        ),
    )
}


def applying(flow: Flow) -> list[Kind]:
    """The kinds that can happen to this flow, in the order they are shown."""
    return [kind for kind in KINDS.values() if kind.applies(flow.entity)]


def defaults(kind: Kind) -> dict[str, Any]:
    """The limits of a breaker that nobody has changed."""
    percent = settings.SYNC["FEED_SHRINK_PERCENT"] if kind.name == CATALOGUE_SHRINK else kind.percent
    return {"on": True, "percent": percent, "minimum": kind.minimum}
