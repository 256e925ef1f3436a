"""What of a system's answer may be shown and kept: its words on an error, never people's data or credentials. Pure."""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl

SHOWN = 600
_SECRET_MEMBER = re.compile(
    r"""((?:secret|passw|token|authorization|api_?key|assertion|x-wsse|credential|signature)[\w-]{0,40}["']?\s{0,4}[:=]\s{0,4})"""
    r"""("(?:[^"\\]|\\.)*"?|'[^']*'?|[^\s,;&<>}\]]+)""",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b(bearer|basic|usernametoken)\s+[^\s\"'<>]{4,}", re.IGNORECASE)
_JWT = re.compile(r"\beyJ[\w-]{8,}(?:\.[\w-]*){0,2}")
_EMAIL = re.compile(r"[^\s@<>\"'(),;:=/]{1,64}(?:@|%40)[^\s@<>\"'(),;:/&]{1,255}")
_PHONE = re.compile(r"\+\d[\d ().-]{6,18}\d")
_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)("?)(\s*:)?', re.DOTALL)
_BETWEEN_TAGS = re.compile(r"(<title[^<>]{0,100})?>[^<]+(?=<|\Z)", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""=\s*("[^"]*"?|'[^']*'?)""")
_NUMBER = re.compile(r"(?<![\w.])-?\d[\d.eE+-]*")


def credentials(headers: Mapping[str, str], body: object) -> tuple[str, ...]:
    """What of a request nobody may read: the values that sign it, and a secret in a form."""
    values: list[str] = []
    for name in ("Authorization", "X-WSSE"):
        value = str(headers.get(name) or "")
        values += [value, *(part.strip('",') for part in value.replace("=", " ").split() if len(part) >= 12)]
    if isinstance(body, bytes) and "form" in str(headers.get("Content-Type")):
        values += [value for name, value in parse_qsl(body.decode("utf-8", "replace")) if "secret" in name]
    return tuple(filter(None, values))


def words(body: bytes, hidden: Iterable[str] = (), length: int = SHOWN) -> str:
    """The beginning of a refusal as text, without credentials, e-mail addresses and phone numbers."""
    # Cut only after the masks: a credential cut in half is no longer recognised.
    return redacted(_text(body[: 8 * length]), hidden)[:length]


def shape(body: bytes, hidden: Iterable[str] = (), length: int = SHOWN) -> str:
    """The beginning of data: the names of its members or tags (of a page its title), every value blanked."""
    text = redacted(_text(body[: 8 * length]), hidden)
    if not body:
        return ""
    if text.lstrip()[:1] == "<":
        return _ATTRIBUTE.sub('="…"', _BETWEEN_TAGS.sub(_untold, text))[:length]
    if text.lstrip()[:1] in ("{", "["):
        return _NUMBER.sub("0", _TEXT.sub(_blanked, text))[:length]
    return f"{len(body):,} bytes that are neither JSON nor XML"


def redacted(text: str, hidden: Iterable[str] = ()) -> str:
    """The text with these values and whatever looks like a credential, an e-mail address or a phone number masked."""
    if not text:
        return text
    for value in sorted(filter(None, hidden), key=len, reverse=True):
        text = text.replace(value, "***")
    text = _SECRET_MEMBER.sub(r"\1***", text)
    text = _BEARER.sub(r"\1 ***", text)
    text = _JWT.sub("***", text)
    return _PHONE.sub("***", _EMAIL.sub("***", text))


def _blanked(found: re.Match[str]) -> str:
    return found[0] if found[3] and len(found[1]) <= 60 else '"…"' + (found[3] or "")


def _untold(found: re.Match[str]) -> str:
    return found[0] if found[1] else ">…"


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace").replace("\x00", "")
