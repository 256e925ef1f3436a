"""Files over SFTP (prima.md 9), met with paramiko as a client would."""

import csv
import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import paramiko
import pytest

from tests.emulators.prima.site import Site

Connect = Callable[..., paramiko.SFTPClient]


@contextmanager
def sftp_client(site: Site, user: str = "wsalive", **changes: object) -> Iterator[paramiko.SFTPClient]:
    """Logs in with the user's key, the host key pinned."""
    described = site.control("GET", "systems").json()["prima"]
    keys = Path(described["sftp_keys"])
    host, _, port = described["sftp"].partition(":")
    client = paramiko.SSHClient()
    client.load_host_keys(str(changes.pop("known_hosts", keys / "known_hosts")))
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    options = {"key_filename": str(keys / user), "allow_agent": False, "look_for_keys": False, **changes}
    try:
        client.connect(host, int(port), user, timeout=10, **options)
        yield client.open_sftp()
    finally:
        client.close()


@pytest.fixture
def sftp(site: Site) -> Iterator[Connect]:
    with ExitStack() as stack:
        yield lambda user="wsalive", **changes: stack.enter_context(sftp_client(site, user, **changes))


def read(client: paramiko.SFTPClient, path: str) -> bytes:
    with client.open(path, "rb") as file:
        return file.read()


def table(content: bytes, encoding: str = "cp1252", delimiter: str = "|") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(encoding), newline=""), delimiter=delimiter))


def dropped(site: Site, client: paramiko.SFTPClient, entity: str, **options: object) -> bytes:
    return read(client, f"/out/{site.drop(entity, **options)[-1]['name']}")


def test_the_host_key_is_pinned_and_the_key_is_the_users_own(site: Site, sftp: Connect, tmp_path: Path) -> None:
    """prima.md 9, housekeeping"""
    keys = Path(site.control("GET", "systems").json()["prima"]["sftp_keys"])
    assert sorted(sftp().listdir("/")) == ["failed", "in", "out", "processed"]
    with pytest.raises(paramiko.AuthenticationException):
        sftp(key_filename=str(keys / "wsadevtest"))
    with pytest.raises(paramiko.AuthenticationException):
        sftp("nobody", key_filename=str(keys / "wsalive"))
    (tmp_path / "nothing").touch()
    with pytest.raises(paramiko.SSHException, match="not found in known_hosts"):
        sftp(known_hosts=tmp_path / "nothing")


def test_a_password_lets_in_only_where_it_is_switched_on(site: Site, sftp: Connect) -> None:
    with pytest.raises(paramiko.AuthenticationException):
        sftp(key_filename=None, password="secret")
    site.set(sftp_password="secret")
    assert "out" in sftp(key_filename=None, password="secret").listdir("/")
    with pytest.raises(paramiko.AuthenticationException):
        sftp(key_filename=None, password="wrong")


def test_a_user_cannot_leave_the_folder(site: Site, sftp: Connect) -> None:
    """prima.md 9: test and live folders are never shared"""
    client = sftp()
    assert sorted(client.listdir("/../../..")) == sorted(client.listdir("/"))
    with pytest.raises(OSError, match="No such file"):
        client.open("../../wsadevtest/out/x", "rb")
    site.drop("customers")
    assert sftp("wsadevtest").listdir("/out") == []


def test_customers_are_rows_with_a_header_in_windows_1252(site: Site, sftp: Connect) -> None:
    """prima.md 9, format"""
    site.control("PATCH", "prima/customers/C0002", {"CustomerSurname": 'Ní "Bhriain"|Ó £ €'})
    content = dropped(site, sftp(), "customers", kind="full")
    assert content.count(b"\r\n") == 6
    assert "£ €".encode("cp1252") in content
    rows = table(content)
    assert [row["Customer"] for row in rows] == ["C0001", "C0002", "C0003", "C0004", "C0005"]
    assert rows[1]["CustomerSurname"] == 'Ní "Bhriain"|Ó £ €'
    assert (rows[0]["DateOfBirth"], rows[0]["ConsentDate"], rows[0]["ReceiveEmail"]) == (
        "29/02/1980",
        "12/02/2024 10:00:00",
        "Yes",
    )
    assert (rows[3]["MergedTo"], rows[3]["Status"]) == ("C0001", "Merged")


def test_orders_come_with_a_file_of_their_lines_or_joined(site: Site, sftp: Connect) -> None:
    """prima.md 9: orders + orderlines, or one joined file; headers before lines"""
    client = sftp()
    files = site.drop("orders", kind="full")
    told = [(file["entity"], file["sequence"], file["rows"]) for file in files]
    assert told == [("orders", 1, 3), ("orderlines", 1, 5)]
    lines = table(read(client, f"/out/{files[1]['name']}"))
    assert [(line["OrderNumber"], line["OrderLine"], line["Product"], line["LineValue"]) for line in lines][:3] == [
        ("201001", "1", "3998", "119.00"),
        ("201001", "2", "3998", "129.00"),
        ("201001", "C1", "STD", "4.95"),
    ]
    joined = table(dropped(site, client, "orders", kind="full", joined=True))
    assert [(row["OrderNumber"], row["Customer"], row["OrderLine"]) for row in joined][:2] == [
        ("201001", "C0001", "1"),
        ("201001", "C0001", "2"),
    ]


