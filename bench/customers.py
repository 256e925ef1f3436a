"""A made-up retailer's customers: as rows of the neutral dataset, and as the contacts they must become.

Seeded, so that the same size and seed give the same people. Addresses are in reserved domains.
"""

import csv
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

FIRST = "Anna Bruno Chloé Dörte Emil François Grace Hélène Ivan Jürgen Kate Liam Mia Noël Olivia Paul Zoë Sören".split()
LAST = "Müller Smith Dupont O'Neill García Schäfer Brown Lefèvre Jones Groß Taylor Petit Weiß Evans Weber".split()
STREETS = ("High Street", "Park Avenue", "Hauptstraße", "Rue de l'Église", "Church Lane", "Bahnhofstraße")
TIERS = ("", "bronze", "silver", "gold", "platinum")
COUNTRIES = {
    "GB": ("en-GB", "+4420", "United Kingdom", "London Leeds Bath York".split()),
    "IE": ("en-IE", "+35312", "Ireland", "Dublin Cork Galway".split()),
    "DE": ("de-DE", "+4930", "Germany", "Berlin Köln München".split()),
    "AT": ("de-AT", "+431", "Austria", "Wien Graz Linz".split()),
    "FR": ("fr-FR", "+331", "France", "Paris Lyon Nîmes".split()),
}
"""ISO code → language id, start of a phone number, the label of Emarsys' choice, cities."""
LANGUAGES = {"en": "English", "de": "German", "fr": "French"}
COLUMNS = (
    "customer_id,email,first_name,last_name,phone,street,city,postcode,country,language,birth_date,group,"
    "loyalty_tier,legal_entity,email_consent"
).split(",")
COMPANY = "usmf"


def people(count: int, seed: int) -> Iterator[dict[str, str]]:
    """Rows of customers.csv. One in twenty is an organisation, one in thirty has no e-mail."""
    rng = random.Random(seed)
    codes = list(COUNTRIES)
    for number in range(count):
        country = rng.choice(codes)
        language, dialled, _, cities = COUNTRIES[country]
        organisation = number % 20 == 19
        yield {
            "customer_id": f"C-{number:07d}",
            "email": "" if number % 30 == 29 else f"person.{number}@example.{rng.choice(('com', 'org', 'net'))}",
            "first_name": "" if organisation else rng.choice(FIRST),
            "last_name": f"{rng.choice(LAST)} Ltd" if organisation else rng.choice(LAST),
            "phone": f"{dialled}{rng.randrange(10**6, 10**7)}",
            "street": f"{rng.randrange(1, 200)} {rng.choice(STREETS)}",
            "city": rng.choice(cities),
            "postcode": f"{rng.randrange(10_000, 99_999)}",
            "country": country,
            "language": language,
            "birth_date": "" if number % 10 == 9 else f"{rng.randrange(1940, 2006)}-{rng.randrange(1, 13):02d}-15",
            "group": "WHOLESALE" if organisation else "RETAIL",
            "loyalty_tier": rng.choice(TIERS),
            "legal_entity": COMPANY,
            "email_consent": "yes" if number % 3 else "",
        }


def write(folder: Path, count: int, seed: int) -> None:
    """The neutral dataset: one file, since customers are all that is measured."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "customers.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(people(count, seed))


@dataclass(frozen=True)
class Account:
    """What differs from one Emarsys account to another: ids of two fields and of choices."""

    key: str
    tier: str
    countries: Mapping[str, str]
    languages: Mapping[str, str]


def contact(person: Mapping[str, str], account: Account) -> dict[str, str]:
    """The contact this person must be in Emarsys: text by field id, blanks left out, opt-in untouched."""
    organisation = person["group"] == "WHOLESALE"
    values = {
        account.key: person["customer_id"],
        "3": person["email"],
        "1": person["first_name"],
        "2": "" if organisation else person["last_name"],
        "18": person["last_name"] if organisation else "",
        "15": person["phone"],
        "10": person["street"],
        "11": person["city"],
        "13": person["postcode"],
        "14": account.countries[person["country"]],
        "4": person["birth_date"],
        "35": account.languages[person["language"][:2]],
        account.tier: person["loyalty_tier"],
    }
    return {field: value for field, value in values.items() if value}
