"""Who the customers are: everything the retailer's file does not say, drawn from a seed.

One customer depends on the seed and its own id alone, so adding or dropping customers changes nobody else.
"""

import string
import tomllib
import unicodedata
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

import msgspec

from connectors.emulators.dataset import Customer

COMPANY = "ukrt"
_DOMAINS = ("example.com", "example.org", "example.net")  # RFC 2606: nobody's
_TIERS = ("bronze",) * 60 + ("silver",) * 25 + ("gold",) * 12 + ("platinum",) * 3
_EARLIEST_BIRTH = date(1940, 1, 1)
_ONE_ORGANISATION_IN = 25
_WITHOUT_LETTERS = {"ø": "o", "ß": "ss", "æ": "ae", "ł": "l", "ð": "d", "þ": "th"}


class Locale(msgspec.Struct, frozen=True):
    """Names, towns and streets of some countries; `names.toml` says what the patterns mean."""

    countries: list[str]
    language: str
    first: list[str]
    last: list[str]
    streets: list[str]
    cities: list[str]
    postcode: str
    phone: str = ""
    number_first: bool = False


class Names(msgspec.Struct, frozen=True):
    """The whole of `names.toml`; the first locale is for countries that have none of their own."""

    shops: list[str]
    trades: list[str]
    locale: list[Locale]

    def of(self, country: str) -> Locale:
        return next((locale for locale in self.locale if country in locale.countries), self.locale[0])


NAMES = msgspec.convert(tomllib.loads(Path(__file__).with_name("names.toml").read_text("utf-8")), Names)


def _drawn(rng: Random, pattern: str) -> str:
    draw = {"#": string.digits, "@": string.ascii_uppercase}
    return "".join(rng.choice(draw[char]) if char in draw else char for char in pattern)


def _plain(text: str) -> str:
    """Lower-case ASCII letters only: `Sørensen` becomes `sorensen`."""
    lower = "".join(_WITHOUT_LETTERS.get(char, char) for char in text.lower())
    return "".join(char for char in unicodedata.normalize("NFKD", lower) if char in string.ascii_lowercase)


class People:
    """Makes customers whose addresses no two of them share."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._taken: set[str] = set()

    def customer(self, customer_id: str, country: str, first_bought: datetime, last_bought: datetime) -> Customer:
        rng = Random(f"{self._seed}:{customer_id}")
        locale = NAMES.of(country)
        group, first, last, mailbox = _called(rng, locale)
        consent = rng.choices((True, False, None), (70, 20, 10))[0]
        number, street = rng.randint(1, 180), rng.choice(locale.streets)
        born = _EARLIEST_BIRTH + timedelta(days=rng.randrange(22_000))
        return Customer(
            customer_id=customer_id,
            email=self._address(mailbox, rng),
            first_name=first,
            last_name=last,
            phone=_drawn(rng, locale.phone),
            street=f"{number} {street}" if locale.number_first else f"{street} {number}",
            city=rng.choice(locale.cities),
            postcode=_drawn(rng, locale.postcode),
            country=country,
            language=locale.language,
            birth_date=born if group == "RETAIL" and rng.random() < 0.9 else None,
            group=group,
            loyalty_tier=rng.choice(_TIERS),
            party_id=customer_id.zfill(9),
            legal_entity=COMPANY,
            email_consent=consent,
            consent_at=None if consent is None else first_bought + timedelta(minutes=rng.randint(1, 90)),
            created_at=first_bought,
            modified_at=last_bought,
        )

    def _address(self, mailbox: str, rng: Random) -> str:
        domain = rng.choice(_DOMAINS)
        address, number = f"{mailbox}@{domain}", 1
        while address in self._taken:
            number += 1
            address = f"{mailbox}{number}@{domain}"
        self._taken.add(address)
        return address


def _called(rng: Random, locale: Locale) -> tuple[str, str, str, str]:
    """(group, first name, last name, mailbox); an organisation has its name as last name and no first name."""
    if rng.randrange(_ONE_ORGANISATION_IN) == 0:
        name = f"{rng.choice(NAMES.shops)} {rng.choice(NAMES.trades)}"
        return "WHOLESALE", "", name, _plain(name)
    first, last = rng.choice(locale.first), rng.choice(locale.last)
    return "RETAIL", first, last, f"{_plain(first)}.{_plain(last)}"


def utc(stamp: str) -> datetime:
    """A time of the file, which names no zone; taken as UTC."""
    return datetime.fromisoformat(stamp).replace(tzinfo=UTC)
