"""Which OnHoldStatus holds an account (contract 4.1)."""

import json

import pytest

from tests.connectors.conftest import Open
from tests.connectors.odata_server import customer


@pytest.mark.parametrize(
    ("status", "held"),
    [("No", False), ("Never", False), ("", False), (None, False), ("Invoice", True), ("All", True), ("Payment", True),
     ("Requisition", True), ("PurchOrder", True), ("ALL", True), (" all ", True)],
)  # fmt: skip
def test_every_status_but_no_and_never_holds(finance: Open, status: str | None, held: bool) -> None:
    row = json.dumps(customer("C-1", OnHoldStatus=status)).encode()
    assert finance().streams["customer"].map(row).record.on_hold is held
