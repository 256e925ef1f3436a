"""The emulators as a process: state that survives a kill, a port that is taken, a clean end."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from connectors.emulators.server import PortInUseError, StateInUseError, running
from tests.emulators.client import Environment, Process


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.fault
def test_state_survives_kill_minus_nine(tmp_path: Path, shop: Path) -> None:
    """DESIGN section 10; a token does too"""
    port = free_port()
    arguments = ("--state", str(tmp_path / "state"), "--dataset", str(shop), "--seed", "3")
    process = Process(port, *arguments)
    environment = Environment(process.root).sign_in()
    environment.call("PATCH", "CustomersV3(dataAreaId='usmf',CustomerAccount='C-1')", json={"KnownAs": "Kept"})
    environment.control("PATCH", "dynamics365/invoice_lines/usmf%7CSO-1%7C1", {"LineAmount": 1.25})
    tag = environment.rows("CustomersV3", filter="KnownAs eq 'Kept'")[0]["@odata.etag"]
    process.kill()
    process = Process(port, *arguments)
    try:
        row = environment.rows("CustomersV3", filter="KnownAs eq 'Kept'")[0]
        assert (row["CustomerAccount"], row["@odata.etag"]) == ("C-1", tag)
        line = environment.rows("SalesInvoiceV2Lines", filter="LineAmount eq 1.25")[0]
        assert line["InvoiceNumber"] == "SO-1"
        created = environment.call("POST", "CustomersV3", json={"dataAreaId": "usmf", "CustomerAccount": "N-1"})
        tags = [record["@odata.etag"] for record in environment.control("GET", "dynamics365/customers").json()]
        assert created.json()["@odata.etag"] in tags
        assert len(set(tags)) == len(tags)
    finally:
        process.stop()


@pytest.mark.fault
def test_a_load_that_was_killed_half_way_is_done_again(tmp_path: Path, shop: Path) -> None:
    with running(state=tmp_path, dataset=str(shop)) as root:
        Environment(root).sign_in()
    (tmp_path / "loaded.json").unlink()
    (tmp_path / "dynamics365" / "invoices.journal").write_bytes(b"")
    with running(state=tmp_path, dataset=str(shop)) as root:
        assert len(Environment(root).sign_in().rows("SalesInvoiceHeadersV2")) == 4


def test_fresh_starts_over(tmp_path: Path, shop: Path) -> None:
    with running(state=tmp_path, dataset=str(shop)) as root:
        requests.delete(f"{root}/_control/dynamics365/customers/usmf%7CC-1", timeout=10)
    with running(state=tmp_path, dataset=str(shop)) as root:
        assert len(Environment(root).sign_in().rows("CustomersV3")) == 4
    with running(state=tmp_path, dataset=str(shop), fresh=True) as root:
        assert len(Environment(root).sign_in().rows("CustomersV3")) == 5


def test_a_port_in_use_is_said_plainly(shop_server: str) -> None:
    port = int(shop_server.rsplit(":", 1)[1])
    with pytest.raises(PortInUseError, match=f"Port {port} on 127.0.0.1 is taken"), running(port=port):
        pass
    command = [sys.executable, "-m", "connectors.emulators", "--port", str(port), "--empty"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 1
    assert f"Port {port} on 127.0.0.1 is taken" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_terminated_process_ends_at_once_even_with_a_client_on_the_line() -> None:
    process = Process(free_port(), "--empty")
    environment = Environment(process.root).sign_in()
    environment.get("CustomersV3")
    assert process.stop() == 0


def test_one_connection_carries_many_requests(environment: Environment) -> None:
    for _ in range(3):
        assert environment.get("CustomersV3").status_code == 200
    pools = environment.session.get_adapter("http://").poolmanager.pools
    [address] = list(pools.keys())
    assert pools[address].num_connections == 1


def test_a_chunked_body_is_read_to_its_end(environment: Environment) -> None:
    body = (part for part in (b'{"KnownAs":', b'"Chunk"}'))
    path = "CustomersV3(dataAreaId='usmf',CustomerAccount='C-1')"
    headers = {"Content-Type": "application/json"}
    assert environment.call("PATCH", path, data=body, headers=headers).status_code == 204
    assert environment.get(path).json()["KnownAs"] == "Chunk"


def test_nonsense_on_the_socket_is_answered_with_400(environment: Environment) -> None:
    port = int(environment.root.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as raw:
        raw.sendall(b"GARBAGE\r\n\r\n")
        assert raw.recv(1000).startswith(b"HTTP/1.1 400 ")


def test_two_processes_do_not_share_one_state(tmp_path: Path) -> None:
    with running(state=tmp_path), pytest.raises(StateInUseError, match="in use by emulators"), running(state=tmp_path):
        pass
    with running(state=tmp_path) as root:
        assert Environment(root).token().status_code == 200


def test_another_dataset_does_not_replace_the_state_and_says_so(tmp_path: Path, shop: Path) -> None:
    with running(state=tmp_path, dataset=str(shop)):
        pass
    process = Process(free_port(), "--state", str(tmp_path), "--empty")
    try:
        assert len(Environment(process.root).sign_in().rows("CustomersV3")) == 5
    finally:
        said = process.stop_and_listen()
    assert f"They keep the state of {shop}, seed 1; --fresh starts over." in said
