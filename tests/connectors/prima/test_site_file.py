"""The site file: names, paths, formats and tables; validated, and immutable once used (contract 8)."""

import re
from pathlib import Path

import pytest
import yaml

from connectors import records
from connectors.errors import ConfigurationError
from connectors.prima import site_files, site_text
from connectors.prima.site import CHILDREN, FIELDS, REQUIRED

ASSUMED = site_files.ASSUMED.read_text(encoding="utf-8")
ROOT = Path(__file__).parents[3]


def read(text: str) -> site_text.SiteFile:
    return site_text.read(text.encode(), "site.yaml")


def test_the_assumed_contract_is_complete() -> None:
    found = site_files.load("")
    assert set(found.site.entities) == set(FIELDS)
    assert re.fullmatch(r"assumed/2/[0-9a-f]{12}", found.version)
    for name, parts in CHILDREN.items():
        assert set(found.site.entities[name].children) == set(parts)
        for part in parts:
            assert REQUIRED[f"{name}.{part}"] <= found.site.entities[name].children[part].fields.keys()


def test_yes_no_and_times_of_the_file_stay_words() -> None:
    site = read(ASSUMED.replace('thousands: ","', 'thousands: ","')).site
    assert site.defaults.yes == ("Yes", "Y", "true", "1")
    assert site.consent_write.yes == "Yes"
    assert read(ASSUMED.replace("carriers:\n", "carriers:\n    NO: on\n")).site.rules.carriers["NO"] == "on"


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("site: assumed", "site: assumed\nsurprise: 1", "surprise"),
        ("  overlap_minutes: 10", "  overlap: 10", "defaults"),
        ('    changed: "@LastChanged"\n    fields:\n      number', "    if: x\n    fields:\n      number", "s.order"),
        ('{path: "@CustomerType"}', '{path: "@CustomerType", when: x}', "entities.customer.fields.type"),
        ("account:      {path", "acount:      {path", "entities.customer.fields.acount"),
        ('"@OrderNumber", required: true}', '"Order[1]/@OrderNumber", required: true}', "entities.order.fields.number"),
        ('"@OrderNumber", required: true}', '"//@OrderNumber", required: true}', "entities.order.fields.number"),
        ('"@OrderNumber", required: true}', '"../@OrderNumber", required: true}', "entities.order.fields.number"),
        ('"@OrderNumber", required: true}', '"@a", const: "b"}', "entities.order.fields.number"),
        ("table: order_status", "table: nowhere", "entities.order.fields.status.table"),
        ("on_unknown: park", "on_unknown: guess", "entities.customer.fields.status"),
        ("price_basis: unit", "price_basis: each", "rules.price_basis"),
        ("timezone: Europe/London", "timezone: Europe/Dublinn", "defaults.timezone"),
        ("version: 2", "version: 0", "version"),
        ("version: 2", "version: one", "version"),
        ('type: decimal, required: true}', 'type: money, required: true}', "entities."),
        ("  stock:\n", "  stok:\n", "entities.stok"),
        ("      currency:     {path: \"@Currency\", required: true}\n      prices", "      prices", "lacks currency"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place(old: str, new: str, place: str) -> None:
    assert old in ASSUMED
    with pytest.raises(ConfigurationError, match=re.escape("site.yaml")) as raised:
        read(ASSUMED.replace(old, new))
    assert place in str(raised.value)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "no mapping"),
        ("- a", "no mapping"),
        ("a: [", "not a mapping file"),
        ("site: a\nsite: b", "given twice"),
        ("site: &a x\nother: *a", "aliases"),
        ("site: !!python/object/apply:os.system [ls]", "not a mapping file"),
        ("site: \x00", "not a mapping file"),
    ],
)
def test_what_is_no_such_file_is_refused(text: str, what: str) -> None:
    with pytest.raises(ConfigurationError, match=what):
        read(text)


def test_a_changed_file_under_a_used_version_is_refused() -> None:
    first, changed = read(ASSUMED), read(ASSUMED + "\n# later\n")
    used = {("assumed", 1): first.sha256}
    site_files.check_unchanged("assumed", 1, first.sha256, used)
    site_files.check_unchanged("assumed", 2, changed.sha256, used)
    site_files.check_unchanged("other", 1, changed.sha256, used)
    with pytest.raises(ConfigurationError, match="Version 1 of the mapping assumed was used before") as raised:
        site_files.check_unchanged("assumed", 1, changed.sha256, used)
    assert "next version number" in raised.value.remedy


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"none\.yaml cannot be read"):
        site_files.load("/nowhere/none.yaml")


def test_no_code_above_the_mapping_knows_a_name_of_prima() -> None:
    tree = yaml.safe_load(ASSUMED)
    text = "\n".join([str(tree["entities"]), str(tree["consent_write"])])
    names = {
        name for name in re.findall(r"\b[A-Z][A-Za-z0-9]+\b", text) if re.search(r"[a-z0-9][A-Z]|[a-z][0-9]", name)
    }
    assert {"LastChanged", "OrderNumber", "MtrxCode1", "ServerTime", "ReceiveEmail", "AddrLine1"} <= names
    names -= set(dir(records))  # the console's own classes of the same name
    code = [*(ROOT / "connectors").glob("*.py"), *(ROOT / "connectors" / "prima").rglob("*.py"),
            *(ROOT / "sync").rglob("*.py")]  # fmt: skip
    assert len(code) > 60
    for path in code:
        found = names & set(re.findall(r"\b[A-Za-z0-9]+\b", path.read_text(encoding="utf-8")))
        assert not found, f"{path.name}: {found}"
