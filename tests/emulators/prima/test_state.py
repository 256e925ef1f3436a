"""State: asleep until somebody asks Prima, kept from run to run, several environments at once (DESIGN section 10)."""

from pathlib import Path

import pytest
import requests

from connectors.emulators.server import running
from tests.emulators.client import Process
from tests.emulators.prima.site import Site, envelope, request_xml


def awake(site: Site) -> dict[str, bool]:
    described = site.control("GET", "systems").json()["prima"]["environments"]
    return {name: found["awake"] for name, found in described.items()}


def test_an_environment_loads_nothing_before_its_first_request(site: Site) -> None:
    assert awake(site) == {"wsalive": False, "wsadevtest": False}
    assert site.control("GET", "systems").json()["prima"]["collections"] == {}
    site.session.get(site.wsdl, timeout=10)
    assert awake(site)["wsalive"] is False
    site.page("OrderChanges", MaxRecords="1")
    assert awake(site) == {"wsalive": True, "wsadevtest": False}
    sizes = site.control("GET", "systems").json()["prima"]["collections"]
    assert sizes == {"customers": 5, "orders": 3, "credits": 2, "despatches": 2, "stock": 4}


def test_the_control_api_wakes_what_it_shows(site: Site) -> None:
    assert len(site.control("GET", "prima/wsadevtest.orders").json()) == 3
    assert awake(site) == {"wsalive": False, "wsadevtest": True}
    assert "wsadevtest.stock" in site.control("GET", "prima/nothing").json()["error"]


def test_state_survives_a_kill_and_stays_asleep_after_it(tmp_path: Path, fashion: Path, unused_port: int) -> None:
    arguments = ("--state", str(tmp_path / "state"), "--dataset", str(fashion))
    process = Process(unused_port, *arguments)
    site = Site(process.root)
    site.control("POST", "prima/dialect", {"dialect": "other", "environment": "wsadevtest"})
    site.ask("CustomerUpdate", UniqueId="k1", Customer="C0001", ReceiveEmail="No")
    site.control("POST", "prima/archive", {"id": "C0002"})
    dropped = site.drop("customers")[0]
    process.kill()
    process = Process(unused_port, *arguments)
    try:
        assert awake(site) == {"wsalive": False, "wsadevtest": False}
        files = site.control("GET", "prima/files/list").json()
        assert [file["name"] for file in files] == [dropped["name"]]
        assert awake(site)["wsalive"] is False
        stored = {record["Customer"]: record for record in site.control("GET", "prima/customers").json()}
        assert (stored["C0001"]["ReceiveEmail"], stored["C0002"]["Status"]) == ("No", "Archived")
        site.ask("CustomerUpdate", UniqueId="k1", Customer="C0001", ReceiveEmail="Yes")
        assert site.control("GET", "prima/customers/C0001").json()["ReceiveEmail"] == "No"
        assert site.drop("customers")[0]["sequence"] == 2
        assert Site(process.root, "wsadevtest").ask("GetAccounts").get("RequestStatus") == "OK"
    finally:
        process.stop()


def test_a_load_that_was_killed_is_done_again(tmp_path: Path, fashion: Path) -> None:
    """What a kill in the middle leaves: half a journal, and no word that loading has ended."""
    state = tmp_path / "state"
    with running(state=state, dataset=str(fashion)):
        pass
    journal = state / "prima" / "wsalive.customers.journal"
    with running(state=tmp_path / "whole", dataset=str(fashion)) as root:
        Site(root).page("CustomerChanges")
    journal.write_bytes((tmp_path / "whole" / "prima" / journal.name).read_bytes()[:-40])
    with running(state=state, dataset=str(fashion)) as root:
        assert len(Site(root).page("CustomerChanges")[1]) == 5


def test_a_reset_starts_over_with_other_data(site: Site) -> None:
    site.page("CustomerChanges")
    site.drop("customers")
    site.control("POST", "reset", {"dataset": None})
    assert awake(site)["wsalive"] is False
    assert site.page("CustomerChanges")[1] == []
    assert site.control("GET", "prima/files/list").json() == []


def test_environments_can_be_named(fashion: Path) -> None:
    """prima.md 1 fact 3: per site"""
    with running(dataset=str(fashion), settings={"prima.environments": "brand,wsalive"}) as root:
        brand = Site(root, "brand")
        assert len(brand.page("CustomerChanges")[1]) == 5
        assert brand.control("GET", "prima/customers").status_code == 200
        assert requests.post(f"{root}/prima/wsadevtest/wsadevtest", data=b"", timeout=10).status_code == 404


def test_skus_may_stay_whole(fashion: Path) -> None:
    """prima.md 1 fact 14"""
    with running(dataset=str(fashion), settings={"prima.sku_separator": ""}) as root:
        products = {row.get("Product") for row in Site(root).page("StockStatus")[1]}
    assert products == {"3998-WALN-38", "3998-WALN-39", "0042-BLK"}


@pytest.mark.parametrize("request_type", ["StockStatus", "ProductAvailableToSell"])
def test_a_reply_of_any_size_is_made_while_it_is_sent(site: Site, request_type: str) -> None:
    """prima.md 5: the client allows hours and spools to disk; 4.2 rule 5"""
    site.set(bulk_rows=60_000)
    answer = site.post(envelope(request_xml(request_type)), stream=True)
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert "Content-Length" not in answer.headers
    content = b"".join(answer.iter_content(65_536))
    assert content.count(b"&lt;sku " if request_type == "ProductAvailableToSell" else b"&lt;SKU ") == 60_000
    assert content.endswith(b"</SOAP-ENV:Envelope>")
    assert site.control("GET", "requests?system=prima").json()[-1]["records"] == 60_000
    assert awake(site)["wsalive"] is False
