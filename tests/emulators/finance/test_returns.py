"""Return orders, free text invoices and the masters (dynamics365.md 4.6)."""

from tests.emulators.client import Environment


def test_a_refund_of_goods_is_a_return_order_that_points_at_the_line(company: Environment) -> None:
    """4.6: ReferenceInventoryLotId; goodwill, charges and cancellations come back without goods"""
    rows = company.rows("ReturnOrderHeaders", expand="ReturnOrderLines")
    assert [row["ReturnOrderNumber"] for row in rows] == ["RO-CN-1", "RO-CN-2"]
    first = rows[0]
    assert (first["RMANumber"], first["CustomerAccountNumber"], first["ReturnOrderStatus"]) == (
        "RMA-CN-1", "C-1", "Closed",
    )  # fmt: skip
    [line] = first["ReturnOrderLines"]
    assert (line["ItemNumber"], line["ReturnStatus"], line["LineAmount"]) == ("MUG", "Invoiced", -4.5)
    sold = company.rows("SalesOrderLines", filter=f"InventoryLotId eq '{line['ReferenceInventoryLotId']}'")
    assert [(row["SalesOrderNumber"], row["LineCreationSequenceNumber"]) for row in sold] == [("SO-1", 1)]
    assert rows[1]["ReturnOrderLines"][0]["ReferenceInventoryLotId"] == ""
    assert rows[1]["ReturnOrderLines"][0]["ReferenceNumber"] == "SO-2"


def test_a_line_shows_its_return_order(company: Environment) -> None:
    """2.1: expand from the other side"""
    [line] = company.rows("ReturnOrderLines", filter="ReturnOrderNumber eq 'RO-CN-1'", expand="ReturnOrderHeader")
    assert line["ReturnOrderHeader"]["CustomerReturnReasonCode"] == "RETURN"


def test_both_vocabularies_and_both_signs_occur(company: Environment) -> None:
    """4.6: ReturnStatusHeader or SalesStatus; quantities negative or positive"""
    [line, _] = company.rows("ReturnOrderLines")
    assert line["ReturnSalesQuantity"] == -1
    settings = {"dynamics365.return_statuses": "sales", "dynamics365.return_quantities": "positive"}
    company.control("POST", "settings", settings)
    [line, _] = company.rows("ReturnOrderLines")
    assert line["ReturnedSalesQuantity"] == 1
    invoiced = "ReturnOrderStatus eq Microsoft.Dynamics.DataEntities.SalesStatus'Invoiced'"
    assert len(company.rows("ReturnOrderHeaders", filter=invoiced)) == 2
    assert (
        'Name="ReturnOrderStatus" Type="Microsoft.Dynamics.DataEntities.SalesStatus"' in company.get("$metadata").text
    )


def test_a_free_text_invoice_can_correct_another(company: Environment) -> None:
    """4.6: no item on its lines"""
    header = {"FreeTextNumber": "FT-2", "CustomerAccount": "C-1", "InvoiceId": "FTI-2", "IsPosted": "Yes",
              "InvoiceDate": "2026-02-01T12:00:00Z", "IsCorrection": "Yes", "CorrectedInvoiceId": "FTI-1"}  # fmt: skip
    assert company.call("POST", "FreeTextInvoiceHeaders", json=header).status_code == 201
    for number in (10, 9):
        line = {"FreeTextNumber": "FT-2", "LineNumber": number, "TransactionCurrencyAmount": -5, "Quantity": -1}
        assert company.call("POST", "FreeTextInvoiceLines", json=line).status_code == 201
    window = "InvoiceDate ge 2026-02-01T00:00:00Z"
    [row] = company.rows("FreeTextInvoiceHeaders", filter=window, expand="FreeTextInvoiceLines")
    assert (row["CorrectedInvoiceId"], row["IsCorrection"]) == ("FTI-1", "Yes")
    assert [line["LineNumber"] for line in row["FreeTextInvoiceLines"]] == [9, 10]
    assert "ItemNumber" not in row["FreeTextInvoiceLines"][0]


def test_return_labels_and_masters_are_sets_of_their_own(company: Environment) -> None:
    """4.6"""
    label = {"ReturnID": "R-1", "OrderType": "SalesOrder", "OrderNumber": "SO-1", "CarrierReturnTrackingNumber": "RT1"}
    assert company.call("POST", "ReturnDetails", json=label).json()["OrderType"] == "SalesOrder"
    reasons = {row["ReasonCode"]: row["ReasonDescription"] for row in company.get("ReturnReasonCodes").json()["value"]}
    assert reasons["RETURN"] == "Sent back"
    actions = {row["DispositionAction"] for row in company.get("ReturnDispositionCodes").json()["value"]}
    assert {"Credit", "CreditScrap", "Replace"} == actions
