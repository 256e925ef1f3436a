"""The Inventory Visibility add-in: its own token, and on-hand by index (dynamics365.md 4.9).

Switches: `iv_redirect` (`yes`: the first token request is sent on with 307), `iv_expires` (`text`: `expires_in` is a
string), `iv_case` (`upper`, `lower`: names come back in that case, else as mixed as they are), `iv_omit_zero` (`yes`).
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from connectors.emulators.dynamics365.derived_stock import total_of
from connectors.emulators.dynamics365.tables import Row
from connectors.emulators.entra import Entra
from connectors.emulators.system import Request, Response

AUDIENCE = "0cdb527f-a8d1-4bf8-9436-b352c68682b2"
SERVICE = "https://inventoryservice.operations365.dynamics.com"
ENVIRONMENT = "5d3c9c4e-0f3e-4b0b-9d2f-6f0a3a0e0365"
TOKENS, QUERIES = "/securityservice", "/api/environment"
_SECONDS = 3_600
_MOST_PRODUCTS, _MOST_PLACES = 5_000, 100
# What the query calls a dimension -> the on-hand row's property, and the spelling in answers.
_DIMENSIONS = {
    "siteid": ("InventorySiteId", "siteid"),
    "locationid": ("InventoryWarehouseId", "locationid"),
    "statusid": ("InventoryStatusId", "StatusId"),
    "colorid": ("ProductColorId", "ColorId"),
    "sizeid": ("ProductSizeId", "SizeId"),
    "styleid": ("ProductStyleId", "StyleId"),
    "configid": ("ProductConfigurationId", "ConfigId"),
    "versionid": ("ProductVersionId", "VersionId"),
}
_MEASURES = {
    "physicalinvent": "OnHandQuantity",
    "reservphysical": "ReservedOnHandQuantity",
    "onorder": "OnOrderQuantity",
    "ordered": "OrderedQuantity",
}
_encode = msgspec.json.Encoder().encode
Query = Mapping[str, Any]


class _RefusedError(Exception):
    """What is wrong with a query."""


class InventoryVisibility:
    """Answers from the on-hand rows by status, as F&O would have sent them."""

    def __init__(self, entra: Entra, rows: Callable[[], Iterable[Row]], settings: Mapping[str, str]) -> None:
        self._entra = entra
        self._rows = rows
        self._settings = settings

    def handle(self, request: Request) -> Response:
        if request.headers.get("api-version") != "1.0":
            return _refused(400, "The header Api-Version: 1.0 is required.")
        if request.prefix == TOKENS:
            return self._token(request)
        if self._entra.caller(request, "dynamics365", (SERVICE,), own_address=False) is None:
            return Response(401, b"", {"WWW-Authenticate": "Bearer"})
        environment, _, call = request.path.lstrip("/").partition("/")
        if environment != ENVIRONMENT or request.method != "POST":
            return _refused(404, "There is no such environment or call.")
        try:
            wanted = _lower(msgspec.json.decode(request.body, type=dict[str, Any]))
            if call == "onhand/indexquery":
                return self._shown(_indexed(wanted), wanted)
            if call == "onhand/exactquery":
                return self._shown(_exact(wanted), wanted)
        except (msgspec.MsgspecError, _RefusedError) as error:
            return _refused(400, str(error))
        return _refused(404, f"There is no call {call}.")

    def _token(self, request: Request) -> Response:
        """An Entra token for the add-in becomes one of the add-in's own, for one environment."""
        if self._settings.get("iv_redirect") == "yes" and request.path == "/token":
            return Response(307, b"", {"Location": f"{request.base}/geo/token"})
        if request.method != "POST" or request.path not in ("/token", "/geo/token"):
            return _refused(404, "There is no such call.")
        try:
            form = msgspec.json.decode(request.body, type=dict[str, str])
        except msgspec.MsgspecError as error:
            return _refused(400, str(error))
        expected = {"grant_type": "client_credentials", "client_assertion_type": "aad_app",
                    "scope": f"{SERVICE}/.default", "context_type": "finops-env", "context": ENVIRONMENT}  # fmt: skip
        wrong = [name for name, value in expected.items() if form.get(name) != value]
        if wrong:
            return _refused(400, f"{', '.join(wrong)} is missing or not valid.")
        claims = self._entra.claims(form.get("client_assertion", ""), "dynamics365")
        if claims is None or claims["aud"] != AUDIENCE:
            return _refused(401, "The client assertion is not valid for this service.")
        token = self._entra.issue(claims["appid"], SERVICE, _SECONDS)
        seconds: int | str = str(_SECONDS) if self._settings.get("iv_expires") == "text" else _SECONDS
        return Response(200, _encode({"access_token": token, "token_type": "bearer", "expires_in": seconds}))

    def _shown(self, chosen: "_Choice", wanted: Query) -> Response:
        names = chosen.grouped(wanted)
        groups: dict[tuple[str, ...], list[Row]] = {}
        for row in self._rows():
            if chosen.takes(row):
                dimensions = (str(row.get(_DIMENSIONS[name][0], "")) for name in names)
                groups.setdefault((str(row["ItemNumber"]), *dimensions), []).append(row)
        found = [self._entry(key, names, rows) for key, rows in sorted(groups.items())]
        if not wanted.get("returnnegative"):
            found = [entry for entry, lowest in found if lowest >= 0]
        else:
            found = [entry for entry, _ in found]
        return Response(200, _encode(found), records=len(found))

    def _entry(self, key: tuple[str, ...], names: list[str], rows: list[Row]) -> Any:
        """One group as it is answered, and its physical inventory."""
        fno = {name: total_of(*(row[column] for row in rows)) for name, column in _MEASURES.items()}
        reservable = total_of(fno["physicalinvent"], -fno["reservphysical"])
        iv = {"softreserved": 0, "availabletoreserve": reservable}
        dimensions = {_DIMENSIONS[name][1]: value for name, value in zip(names, key[1:], strict=True)}
        quantities = {"fno": self._spelt(fno), "iv": self._spelt(iv), "@iv": self._spelt({"@allocated": 0})}
        entry = {"productId": key[0], "dimensions": self._cased(dimensions), "quantities": quantities}
        return entry, fno["physicalinvent"]

    def _spelt(self, measures: Mapping[str, Any]) -> dict[str, Any]:
        omit = self._settings.get("iv_omit_zero") == "yes"
        return self._cased({name: value for name, value in measures.items() if value or not omit})

    def _cased(self, values: Mapping[str, Any]) -> dict[str, Any]:
        case = self._settings.get("iv_case")
        change = {"upper": str.upper, "lower": str.lower}.get(case or "", str)
        return {change(name): value for name, value in values.items()}