def test_credits_despatches_and_stock_have_files(site: Site, sftp: Connect) -> None:
    """prima.md 9: one row per line, and per SKU and warehouse; codes are text"""
    client = sftp()
    credit = table(dropped(site, client, "credits"))[0]
    assert (credit["CreditNumber"], credit["CreditLine"], credit["LineValue"]) == ("CR1", "1", "119.00")
    parcel = table(dropped(site, client, "despatches"))[0]
    assert (parcel["DespatchNumber"], parcel["ConsignmentNo"], parcel["OrderLine"]) == ("D1", "15501234567890", "1")
    stock = {(row["Product"], row["Warehouse"]): row["Free"] for row in table(dropped(site, client, "stock"))}
    assert stock["0042", "MAIN"] == "0"


def test_a_delta_has_what_changed_since_the_last_file(site: Site, sftp: Connect) -> None:
    """prima.md 9: delta, monthly full"""
    client = sftp()
    assert [file["rows"] for file in site.drop("customers")] == [5]
    site.control("POST", "clock", {"offset_seconds": 60})
    site.control("PATCH", "prima/customers/C0003", {"Status": "Active"})
    site.control("POST", "clock", {"offset_seconds": 90})
    rows = table(dropped(site, client, "customers"))
    assert [row["Customer"] for row in rows] == ["C0003"]
    site.control("POST", "clock", {"offset_seconds": 120})
    assert site.drop("customers")[0]["rows"] == 0
    assert site.drop("customers", kind="full")[0]["rows"] == 5
    assert site.drop("customers", since="2024-03-03T00:00:00Z")[0]["rows"] == 3


@pytest.mark.parametrize(
    ("mode", "unfinished", "finished"),
    [("rename", [".csv.tmp"], [".csv"]), ("done", [".csv"], [".csv", ".csv.done"]), ("size", [".csv"], [".csv"])],
)
def test_a_file_says_when_it_is_complete(
    site: Site, sftp: Connect, mode: str, unfinished: list[str], finished: list[str]
) -> None:
    """prima.md 9, completeness"""
    for is_finished, endings in ((False, unfinished), (True, finished)):
        name = site.drop("customers", mode=mode, finished=is_finished)[0]["name"].removesuffix(".csv")
        found = sorted(entry.removeprefix(name) for entry in sftp().listdir("/out") if entry.startswith(name))
        assert found == endings


def test_a_trailer_counts_the_rows(site: Site, sftp: Connect) -> None:
    """prima.md 9, completeness: the trailer row's count"""
    client = sftp()
    site.set(separator=",", file_encoding="utf-8")
    assert dropped(site, client, "customers", kind="full", mode="trailer").splitlines()[-1] == b"TRAILER,5"
    assert dropped(site, client, "customers", kind="full", spoil="bad_count").splitlines()[-1] == b"TRAILER,6"


def test_sequence_numbers_count_per_entity_and_may_skip_or_repeat(site: Site, sftp: Connect) -> None:
    """prima.md 9, order: a gap, a repeat by name or by content"""
    assert [site.drop("customers")[0]["sequence"] for _ in range(2)] == [1, 2]
    assert site.drop("stock")[0]["sequence"] == 1
    last = site.drop("customers", spoil="gap")[0]
    assert last["sequence"] == 4
    assert site.drop("customers", spoil="repeat")[0]["name"] == last["name"]
    copy = site.drop("customers", spoil="repeat_content")[0]
    assert copy["sequence"] == 5
    client = sftp()
    assert read(client, f"/out/{copy['name']}") == read(client, f"/out/{last['name']}")
    assert site.drop("customers", sequence=9)[0]["sequence"] == 9


def test_a_file_that_was_moved_away_can_come_again(site: Site, sftp: Connect) -> None:
    """prima.md 9: a repeat is skipped; housekeeping"""
    client = sftp()
    name = site.drop("customers")[0]["name"]
    client.posix_rename(f"/out/{name}", f"/processed/{name}")
    assert client.listdir("/out") == []
    site.drop("customers", spoil="repeat")
    assert client.listdir("/out") == [name]


def test_files_are_spoilt_in_the_ways_files_are(site: Site, sftp: Connect) -> None:
    """prima.md 9, format: BOM, decoding error, spreadsheet; truncation"""
    client = sftp()
    site.control("PATCH", "prima/stock/0042-BLK%7CMAIN", {"Barcode": "5390000000001", "AvailableDate": "2024-03-22"})
    good = dropped(site, client, "stock", kind="full")
    spoilt = {
        name: dropped(site, client, "stock", kind="full", spoil=name)
        for name in ("utf8_bom", "bad_encoding", "truncated", "header", "columns", "quotes", "empty", "zero_bytes")
    }
    assert spoilt["utf8_bom"].startswith(b"\xef\xbb\xbf")
    with pytest.raises(UnicodeDecodeError):
        spoilt["bad_encoding"].decode("cp1252")
    assert good.startswith(spoilt["truncated"])
    assert not spoilt["truncated"].endswith(b"\n")
    assert good.endswith(spoilt["header"])
    assert spoilt["columns"].splitlines()[1].endswith(b"|stray")
    assert spoilt["quotes"].count(b'"') == 1
    assert (spoilt["empty"].count(b"\r\n"), spoilt["zero_bytes"]) == (1, b"")
    excel = table(dropped(site, client, "stock", kind="full", spoil="spreadsheet"))[0]
    assert (excel["Product"], excel["Barcode"], excel["AvailableDate"]) == ("42", "5.39000E+12", "45373")


