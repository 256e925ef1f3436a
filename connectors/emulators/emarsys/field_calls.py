"""Endpoints for fields, choices, sources and the account itself (contract 3.10, 3.13)."""

from connectors.emulators.emarsys.call import Call
from connectors.emulators.emarsys.languages import CODES
from connectors.emulators.emarsys.replies import ApiError, reply
from connectors.emulators.system import Response


def listing(call: Call) -> Response:
    """Names in the language asked for; a code that is none is 10001."""
    fields = call.account.fields.listing(_language(call, call.parts[0] if call.parts else ""))
    if call.account.settings["integer_field_ids"]:
        return reply([{**field, "id": int(field["id"])} for field in fields], records=len(fields))
    return reply(fields, records=len(fields))


def _language(call: Call, given: str) -> str:
    """An Emarsys code of two letters, not always ISO (contract 3.10)."""
    if given and given not in CODES:
        raise ApiError(400, 10001, f"Invalid value for language: {given}")
    return given or "en"


def create(call: Call) -> Response:
    body = call.body
    number = call.account.fields.create(body.get("name"), body.get("application_type"), body.get("string_id"))
    return reply({"id": int(number)}, records=1)


def remove(call: Call) -> Response:
    number = call.parts[0]
    if not number.isdecimal():
        raise ApiError(400, 1, f"Action {number} is invalid.")
    call.account.fields.remove(number)
    return reply({}, records=1)


def choices(call: Call) -> Response:
    language = _language(call, call.parts[1] if len(call.parts) > 1 else "")
    return reply(call.account.fields.choices(call.parts[0], language))


def several_choices(call: Call) -> Response:
    """`GET /field/choices?fields=5,14`: the choices of several fields at once."""
    numbers = [one.strip() for one in call.query.get("fields", "").split(",") if one.strip()]
    if not numbers:
        raise ApiError(400, 10001, "Missing parameter: fields")
    language = _language(call, call.query.get("language", ""))
    return reply([{"id": number, "choices": call.account.fields.choices(number, language)} for number in numbers])


def settings(call: Call) -> Response:
    """The cheapest way to test a connection."""
    own = call.account.settings
    return reply(
        {
            "id": own["customer_id"],
            "environment": "suite.example.com",
            "timezone": own["timezone"],
            "name": own["name"],
            "password_history_queue_size": 1,
            "country": own["country"],
        }
    )


def sources(call: Call) -> Response:
    return reply(list(call.account.collection("sources").values()))


def create_source(call: Call) -> Response:
    name, known = call.body.get("name"), call.account.collection("sources")
    if not isinstance(name, str) or not name:
        raise ApiError(400, 1006, "Empty parameter(s): name")
    number = str(max((int(one) for one in known), default=100) + 1)
    known.put(number, {"id": number, "name": name})
    return reply({"id": number}, records=1)


def delete_source(call: Call) -> Response:
    if not call.account.collection("sources").delete(call.parts[0]):
        raise ApiError(400, 2013, f"Invalid source id: {call.parts[0]}")
    return reply({}, records=1)
