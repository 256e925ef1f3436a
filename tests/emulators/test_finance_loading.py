"""What a neutral dataset becomes in F&O (the package's README; DESIGN section 10)."""

from tests.emulators.client import Environment

SHORT = "InvoiceNumber,LineCreationSequenceNumber,ProductNumber,InvoicedQuantity,SalesPrice,LineAmount"


def test_a_customer_keeps_its_words_and_states(environment: Environment) -> None:
    """dynamics365.md 4.1"""
    rows = {row["CustomerAccount"]: row for row in environment.rows("CustomersV3", filter="dataAreaId eq 'usmf'")}
    ada = rows["C-1"]
    assert ada["PartyNumber"] == "000000101"
    assert (ada["AddressCountryRegionISOCode"], ada["AddressCountryRegionId"]) == ("GB", "GBR")
    assert (ada["PartyType"], ada["OrganizationName"], ada["LoyaltyTier"]) == ("Person", "Ada O'Neil", "gold")
    assert [rows[key]["OnHoldStatus"] for key in ("C-1", "C-2", "C-3")] == ["No", "All", "All"]
    raw = rows["C-10"]
    assert (raw["AddressCountryRegionISOCode"], raw["AddressCountryRegionId"]) == ("", "EIRE")


def test_invoiced_and_shipped_orders_are_invoices_on_their_day_at_noon(environment: Environment) -> None:
    """dynamics365.md 4.6 and 4.10"""
    rows = environment.rows("SalesInvoiceHeadersV2", orderby="dataAreaId,InvoiceNumber")
    assert [(row["InvoiceNumber"], row["TotalInvoiceAmount"]) for row in rows] == [
        ("CN-1", -8), ("CN-SO-2", -2), ("SO-1", 25.8), ("SO-2", 9.99),
    ]  # fmt: skip
    first = rows[2]
    assert first["InvoiceDate"] == "2026-01-15T12:00:00Z"
    assert (first["InvoiceCustomerAccountNumber"], first["SalesOrderNumber"]) == ("C-1", "SO-1")
    totals = [first[f"Total{what}Amount"] for what in ("Discount", "Charge", "Tax")]
    assert totals == [2, 3.5, 4.3]


def test_lines_keep_their_numbers_and_charges_have_a_code(environment: Environment) -> None:
    """dynamics365.md 4.6; the cancelled line is not invoiced"""
    rows = environment.rows("SalesInvoiceV2Lines", filter="InvoiceNumber eq 'SO-1'", select=SHORT)
    assert [[row[name] for name in SHORT.split(",")] for row in rows] == [
        ["SO-1", 1, "MUG", 4, 5, 18],
        ["SO-1", 2, "CHARGE", 1, 3.5, 3.5],
    ]
    lower = environment.rows("SalesInvoiceV2Lines", filter="InvoiceNumber eq 'SO-2'")[0]
    assert (lower["ProductNumber"], lower["LineAmount"]) == ("cup", 9.99)


def test_refunds_are_negative_invoices_that_point_at_nothing_but_the_order(environment: Environment) -> None:
    """dynamics365.md 4.6"""
    note = environment.rows("SalesInvoiceHeadersV2", filter="InvoiceNumber eq 'CN-1'")[0]
    assert (note["SalesOrderNumber"], note["InvoiceCustomerAccountNumber"]) == ("SO-1", "C-1")
    rows = environment.rows("SalesInvoiceV2Lines", filter="InvoiceNumber eq 'CN-1'", select=SHORT)
    assert [[row[name] for name in SHORT.split(",")][1:] for row in rows] == [
        [1, "MUG", -1, 4.5, -4.5],
        [2, "RETURN", -1, 3.5, -3.5],
    ]
    goodwill = environment.rows("SalesInvoiceV2Lines", filter="InvoiceNumber eq 'CN-SO-2'")[0]
    assert (goodwill["ProductNumber"], goodwill["LineAmount"]) == ("GOODWILL", -2)
