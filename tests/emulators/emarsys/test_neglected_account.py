"""What the emulated account starts with, and what a colleague's import does to it.

The oracle is the list the emulator keeps; these tests check that list against the records.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.emulators.emarsys.account import EXTERNAL, TIER, Account

CITIES = ("Bath", "Leeds", "York", "Ghent", "Lyon")
TIERS = ("bronze", "silver", "gold", "platinum")
Planted = dict[str, Any]
Contacts = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def retailer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four hundred customers; two share an address, one is archived, one was merged."""
    folder = tmp_path_factory.mktemp("retailer")
    lines = ["customer_id,email,first_name,last_name,city,country,loyalty_tier,email_consent,status,merged_into"]
    for number in range(400):
        consent = ("yes", "no", "")[number % 3]
        name = f"First{number % 17},Last{number % 23}"
        rest = f"{CITIES[number % 5]},GB,{TIERS[number % 4]},{consent},active,"
        lines.append(f"K-{1000 + number},p{number}@example.com,{name},{rest}")
    lines.append("K-2000,shared@example.com,Ida,One,Bath,GB,gold,yes,active,")
    lines.append("K-2001,shared@example.com,Ida,Two,Bath,GB,gold,yes,active,")
    lines.append("K-2002,gone@example.com,Ida,Old,Bath,GB,gold,yes,archived,")
    lines.append("K-2003,merged@example.com,Ida,Old,Bath,GB,gold,yes,active,K-2000")
    (folder / "customers.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def neglected(base: str, retailer: Path) -> Iterator[Account]:
    reset(base, retailer)
    account = Account(base)
    yield account
    account.session.close()


def reset(base: str, folder: Path, *, seed: int = 1, drift: bool = True) -> None:
    body = {"dataset": str(folder), "seed": seed, "drift": drift}
    answer = requests.post(f"{base}/_control/reset", json=body, timeout=30)
    assert answer.status_code == 200, answer.text


def planted(account: Account, name: str = "start") -> list[Planted]:
    return [one for one in account.control("GET", "planted").json() if one["list"] == name]


def contacts(account: Account) -> Contacts:
    return {one["id"]: one for one in account.control("GET", "contacts").json()}


def of_kind(records: list[Planted], kind: str) -> list[Planted]:
    found = [one for one in records if one["kind"] == kind]
    assert len(found) >= 3, kind
    return found


def plant(account: Account, seed: int = 5) -> None:
    answer = requests.post(f"{account.base}/_control/plant", json={"list": "import", "seed": seed}, timeout=30)
    assert answer.status_code == 200, answer.text


def test_without_drift_the_account_is_empty(base: str, retailer: Path) -> None:
    """Issue 2, point 6: the neglect is the demo's, not the emulator's."""
    reset(base, retailer, drift=False)
    account = Account(base)
    assert (contacts(account), planted(account)) == ({}, [])
    account.session.close()


def test_the_start_is_the_same_for_the_same_seed(base: str, retailer: Path) -> None:
    """Issue 2, point 6: a seeded list."""
    account, seen = Account(base), []
    for seed in (1, 1, 2):
        reset(base, retailer, seed=seed)
        seen.append((planted(account), contacts(account)))
    assert seen[0] == seen[1] != seen[2]
    account.session.close()


def test_most_customers_are_there_and_a_quarter_only_by_address(neglected: Account) -> None:
    """Issue 2, point 4: existing contacts are adopted by external id, then e-mail."""
    present = contacts(neglected).values()
    with_number = sum(EXTERNAL in one for one in present)
    assert 0.6 < with_number / len(present) < 0.8


def test_every_planted_difference_is_in_the_records(neglected: Account) -> None:
    """Issue 2, point 6: missing, orphans, stale fields, one e-mail on two contacts, opted out."""
    records, present = planted(neglected), contacts(neglected)
    addresses = Counter(one.get("3") for one in present.values())
    numbers = {one.get(EXTERNAL) for one in present.values()}
    assert all(addresses[one["email"]] == 0 for one in of_kind(records, "missing"))
    assert all(EXTERNAL not in present[one["contact_id"]] for one in of_kind(records, "adopt"))
    for one in of_kind(records, "stale"):
        assert present[one["contact_id"]][one["field_id"]] == one["emarsys"] != one["erp"]
    assert all(addresses[one["email"]] == 2 for one in of_kind(records, "duplicate_email"))
    assert all(addresses[one["email"]] == 2 for one in of_kind(records, "ambiguous_email"))
    assert all(one["external_id"] not in numbers for one in of_kind(records, "ambiguous_email"))
    assert all(present[one["contact_id"]]["31"] == "2" != one["erp"] for one in of_kind(records, "opted_out"))
    assert all("31" not in present[one["contact_id"]] for one in of_kind(records, "unknown_opt_in"))
    for one in of_kind(records, "orphan"):
        assert present[one["contact_id"]][EXTERNAL] not in {f"K-{1000 + number}" for number in range(400)}
    assert all(EXTERNAL not in present[one["contact_id"]] for one in of_kind(records, "orphan_email"))


def test_nothing_is_wrong_that_is_not_on_the_list(neglected: Account) -> None:
    """Issue 2, point 6: contacts without an entry are as the ERP has them."""
    listed = {one.get(name) for one in planted(neglected) for name in ("contact_id", "other_contact_id")}
    for contact in contacts(neglected).values():
        if contact["id"] in listed or contact[EXTERNAL].startswith("K-2"):
            continue
        number = int(contact[EXTERNAL].removeprefix("K-")) - 1000
        assert contact["3"] == f"p{number}@example.com"
        assert (contact["1"], contact["2"]) == (f"First{number % 17}", f"Last{number % 23}")
        assert (contact["11"], contact["14"], contact[TIER]) == (CITIES[number % 5], "184", TIERS[number % 4])
        assert contact.get("31") == ("1", "2", None)[number % 3]


def test_no_customer_carries_two_differences(neglected: Account) -> None:
    """Issue 2, point 6; customers who share an address, are archived or merged carry none."""
    plant(neglected)
    everything = [one for one in planted(neglected) if one["kind"] != "adopt"] + planted(neglected, "import")
    times = Counter(one["external_id"] for one in everything if one["external_id"])
    assert max(times.values()) == 1
    assert not {"K-2000", "K-2001", "K-2002", "K-2003"} & set(times)


def test_an_import_changes_what_its_list_says_and_nothing_else(neglected: Account) -> None:
    """Issue 2, point 6 (c): a second list, kept in the emulator only; opt-in is never touched."""
    before = contacts(neglected)
    plant(neglected)
    after, records = contacts(neglected), planted(neglected, "import")
    changed = {number for number in before if after.get(number) != before[number]}
    silent = {"duplicate_email", "duplicate_external_id", "orphan"}
    assert changed == {one["contact_id"] for one in records if one["kind"] not in silent}
    new = {one.get("other_contact_id") or one["contact_id"] for one in records if one["kind"] in silent}
    assert new == set(after) - set(before)
    assert all(after[one].get("31") == before[one].get("31") for one in set(before) & set(after))
    assert all(before[one["contact_id"]].get("31") != "2" for one in of_kind(records, "missing"))
    for one in of_kind(records, "stale") + of_kind(records, "email_changed"):
        contact = one["contact_id"]
        assert (before[contact][one["field_id"]], after[contact][one["field_id"]]) == (one["erp"], one["emarsys"])
    for kind in ("external_id_blanked", "duplicate_email", "duplicate_external_id", "orphan"):
        of_kind(records, kind)


def test_an_import_is_the_same_for_the_same_seed(base: str, retailer: Path) -> None:
    """Issue 2, point 6: reproducible from the seed."""
    account, seen = Account(base), []
    for seed in (5, 5, 6):
        reset(base, retailer)
        plant(account, seed)
        seen.append((planted(account, "import"), contacts(account)))
    assert seen[0] == seen[1] != seen[2]
    account.session.close()


def test_clients_cannot_read_what_was_planted(neglected: Account) -> None:
    """Issue 2, point 6: the lists are kept in the emulator only."""
    assert neglected.refusal("GET", "/planted")[0] == 404
    assert len(planted(neglected)) > 20


def test_a_handful_of_customers_still_gets_differences(base: str, tmp_path: Path) -> None:
    """Issue 2, judged with another retailer's data: small and without most columns."""
    lines = ["customer_id,email"] + [f"{number},p{number}@example.net" for number in range(1, 21)]
    (tmp_path / "customers.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    reset(base, tmp_path)
    account = Account(base)
    kinds = {one["kind"] for one in planted(account)}
    assert {"missing", "orphan", "duplicate_email", "opted_out", "adopt"} <= kinds
    account.session.close()
