"""Package exports and recurring exports (dynamics365.md 2.8)."""

import csv
import io
import zipfile
from typing import Any

import pytest
import requests

from tests.emulators.client import Environment

ACTIVITY = "0b6a1f2e-35d6-4d43-8a43-2f1f4c6f6f01"


def act(company: Environment, action: str, **body: Any) -> requests.Response:
    path = f"DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities.{action}"
    return company.call("POST", path, json=body)


def project(environment: Environment, name: str, **values: Any) -> None:
    assert environment.control("PUT", f"dynamics365/data_projects/{name}", values).status_code == 201


def export(company: Environment, name: str, **rest: Any) -> list[dict[str, str]]:
    answer = act(company, "ExportToPackage", definitionGroupId=name, packageName="p1", executionId="",
                 reExecute=True, **rest)  # fmt: skip
    execution = answer.json()["value"]
    address = act(company, "GetExportedPackageUrl", executionId=execution).json()["value"]
    return rows_in(requests.get(address, timeout=10).content)


def rows_in(content: bytes, name: str = "CustomersV3.csv") -> list[dict[str, str]]:
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        return list(csv.DictReader(io.StringIO(package.read(name).decode("utf-8-sig"))))


def test_an_export_climbs_its_ladder_and_ends_in_a_zip_behind_a_signed_address(company: Environment) -> None:
    """2.8: ExportToPackage, GetExecutionSummaryStatus, GetExportedPackageUrl"""
    project(company, "CUST", entities=["CustomersV3", "ReleasedProductsV2"])
    company.control("POST", "settings", {"dynamics365.package_polls": 2})
    started = act(company, "ExportToPackage", definitionGroupId="CUST", packageName="p1", executionId="",
                  reExecute=True, legalEntityId="USMF").json()  # fmt: skip
    assert started["@odata.context"].endswith("$metadata#Edm.String")
    execution = started["value"]
    ladder = [act(company, "GetExecutionSummaryStatus", executionId=execution).json()["value"] for _ in range(3)]
    assert ladder == ["NotRun", "Executing", "Succeeded"]
    assert act(company, "GetExecutionSummaryStatus", executionId="no").json()["value"] == "Unknown"
    address = act(company, "GetExportedPackageUrl", executionId=execution).json()["value"]
    assert address.startswith(company.base)
    content = requests.get(address, timeout=10).content
    assert [row["CUSTOMERACCOUNT"] for row in rows_in(content)] == ["C-1", "C-2", "W-9"]
    assert len(rows_in(content, "ReleasedProductsV2.csv")) == 2
    assert requests.get(address.partition("&sig=")[0], timeout=10).status_code == 403


@pytest.mark.parametrize("nested", [True, False])
def test_the_value_may_sit_in_a_value(company: Environment, nested: bool) -> None:
    """2.8: the page prints it nested, the context says Edm.String"""
    project(company, "CUST", entities=["CustomersV3"])
    company.control("POST", "settings", {"dynamics365.package_urls": "nested" if nested else None})
    value = act(company, "ExportToPackage", definitionGroupId="CUST", reExecute=True).json()["value"]
    assert isinstance(value, dict) == nested
    execution = value["value"] if nested else value
    address = act(company, "GetExportedPackageUrl", executionId=execution).json()["value"]
    assert (address["value"] if nested else address).startswith("http")


def test_change_tracking_gives_what_is_new_or_changed_and_no_deletions(company: Environment) -> None:
    """2.8: created and updated rows since the last run"""
    project(company, "DELTA", entities=["CustomersV3"], changes_only=True)
    assert len(export(company, "DELTA")) == 4
    company.call("PATCH", "CustomersV3(dataAreaId='usmf',CustomerAccount='C-2')", json={"KnownAs": "Bobby"})
    company.call("DELETE", "CustomersV3(dataAreaId='usmf',CustomerAccount='W-9')")
    assert [row["KNOWNAS"] for row in export(company, "DELTA")] == ["Bobby"]
    assert export(company, "DELTA") == []


