"""A path that a site renamed or dropped stops the read before its first record is given on, and is named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import ConfigurationError
from tests.connectors.prima.conftest import rows, site
from tests.connectors.prima.soap_server import SoapServer, page
from tests.connectors.prima.test_files import Drop, drop, files

__all__ = ["drop", "files"]
Open = Callable[..., Any]
EMAIL = '      email:        {path: "@CustomerEmail"}\n'
TOMBSTONE = '<Customer Customer="Z" Status="Merged" MergedTo="A"/>'
FULL = (
    "Customer CustomerType Status MergedTo CustomerEmail CustomerForename CustomerSurname CustomerMobile AddrLine1 "
    "AddrLine2 AddrLine3 PostCode Country DateOfBirth LastChanged"
).split()


def says(tmp_path: Path, word: str) -> str:
    """The site's file with a word on whether every reply has the e-mail."""
    return site(tmp_path, (EMAIL, EMAIL.replace("}", f", in_every_reply: {word}}}")))


def people(number: int, *without: str, empty: bool = True) -> str:
    """Customers who have a surname, a status and a number; everything else is empty, or not there."""

    def one(account: int) -> str:
        values = {name: "" for name in FULL if empty} | {
            "Customer": f"C{account}", "Status": "Active", "CustomerSurname": "Bell",
        }  # fmt: skip
        return (
            "<Customer " + " ".join(f'{name}="{value}"' for name, value in values.items() if name not in without) + "/>"
        )

    return "".join(one(account) for account in range(number))


def read(source: Any, stream: str = "customer") -> int:
    return len(rows(list(source.read(stream, ""))))


def test_what_every_reply_has_is_missed_in_the_first_and_nothing_is_given_on(
    soap: SoapServer, prima: Open, tmp_path: Path
) -> None:
    soap.says(page(people(1, "CustomerEmail")))
    source = prima(MAPPING_FILE=says(tmp_path, "true"))
    with pytest.raises(
        ConfigurationError, match=r"no record of CustomerChanges holds @CustomerEmail \(email\) any"
    ) as e:
        next(source.read("customer", ""))
    assert "new version of the mapping file" in e.value.remedy


@pytest.mark.parametrize("records", [people(1), TOMBSTONE, "", people(1, "CustomerEmail") + people(1)])
def test_an_empty_value_a_tombstone_and_one_record_that_has_it_are_no_drift(
    soap: SoapServer, prima: Open, tmp_path: Path, records: str
) -> None:
    soap.says(page(records))
    read(prima(MAPPING_FILE=says(tmp_path, "true")))


def test_among_many_records_of_a_site_that_writes_what_is_empty_any_path_is_missed(
    soap: SoapServer, prima: Open, tmp_path: Path
) -> None:
    soap.says(page(people(100, "CustomerEmail")))
    with pytest.raises(ConfigurationError, match="@CustomerEmail"):
        next(prima().read("customer", ""))
    assert read(prima(MAPPING_FILE=says(tmp_path, "false"))) == 100
    soap.says(page(people(99, "CustomerEmail")))
    assert read(prima()) == 99, "too few to tell"
    soap.says(page(people(150, empty=False)))
    assert read(prima()) == 150, "this site leaves out what is empty"


CREDIT = (
    '<Credit CreditNumber="CR1" Customer="C1" CreditDate="05/03/2024 11:02:00" Currency="EUR" CreditTotal="5.00">'
    '<CreditLine CreditLine="1" LineValue="5.00"/></Credit>'
)


@pytest.mark.parametrize(
    ("stream", "records", "path"),
    [
        ("customer", people(1, "Status"), "@Status"),
        ("consent", people(1, "Status"), "@Status"),
        ("sale", CREDIT, "@CreditType"),
    ],
)
def test_by_the_assumed_contract_one_record_is_enough_to_miss_what_none_can_be_without(
    soap: SoapServer, prima: Open, stream: str, records: str, path: str
) -> None:
    """Without its status an archived customer counts as one who can be written to, without its type a cancellation
    as a second refund."""
    soap.says(page(records))
    with pytest.raises(ConfigurationError, match=f"holds {path} "):
        read(prima(), stream)