def test_the_other_site_has_other_columns(site: Site, sftp: Connect) -> None:
    """prima.md 9: the same mapping describes the file"""
    site.control("POST", "prima/dialect", {"dialect": "other"})
    client = sftp()
    account = table(dropped(site, client, "customers"))[0]
    assert (account["AccountNo"], account["Email"], account["EmailOK"], account["Born"]) == (
        "C0001",
        "ann@example.com",
        "Y",
        "1980-02-29",
    )
    assert table(dropped(site, client, "credits"))[0]["Value"] == "-119.00"
    joined = table(dropped(site, client, "orders", joined=True))[0]
    assert (joined["Progress"], joined["LineProgress"]) == ("PSH", "SHP")


def test_consent_put_into_in_is_taken_and_applied_once(site: Site, sftp: Connect) -> None:
    """prima.md 9: consent_out, written by us"""
    client = sftp()
    rows = "account|channel|answer|date|source|id\r\n" + "".join(
        f"{row}\r\n"
        for row in (
            "C0001|email|No|02/07/2024 09:00:00|EMARSYS|u1",
            "C0002|text|Yes|02/07/2024 09:00:00|EMARSYS|u2",
            "nobody|email|No|02/07/2024 09:00:00|EMARSYS|u3",
            "C0001|pigeon|No|02/07/2024 09:00:00|EMARSYS|u4",
            "C0001|email|No",
        )
    )
    with client.open("/in/consent_out_20240702090000_1.csv.tmp", "wb") as file:
        file.write(rows.encode("cp1252"))
    assert site.control("POST", "prima/collect", {}).json()["files"] == []
    client.rename("/in/consent_out_20240702090000_1.csv.tmp", "/in/consent_out_20240702090000_1.csv")
    told = site.control("POST", "prima/collect", {}).json()
    assert (told["applied"], [refused["row"] for refused in told["refused"]]) == (2, [4, 5, 6])
    ann = site.control("GET", "prima/customers/C0001").json()
    assert (ann["ReceiveEmail"], ann["ConsentSource"], ann["ConsentDate"]) == ("No", "EMARSYS", "2024-07-02T08:00:00Z")
    assert client.listdir("/in") == []
    site.control("PATCH", "prima/customers/C0001", {"ReceiveEmail": "Yes"})
    with client.open("/in/consent_out_20240702090000_2.csv", "wb") as file:
        file.write(rows.encode("cp1252"))
    site.control("POST", "prima/collect", {})
    assert site.control("GET", "prima/customers/C0001").json()["ReceiveEmail"] == "Yes"


def test_the_control_api_lists_and_shows_the_files(site: Site, sftp: Connect) -> None:
    client = sftp()
    name = site.drop("customers")[0]["name"]
    with client.open("/in/x.csv", "wb") as file:
        file.write(b"a")
    listed = site.control("GET", "prima/files/list").json()
    assert [(file["folder"], file["name"]) for file in listed] == [("out", name), ("in", "x.csv")]
    assert site.control("GET", f"prima/files/{name}").content == read(client, f"/out/{name}")
    assert site.control("GET", "prima/files@wsadevtest/list").json() == []
    assert site.control("GET", "prima/files/nothing.csv").status_code == 404
    logged = [entry for entry in site.control("GET", "requests?system=sftp").json() if name in entry["path"]]
    assert (logged[-1]["method"], logged[-1]["path"]) == ("GET", f"/wsalive/out/{name}")


def test_reading_can_fail_half_way(site: Site, sftp: Connect) -> None:
    site.set(sftp_breaks_after=100)
    name = site.drop("customers")[0]["name"]
    with pytest.raises(OSError, match="Failure"):
        read(sftp(), f"/out/{name}")


@pytest.mark.parametrize(
    "wanted",
    [
        {"entity": "shoes"},
        {"entity": "customers", "kind": "some"},
        {"entity": "customers", "mode": "post"},
        {"entity": "customers", "spoil": "burnt"},
        {"entity": "customers", "sequence": "one"},
        {"entity": "customers", "colour": "red"},
        {"entity": "customers", "spoil": "repeat"},
        {},
    ],
)
def test_a_drop_that_makes_no_sense_is_refused_in_words(site: Site, wanted: dict[str, object]) -> None:
    answer = site.control("POST", "prima/drop", wanted)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("drop: ")
    assert site.control("GET", "prima/files/list").json() == []
    assert site.control("POST", "prima/drop", {"entity": "customers", "environment": "nowhere"}).status_code == 404
