"""From a request type to its answer: the one place that knows all of them."""

from collections.abc import Iterator, Mapping
from typing import Any

from connectors.emulators.prima.asking import Asked, BusinessError, asked
from connectors.emulators.prima.available import multi_available, order_status, product_available
from connectors.emulators.prima.bulk import bulk
from connectors.emulators.prima.changes import changed
from connectors.emulators.prima.dialect import Dialect
from connectors.emulators.prima.rendering import Manner, Reply, refused, written
from connectors.emulators.prima.soap import Call
from connectors.emulators.prima.state import State
from connectors.emulators.prima.switches import Switches
from connectors.emulators.prima.vocabulary import ENTITIES
from connectors.emulators.prima.writes import customer_update, multi_new_order, new_order

Fault = Mapping[str, Any] | None


class Answers:
    """Answers the calls to one environment."""

    def __init__(self, state: State, switches: Switches) -> None:
        self._state, self._switches = state, switches
        self._last: dict[str, Asked] = {}  # the page a `duplicate_page` fault gives once more

    def to(self, call: Call, dialect: Dialect, fault: Fault) -> tuple[Iterator[str], int]:
        """The inner document in pieces, and how many records it carries. A business error is an answer too."""
        switches = self._switches
        manner = Manner(dialect, switches["absent"], switches["letters"], switches.words("quirks"),
                        switches.says("declaration"))  # fmt: skip
        try:
            if call.company is not None:
                self._check_company(call.company)
            wanted = asked(call.request, dialect, switches.words("off"))
            reply = self._reply(self._or_last(wanted, fault), fault)
        except BusinessError as error:
            return refused(manner, str(error)), 0
        return written(manner, reply), reply.count

    def _or_last(self, wanted: Asked, fault: Fault) -> Asked:
        """What is asked now; under `duplicate_page` what was asked before of the same type."""
        last = self._last.get(wanted.name, wanted)
        if fault and fault["kind"] == "duplicate_page":
            return last
        self._last[wanted.name] = wanted
        return wanted

    def _check_company(self, company: str) -> None:
        known = self._switches.words("companies")
        if not company.strip() or (known and company.strip() not in known):
            raise BusinessError("Company not known")

    def _reply(self, wanted: Asked, fault: Fault) -> Reply:
        state, switches, name = self._state, self._switches, wanted.name
        if name in ("StockStatus", "ProductAvailableToSell") and (rows := switches.number("bulk_rows")):
            return bulk(name, rows, state.now())
        if name in ENTITIES:
            return changed(wanted, ENTITIES[name], state, switches, fault)
        if name == "CustomerUpdate":
            return customer_update(wanted, state, switches)
        if name == "NewOrder":
            return new_order(wanted, state, switches)
        if name == "MultiNewOrder":
            return multi_new_order(wanted, state, switches)
        ask = {"OrderStatus": order_status, "ProductAvailableToSell": product_available}.get(name, multi_available)
        return ask(wanted, state)