class _Choice:
    """Which rows a query asks for: one company, products (none = all), and tuples of dimension values."""

    def __init__(self, company: str, products: list[str], dimensions: list[str], tuples: set[tuple[str, ...]]) -> None:
        self._company = company
        self._products = set(products)
        self._dimensions = dimensions
        self._tuples = tuples

    def takes(self, row: Row) -> bool:
        if str(row["dataAreaId"]).lower() != self._company:
            return False
        if self._products and row["ItemNumber"] not in self._products:
            return False
        values = tuple(str(row.get(_DIMENSIONS[name][0], "")).lower() for name in self._dimensions)
        return values in self._tuples

    def grouped(self, wanted: Query) -> list[str]:
        given = msgspec.convert(wanted.get("groupbyvalues") or [], list[str])
        asked = [name.lower() for name in given]
        unknown = [name for name in asked if name not in _DIMENSIONS]
        if unknown:
            raise _RefusedError(f"The dimension {', '.join(unknown)} is not known.")
        return list(dict.fromkeys([*asked, "siteid", "locationid"]))


class _Filters(msgspec.Struct):
    organizationid: list[str] = []
    productid: list[str] = []
    siteid: list[str] = []
    locationid: list[str] = []
    dimensions: list[str] = []
    values: list[list[str]] = []


def _filters(wanted: Query) -> _Filters:
    """The filters of a query, checked; `dimensions` and `values` may stand beside them."""
    beside = {name: wanted[name] for name in ("dimensions", "values") if name in wanted}
    inside = wanted.get("filters")
    found = msgspec.convert({**beside, **inside} if isinstance(inside, dict) else inside or beside, _Filters)
    if len(found.organizationid) != 1:
        raise _RefusedError("Exactly one organizationId is required.")
    if len(found.productid) > _MOST_PRODUCTS:
        raise _RefusedError(f"At most {_MOST_PRODUCTS} products can be asked for at once.")
    return found


def _indexed(wanted: Query) -> _Choice:
    asked = _filters(wanted)
    sites, places = asked.siteid, asked.locationid
    if not sites or not places:
        raise _RefusedError("siteId and locationId are mandatory.")
    if len(sites) * len(places) > _MOST_PLACES:
        raise _RefusedError(f"The number of sites times the number of locations must not exceed {_MOST_PLACES}.")
    tuples: set[tuple[str, ...]] = {(site.lower(), place.lower()) for site in sites for place in places}
    return _Choice(asked.organizationid[0].lower(), asked.productid, ["siteid", "locationid"], tuples)


def _exact(wanted: Query) -> _Choice:
    asked = _filters(wanted)
    names = [name.lower() for name in asked.dimensions]
    if not {"siteid", "locationid"} <= set(names) or not set(names) <= set(_DIMENSIONS):
        raise _RefusedError("dimensions must name siteId and locationId, and known dimensions only.")
    if not asked.values or any(len(value) != len(names) for value in asked.values):
        raise _RefusedError("Each of values must have one value for each dimension.")
    tuples = {tuple(word.lower() for word in value) for value in asked.values}
    return _Choice(asked.organizationid[0].lower(), asked.productid, names, tuples)


def _lower(value: Any) -> Any:
    """Names of properties match whatever their case."""
    if isinstance(value, dict):
        return {str(name).lower(): _lower(inner) for name, inner in value.items()}
    return value


def described(root: str) -> dict[str, str]:
    """What a client needs to get here."""
    return {
        "entra_scope": f"{AUDIENCE}/.default",
        "token_url": f"{root}{TOKENS}/token",
        "queries": f"{root}{QUERIES}/{ENVIRONMENT}",
        "environment": ENVIRONMENT,
    }


def _refused(status: int, words: str) -> Response:
    return Response(status, _encode({"error": {"code": "", "message": words}}))
