"""The fields every account has, with their ids and known choices (contract 3.10), and the demo accounts' own."""

from typing import Any

from connectors.emulators.emarsys.countries import CHOICES as COUNTRIES

FieldRecord = dict[str, Any]

SINGLE, MULTI = "singlechoice", "multichoice"

_TEXT = """
1 first_name shorttext First Name|2 last_name shorttext Last Name|3 email longtext E-Mail
4 birth_date birthdate Date of Birth|10 address longtext Address|11 city shorttext City|12 state shorttext State
13 zip_code shorttext ZIP Code|15 phone shorttext Phone|16 fax fax Fax|18 company_name longtext Company
21 company_phone shorttext Phone (office)|22 company_fax fax Fax (office)|25 url url URL
37 mobile shorttext Mobile|38 partner_first_name shorttext First Name of Partner
39 partner_birth_date birthdate Birthdate of Partner|40 anniversary date Anniversary
41 company_address longtext Address (office)|42 company_zip_code shorttext ZIP (office)
43 company_city shorttext City (office)|44 company_state shorttext State (office)
"""

_READ_ONLY = """
0 interests interests Interests|27 average_visit_duration special Avg. length of visit (minutes)
28 page_views_per_day special Page views per day|29 days_since_last_email special Days since last e-mail sent
30 response_rate special Response rate|32 status special User status|33 source special Contact source
34 form special Contact form|36 newsletter special Newsletter|47 email_valid special E-Mail valid
48 registration_date special Date of first registration
"""

_CHOICES: dict[str, tuple[str, str, dict[str, str]]] = {
    "5": ("gender", "Gender", {"1": "Male", "2": "Female"}),
    "6": (
        "marital_status",
        "Marital Status",
        {"1": "Single", "2": "Married", "3": "Partnership", "4": "Divorced", "5": "Widowed"},
    ),
    "7": ("children", "Children", {}),
    "8": ("education", "Education", {str(n): f"Level {n}" for n in range(1, 7)}),
    "9": ("title", "Title", {}),
    "14": ("country", "Country", COUNTRIES),
    "17": ("company_position", "Job Position", {}),
    "19": ("company_department", "Department", {}),
    "20": ("company_industry", "Industry", {}),
    "23": ("company_employees", "Number of Employees", {}),
    "24": ("company_annual_revenue", "Annual Revenue (in 000 EUR)", {}),
    "26": ("preferred_email_format", "Preferred e-mail format", {"1": "Auto", "2": "HTML", "3": "Text"}),
    "31": ("optin", "Opt-In", {"1": "True", "2": "False"}),
    "35": ("registration_language", "Registration Language", {"1": "English", "2": "German", "3": "French"}),
    "45": ("company_country", "Country (office)", COUNTRIES),
    "46": ("salutation", "Salutation", {"1": "Mr.", "2": "Mrs.", "3": "Miss", "4": "Family", "5": "Company"}),
}


def field(
    number: str, name: str, kind: str, string_id: str, *, choices: dict[str, str] | None = None, **more: bool
) -> FieldRecord:
    """A field as it is stored; `indexed` allows it as a key and in filters, `read_only` refuses writing."""
    record: FieldRecord = {"id": number, "name": name, "application_type": kind, "string_id": string_id, **more}
    if choices:
        record["choices"] = choices
    return record


def _parse(table: str, *, read_only: bool = False) -> list[FieldRecord]:
    more: FieldRecord = {"read_only": True} if read_only else {}
    rows = [row.strip().split(" ", 3) for line in table.strip().splitlines() for row in line.split("|")]
    return [field(number, name, kind, string_id) | more for number, string_id, kind, name in rows]


def system_fields() -> list[FieldRecord]:
    chosen = [
        field(number, name, "special" if number == "31" else SINGLE, string_id, choices=choices)
        for number, (string_id, name, choices) in _CHOICES.items()
    ]
    fields = _parse(_TEXT) + chosen + _parse(_READ_ONLY, read_only=True)
    return sorted(fields, key=lambda record: int(record["id"]))


def custom_fields(first: int) -> list[FieldRecord]:
    """What was set up at onboarding: `externalId` is indexed by Support, the others are not (contract 3.1)."""
    categories = {"1": "Home", "2": "Garden", "3": "Gifts", "4": "Kitchen"}
    wanted = [
        field("", "externalId", "shorttext", "externalId", indexed=True),
        field("", "loyaltyTier", "shorttext", "loyaltyTier"),
        field("", "customerGroup", "shorttext", "customerGroup"),
        field("", "Favourite categories", MULTI, "favourite_categories", choices=categories),
        field("", "Loyalty points", "numeric", "loyalty_points"),
        field("", "Member since", "date", "member_since"),
    ]
    return [{**record, "id": str(first + at)} for at, record in enumerate(wanted)]
