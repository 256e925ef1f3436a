"""`$batch` (dynamics365.md 3.7)."""

from tests.emulators.dataverse.client import Organisation

NOBODY = "00000000-0000-0000-0000-00000000dead"


def operation(request: str, body: str = "", content_id: str = "", **headers: str) -> str:
    identified = f"Content-ID: {content_id}\r\n" if content_id else ""
    inner = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    typed = "Content-Type: application/json; type=entry\r\n" if body else ""
    return (
        "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
        f"{identified}\r\n{request} HTTP/1.1\r\n{typed}{inner}\r\n{body}"
    )


def joined(parts: list[str], boundary: str) -> str:
    return "".join(f"--{boundary}\r\n{part}\r\n" for part in parts) + f"--{boundary}--\r\n"


def changeset(*parts: str) -> str:
    return "Content-Type: multipart/mixed; boundary=changeset_1\r\n\r\n" + joined(list(parts), "changeset_1")


def batch(crm: Organisation, *parts: str, prefer: str = "") -> str:
    headers = {"Content-Type": 'multipart/mixed; boundary="batch_1"'}
    answer = crm.call("POST", "$batch", prefer, data=joined(list(parts), "batch_1").encode(), headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].startswith("multipart/mixed; boundary=batchresponse_")
    return answer.text


def statuses(text: str) -> list[int]:
    return [int(line.split()[1]) for line in text.splitlines() if line.startswith("HTTP/1.1 ")]


def test_operations_are_answered_in_order_whatever_form_their_address_has(crm: Organisation) -> None:
    """dynamics365.md 3.7"""
    text = batch(
        crm,
        operation("GET contacts?$select=fullname&$filter=fullname eq 'Bob Baker'"),
        operation("GET /api/data/v9.2/contacts/$count"),
        operation("POST " + f"{crm.base}/contacts", '{"lastname":"By batch"}'),
        operation(f"DELETE {crm.base}/contacts({crm.id_of('C-5')})", If_Match="*"),
    )
    assert statuses(text) == [200, 200, 204, 204]
    assert text.index("Bob Baker") < text.index("OData-EntityId")
    assert crm.names("lastname eq 'By batch' or firstname eq 'Eve'") == ["By batch"]


def test_the_first_failure_ends_the_batch_unless_told_otherwise(crm: Organisation) -> None:
    """dynamics365.md 3.7"""
    parts = [operation(f"GET contacts({NOBODY})"), operation("GET contacts/$count")]
    assert statuses(batch(crm, *parts)) == [404]
    assert statuses(batch(crm, *parts, prefer="odata.continue-on-error")) == [404, 200]


def test_a_changeset_is_atomic_its_versions_and_its_feed_included(crm: Organisation) -> None:
    """dynamics365.md 3.7"""
    link = crm.baseline()
    before = crm.row("C-1")
    text = batch(
        crm,
        changeset(
            operation(f"PATCH contacts({before['contactid']})", '{"jobtitle":"x"}', "1"),
            operation(f"DELETE contacts({crm.id_of('C-2')})", "", "2"),
            operation("POST contacts", '{"lastname":"Never"}', "3"),
            operation(f"PATCH contacts({NOBODY})", '{"jobtitle":"x"}', "4", If_Match="*"),
        ),
    )
    assert statuses(text) == [404]
    assert "Content-ID: 4" in text
    assert crm.row("C-1") == before
    assert crm.names("fullname eq 'Bob Baker' or lastname eq 'Never'") == ["Bob Baker"]
    assert crm.get(link).json()["value"] == []


def test_later_parts_refer_to_earlier_ones(crm: Organisation) -> None:
    """dynamics365.md 3.7"""
    text = batch(
        crm,
        changeset(
            operation("POST accounts", '{"name":"Parent"}', "1"),
            operation("POST contacts", '{"lastname":"Child","parentcustomerid_account@odata.bind":"$1"}', "2"),
            operation("PATCH $2", '{"jobtitle":"Referred"}', "3"),
        ),
        operation("GET contacts?$filter=parentcustomerid_account/name eq 'Parent'"),
    )
    assert statuses(text) == [204, 204, 204, 200]
    assert '"jobtitle":"Referred"' in text
    assert statuses(batch(crm, changeset(operation("PATCH $9", '{"jobtitle":"x"}', "1")))) == [400]


def test_the_address_of_a_read_may_be_64_kb_long(crm: Organisation) -> None:
    """dynamics365.md 3.7"""
    values = ",".join([f"'C-{at:05}'" for at in range(7_000)] + ["'C-1'"])
    listed = f"Microsoft.Dynamics.CRM.In(PropertyName='msdyn_contactpersonid',PropertyValues=[{values}])"
    assert len(listed) > 60_000
    text = batch(crm, operation(f"GET contacts?$select=fullname&$filter={listed}"))
    assert statuses(text) == [200]
    assert "Ada O'Neil" in text


def test_a_changeset_may_not_read(crm: Organisation) -> None:
    """dynamics365.md 3.7"""
    assert statuses(batch(crm, changeset(operation("GET contacts", content_id="1")))) == [400]


def test_more_than_1000_operations_are_refused(crm: Organisation) -> None:
    """dynamics365.md 3.7"""
    parts = [operation("GET contacts/$count") for _ in range(1_001)]
    headers = {"Content-Type": "multipart/mixed; boundary=batch_1"}
    answer = crm.call("POST", "$batch", data=joined(parts, "batch_1").encode(), headers=headers)
    assert answer.status_code == 400
    assert "1000" in crm.error(answer)[2]
    assert statuses(batch(crm, *parts[:1_000])) == [200] * 1_000


def test_lines_may_end_in_a_line_feed_alone(crm: Organisation) -> None:
    body = joined([operation("GET contacts/$count")], "batch_1").replace("\r\n", "\n")
    headers = {"Content-Type": "multipart/mixed;boundary=batch_1"}
    assert statuses(crm.call("POST", "$batch", data=body.encode(), headers=headers).text) == [200]


def test_what_is_no_batch_is_refused(crm: Organisation) -> None:
    for content_type in ("application/json", "multipart/mixed"):
        answer = crm.call("POST", "$batch", data=b"{}", headers={"Content-Type": content_type})
        assert answer.status_code == 400
    wrong = crm.call("POST", "$batch", data=b"x", headers={"Content-Type": "multipart/mixed; boundary=b"})
    assert wrong.status_code == 400
    assert crm.get("$batch").status_code == 405
