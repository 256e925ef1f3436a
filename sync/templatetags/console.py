"""How values look on every screen: icons, pills, moments, counts and money."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django import template
from django.conf import settings
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

TONES = {
    "running": "info",
    "queued": "neutral",
    "waiting": "warn",
    "completed": "good",
    "failed": "bad",
    "lost": "bad",
    "cancelled": "neutral",
    "open": "bad",
    "retrying": "info",
    "waived": "neutral",
    "resolved": "good",
    "accepted": "good",
    "partly": "warn",
    "rejected": "bad",
    "retryable": "warn",
    "unknown": "bad",
    "held": "warn",
    "excluded": "muted",
    "unchanged": "neutral",
    "sending": "info",
    "active": "good",
    "superseded": "neutral",
    "archived": "neutral",
    "paused": "warn",
    "on": "good",
    "off": "neutral",
    "fresh": "good",
    "late": "bad",
    "never": "neutral",
    "send": "good",
    "wait": "warn",
    "ask": "info",
    "missing": "warn",
    "extra": "bad",
}


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """An icon of our sprite; decorative unless labelled."""
    address = f"{static('console/icons.svg')}#{name}"
    if label:
        return format_html('<svg class="icon" role="img" aria-label="{}"><use href="{}"/></svg>', label, address)
    return format_html('<svg class="icon" aria-hidden="true" focusable="false"><use href="{}"/></svg>', address)


@register.simple_tag
def pill(state: str, text: str = "", tone: str = "") -> SafeString:
    """A status pill; its tone follows the state's name."""
    chosen = tone or TONES.get(str(state).lower(), "neutral")
    return format_html(
        '<span class="pill pill-{}">{}</span>', chosen, text or str(state).replace("_", " ").capitalize()
    )


def local(moment: datetime) -> datetime:
    return moment.astimezone(ZoneInfo(settings.LOCAL_TIME_ZONE))


@register.filter
def clock(moment: datetime | None) -> str:
    """`22 Nov, 15:20 GMT`: local time with its zone named; the year only where it is not this one."""
    if moment is None:
        return "–"
    there = local(moment)
    year = "" if there.year == local(timezone.now()).year else f" {there.year}"
    return f"{there:%-d %b}{year}, {there:%H:%M} {there.tzname()}"


@register.filter
def age(moment: datetime | None) -> str:
    """`3 min ago`, `in 2 h`: how far a moment is from now."""
    if moment is None:
        return "never"
    seconds = (timezone.now() - moment).total_seconds()
    text = duration(abs(seconds))
    if abs(seconds) < 5:
        return "just now"
    return f"{text} ago" if seconds > 0 else f"in {text}"


@register.filter
def duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size * 2 or (unit != "d" and seconds >= size):
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


@register.simple_tag
def when(moment: datetime | None) -> SafeString:
    """Age first, the exact local time beside it."""
    if moment is None:
        return format_html('<span class="quiet">{}</span>', "never")
    return format_html(
        '<time datetime="{}" class="when">{} <span class="quiet">{}</span></time>',
        moment.isoformat(timespec="seconds"),
        age(moment),
        clock(moment),
    )


@register.filter
def count(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"


@register.filter
def capped(number: int | None, limit: int = 1000) -> str:
    """A count that stopped at `limit`: 999+ instead of a wrong figure."""
    if number is None:
        return "–"
    return f"{limit - 1:,}+" if number >= limit else f"{number:,}"


SIGNS = {"GBP": "£", "EUR": "€", "USD": "$"}


@register.filter
def money(amount: Decimal | None, currency: str = "") -> str:
    """`£1,234.50`; with an unknown sign `1,234.50 CHF`. Never without its currency when there is one."""
    if amount is None:
        return "–"
    sign = SIGNS.get(currency, "")
    minus = "−" if amount < 0 else ""
    text = f"{minus}{sign}{abs(amount):,.2f}"
    return text if sign or not currency else f"{text} {currency}"


@register.filter
def item(mapping: Any, key: Any) -> Any:
    return mapping.get(key) if mapping else None


@register.simple_tag(takes_context=True)
def query(context: dict[str, Any], **changes: Any) -> str:
    """The page's own query string with some parameters replaced (None removes one)."""
    parameters = context["request"].GET.copy()
    parameters.pop("p", None)
    for name, value in changes.items():
        if value is None:
            parameters.pop(name, None)
        else:
            parameters[name] = value
    return f"?{parameters.urlencode()}"


@register.filter
def admin_url(opts: Any, name: str) -> str:
    """The name of an admin address of a model."""
    return f"admin:{opts.app_label}_{opts.model_name}_{name}"


@register.filter
def chosen_filter(choices: Any) -> str:
    """What a filter of a stock list is set to; empty for its first choice, which means all."""
    return next((str(choice["display"]) for choice in list(choices)[1:] if choice["selected"]), "")


@register.filter
def took(thing: Any) -> str:
    """How long a delivery was on its way: `0.8 s`."""
    seconds = (thing.finished_at - thing.intended_at).total_seconds()
    return f"{seconds:.1f} s" if seconds < 10 else duration(seconds)


@register.filter
def words(name: Any) -> str:
    """A stream's or entity's name as people say it: `order_event` is an order event."""
    return str(name).replace("_", " ")


@register.filter
def pairs(mapping: Any) -> list[tuple[Any, Any]]:
    """(key, value) of a mapping, the largest value first; none of nothing."""
    return sorted(mapping.items(), key=lambda pair: pair[1], reverse=True) if mapping else []
