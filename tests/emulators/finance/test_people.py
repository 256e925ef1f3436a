"""Parties, contact persons and addresses (dynamics365.md 4.1, 4.2)."""

from tests.emulators.client import Environment


def test_a_party_is_shared_by_the_customers_of_all_companies(company: Environment) -> None:
    """2.3 and 4.2: no dataAreaId, key PartyNumber, seen from every company"""
    rows = company.get("CDSParties").json()["value"]
    assert [row["PartyNumber"] for row in rows] == ["000000101", "000000102", "000000109"]
    ada = company.get("CDSParties('000000101')").json()
    assert "dataAreaId" not in ada
    assert (ada["PersonFirstName"], ada["PersonLastName"]) == ("Ada", "O'Neil")
    assert [ada[f"PersonBirth{part}"] for part in ("Year", "Month", "Day")] == [1980, "February", 29]
    assert len(company.rows("CustomersV3", filter="PartyNumber eq '000000101'")) == 2
    assert (
        len(company.get("CDSParties", filter="PartyNumber gt '000000101'", orderby="PartyNumber").json()["value"]) == 2
    )


def test_a_party_follows_its_customer_until_it_is_written_itself(company: Environment) -> None:
    """4.2"""
    before = company.get("CDSParties('000000102')").json()["@odata.etag"]
    company.call("PATCH", "CustomersV3(dataAreaId='usmf',CustomerAccount='C-2')", json={"PersonFirstName": "Robert"})
    party = company.get("CDSParties('000000102')").json()
    assert (party["PersonFirstName"], party["@odata.etag"] == before) == ("Robert", False)
    stale = {"If-Match": before}
    assert company.call("PATCH", "CDSParties('000000102')", json={"KnownAs": "B"}, headers=stale).status_code == 412
    assert company.call("PATCH", "CDSParties('000000102')", json={"KnownAs": "B"}).status_code == 204
    assert company.get("CDSParties('000000102')").json()["KnownAs"] == "B"


def test_contacts_say_when_they_were_last_edited(company: Environment) -> None:
    """2.8: the one timestamp; 4.2"""
    [contact] = company.rows("ContactsV2")
    assert contact["LastEditDateTime"] == "2026-01-06T09:30:00Z"
    assert (contact["AssociatedPartyNumber"], contact["IsReceivingDirectMail"]) == ("000000109", "No")
    key = f"ContactsV2(dataAreaId='usmf',ContactPersonId='{contact['ContactPersonId']}')"
    company.call("PATCH", key, json={"IsInactive": "Yes"})
    assert company.rows("ContactsV2", filter="LastEditDateTime gt 2026-01-06T09:30:00Z")[0]["IsInactive"] == "Yes"
    [person] = company.rows("ContactPersons")
    assert person["IsInactive"] == "Yes"
    assert "LastEditDateTime" not in person


def test_a_customer_has_addresses_of_both_kinds(company: Environment) -> None:
    """4.1: keys of three parts"""
    rows = company.rows("CustomerElectronicAddresses", filter="dataAreaId eq 'usmf' and CustomerAccount eq 'C-1'")
    assert [(row["Type"], row["Locator"]) for row in rows] == [("Email", "ada@example.com"), ("Phone", "+15550101")]
    kind = "Microsoft.Dynamics.DataEntities.LogisticsElectronicAddressMethodType'Phone'"
    assert len(company.rows("CustomerElectronicAddresses", filter=f"Type eq {kind}")) == 1
    mail = rows[0]["ElectronicAddressId"]
    key = f"dataAreaId='usmf',ElectronicAddressId='{mail}',CustomerAccount='C-1'"
    assert company.call("DELETE", f"CustomerElectronicAddresses({key})").status_code == 204
    assert company.get(f"CustomerElectronicAddresses({key})").status_code == 404
    [postal] = company.rows("CustomerPostalAddressesV2", filter="dataAreaId eq 'usrt'")
    assert (postal["AddressCity"], postal["AddressCountryRegionId"]) == ("Boston", "USA")