def test_what_cannot_be_exported_is_refused(company: Environment) -> None:
    """2.8: the data project must exist beforehand"""
    for answer in (
        act(company, "ExportToPackage", definitionGroupId="none"),
        act(company, "GetExportedPackageUrl", executionId="none"),
    ):
        assert answer.status_code == 400
        assert "does not exist" in answer.text
    assert act(company, "Nonsense").status_code == 404
    assert company.control("PUT", "dynamics365/data_projects/X", {"entities": ["Nothing"]}).status_code == 400
    company.control("POST", "settings", {"dynamics365.package_result": "Failed", "dynamics365.package_polls": 0})
    project(company, "CUST", entities=["CustomersV3"])
    execution = act(company, "ExportToPackage", definitionGroupId="CUST").json()["value"]
    assert act(company, "GetExecutionSummaryStatus", executionId=execution).json()["value"] == "Failed"
    again = act(company, "ExportToPackage", definitionGroupId="CUST", executionId=execution, reExecute=False)
    assert again.status_code == 400


def test_a_recurring_export_reappears_until_it_is_acknowledged(company: Environment) -> None:
    """2.8: dequeue and ack with the same body; 30 minutes; an http address; the blob stays seven days"""
    project(company, ACTIVITY, entities=["CustomersV3"], company="usmf")
    address = f"{company.base}/api/connector"
    message = company.session.get(f"{address}/dequeue/{ACTIVITY}", timeout=10).json()
    assert message["DownloadLocation"].startswith("http://")
    assert len(rows_in(requests.get(message["DownloadLocation"], timeout=10).content)) == 3
    assert company.session.get(f"{address}/dequeue/{ACTIVITY}", timeout=10).status_code == 204
    company.control("POST", "clock", {"offset_seconds": 31 * 60})
    again = company.sign_in().session.get(f"{address}/dequeue/{ACTIVITY}", timeout=10).json()
    assert again == message
    wrong = company.session.post(f"{address}/ack/{ACTIVITY}", json={"CorrelationId": "x"}, timeout=10)
    assert wrong.status_code == 400
    assert company.session.post(f"{address}/ack/{ACTIVITY}", json=again, timeout=10).status_code == 200
    assert company.session.get(f"{address}/dequeue/{ACTIVITY}", timeout=10).status_code == 204
    company.call("PATCH", "CustomersV3(dataAreaId='usmf',CustomerAccount='C-2')", json={"KnownAs": "Bobby"})
    fresh = company.session.get(f"{address}/dequeue/{ACTIVITY}", timeout=10).json()
    assert len(rows_in(requests.get(fresh["DownloadLocation"], timeout=10).content)) == 1
    assert company.session.get(f"{address}/dequeue/none", timeout=10).status_code == 404
    company.control("POST", "clock", {"offset_seconds": 8 * 24 * 3600})
    assert requests.get(fresh["DownloadLocation"], timeout=10).status_code == 404


def test_packages_are_exempt_from_throttling(company: Environment) -> None:
    """2.7"""
    project(company, "CUST", entities=["CustomersV3"])
    company.control("POST", "settings", {"dynamics365.throttle_every": 1})
    assert company.get("CustomersV3").status_code == 429
    assert act(company, "ExportToPackage", definitionGroupId="CUST").status_code == 200


def test_every_set_of_the_service_document_can_be_read(company: Environment) -> None:
    """8.8: generic tools walk them all"""
    project(company, "CUST", entities=["CustomersV3"])
    company.control("POST", "settings", {"dynamics365.newer_sets": "yes"})
    names = [entry["name"] for entry in company.get("").json()["value"]]
    answers = {name: company.get(name, cross_company="true") for name in names}
    assert {answer.status_code for answer in answers.values()} == {200}
    assert answers["DataManagementDefinitionGroups"].json()["value"][0]["Name"] == "CUST"
    assert len(names) == len(set(names)) == 34