def test_a_column_of_the_field_mapping_is_missed_as_any_other_path(soap: SoapServer, prima: Open) -> None:
    source = prima()
    source.extend("customer", {"@ShopTier": "text"})
    soap.says(page(people(100)))
    with pytest.raises(ConfigurationError, match=r"@ShopTier \(field mapping\)") as raised:
        next(source.read("customer", ""))
    assert "field mapping" in raised.value.remedy
    soap.says(page(people(99)))
    assert read(source) == 99, "too few to tell"
    soap.says(page(people(99) + people(1).replace("Status=", 'ShopTier="" Status=')))
    assert read(source) == 100
    soap.says(page(people(100, empty=False)))
    assert read(source) == 100, "this site leaves out what is empty"


def test_of_paths_that_stand_for_each_other_one_is_enough(soap: SoapServer, prima: Open) -> None:
    soap.says(page(people(100)))
    assert read(prima()) == 100, "there is a mobile and no other phone"
    soap.says(page(people(100, "CustomerMobile")))
    with pytest.raises(ConfigurationError, match=r"@CustomerMobile or @CustomerPhone \(phone\)"):
        read(prima())


def orders(number: int, header: str = "", line: str = "") -> str:
    return "".join(
        f'<Order OrderNumber="{n}" Customer="C1" OrderStatus="Open" OrderDate="01/03/2024 06:00:00" OrderTotal="5.00" '
        f'{header}><OrderLineData OrderLine="1" Product="MUG" {line}/></Order>'
        for n in range(number)
    )


def test_what_is_required_waits_in_one_record_and_is_drift_in_several(soap: SoapServer, prima: Open) -> None:
    quantity = 'Quantity="1"'
    soap.says(page(orders(9, line=quantity)))
    source = prima()
    assert read(source, "order") == 9, "each of them waits for a person"
    soap.says(page(orders(10, line=quantity)))
    with pytest.raises(ConfigurationError, match=r"OrderChanges holds @Currency \(currency\) any more"):
        read(source, "order")
    soap.says(page(orders(10, 'Currency="GBP"')))
    with pytest.raises(ConfigurationError, match=r"@Quantity \(lines.quantity\)"):
        read(source, "order")


def test_a_record_by_its_key_is_looked_at_as_well(soap: SoapServer, prima: Open, tmp_path: Path) -> None:
    by_key = '    changed: "@LastChanged"\n    volatile: ["@LastChanged"]\n'
    asked = f'    by_key: {{type: GetOne, params: {{Customer: "{{key}}"}}}}\n{by_key}'
    text = (EMAIL, EMAIL.replace("}", ", in_every_reply: true}"))
    path = site(tmp_path, text)
    written = Path(path).read_text(encoding="utf-8").replace(by_key, asked, 1)
    Path(path).write_text(written, encoding="utf-8")
    soap.says(page(people(1, "CustomerEmail")))
    with pytest.raises(ConfigurationError, match="GetOne holds @CustomerEmail"):
        list(prima(MAPPING_FILE=path).fetch("customer", ["C0"]))


def test_a_column_that_is_gone_from_a_file_is_named_and_the_file_stays(drop: Drop, files: Open, tmp_path: Path) -> None:
    file = drop.put(
        "customers_20240301060001_000001.csv", "Customer,CustomerSurname,Mail,Status", "A,Bell,a@b.test,Active"
    )
    source = files(MAPPING_FILE=says(tmp_path, "true"))
    with pytest.raises(ConfigurationError, match=r"customers_20240301060001_000001.csv holds @CustomerEmail \(email\)"):
        read(source)
    assert file.exists(), "it is read once the mapping knows the new name"


def test_a_column_of_the_field_mapping_that_is_gone_from_a_file_is_named(drop: Drop, files: Open) -> None:
    head = "Customer,Status,CustomerType,MergedTo,CustomerEmail,CustomerForename,CustomerSurname,CustomerMobile"
    head = f"{head},AddrLine1,AddrLine2,AddrLine3,PostCode,Country,DateOfBirth"
    people = [f"C{number},Active,{',' * 11}" for number in range(100)]
    source = files(MAPPING_FILE="")
    source.extend("customer", {"@Tier": "text"})
    drop.put("customers_20240301060001_000001.csv", f"{head},Tier", *(f"{one}," for one in people))
    assert read(source) == 100
    file = drop.put("customers_20240302060001_000002.csv", head, *people)
    with pytest.raises(ConfigurationError, match=r"_000002.csv holds @Tier \(field mapping\)"):
        read(source)
    assert file.exists()
