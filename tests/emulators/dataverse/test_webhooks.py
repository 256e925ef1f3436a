"""Registered steps post their context (dynamics365.md 3.8)."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, Queue
from threading import Thread
from typing import Any, NamedTuple

import pytest

from tests.emulators.dataverse.client import Organisation


class Post(NamedTuple):
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


class Receiver:
    """Takes what is posted; `answers` are the statuses of the next posts, then 200."""

    def __init__(self) -> None:
        self.posts: Queue[Post] = Queue()
        self.answers: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = receiver.answers.pop(0) if receiver.answers else 200
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()
                receiver.posts.put(Post(self.path, {k.lower(): v for k, v in self.headers.items()}, body))

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        Thread(target=self.server.serve_forever, daemon=True).start()

    def next(self) -> Post:
        return self.posts.get(timeout=10)

    def is_quiet(self) -> bool:
        try:
            self.posts.get(timeout=0.3)
        except Empty:
            return True
        return False


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()


def register(crm: Organisation, receiver: Receiver, **rest: Any) -> None:
    hook = {"url": receiver.url, "entities": ["contact"], **rest}
    assert crm.control("PUT", "dataverse/webhooks/one", hook).status_code == 201


def failed_jobs(crm: Organisation, count: int) -> list[dict[str, Any]]:
    for _ in range(5_000):
        jobs: list[dict[str, Any]] = crm.control("GET", "dataverse/systemjobs").json()
        if len(jobs) >= count:
            break
    return jobs


def attributes(post: Post) -> dict[str, Any]:
    [target] = [pair["value"] for pair in post.body["InputParameters"] if pair["key"] == "Target"]
    return {pair["key"]: pair["value"] for pair in target["Attributes"]}


def test_an_update_posts_its_context_with_the_headers(crm: Organisation, receiver: Receiver) -> None:
    """dynamics365.md 3.8"""
    register(crm, receiver, headers={"x-key": "secret"}, query={"code": "a b"})
    own = crm.id_of("C-1")
    crm.call("PATCH", f"contacts({own})", json={"donotbulkemail": True})
    post = receiver.next()
    assert post.path == "/hook?code=a+b"
    assert post.headers["x-key"] == "secret"
    assert post.headers["x-ms-dynamics-organization"] == "contoso.crm.dynamics.com"
    assert post.headers["x-ms-dynamics-entity-name"] == "contact"
    assert post.headers["x-ms-dynamics-request-name"] == "Update"
    assert post.headers["x-ms-correlation-request-id"] == post.body["CorrelationId"]
    shown = {name: post.body[name] for name in ("MessageName", "PrimaryEntityName", "PrimaryEntityId", "Stage", "Mode")}
    assert shown == {
        "MessageName": "Update",
        "PrimaryEntityName": "contact",
        "PrimaryEntityId": own,
        "Stage": 40,
        "Mode": 1,
    }
    assert attributes(post)["donotbulkemail"] is True
    assert attributes(post)["modifiedon"].startswith("/Date(")
    assert post.body["PreEntityImages"] == []


def test_create_delete_and_merge_are_messages_of_their_own(crm: Organisation, receiver: Receiver) -> None:
    """dynamics365.md 3.8"""
    register(crm, receiver, messages=["Create", "Delete", "Merge"])
    made = crm.call("POST", "contacts", json={"lastname": "x"}).headers["OData-EntityId"]
    assert receiver.next().body["MessageName"] == "Create"
    crm.call("DELETE", made)
    assert receiver.next().body["MessageName"] == "Delete"
    crm.control("POST", "dataverse/merge", {"from": "C-2", "into": "C-1"})
    merged = receiver.next().body
    assert merged["MessageName"] == "Merge"
    inputs = {pair["key"]: pair["value"] for pair in merged["InputParameters"]}
    assert (inputs["Target"]["Id"], inputs["SubordinateId"]) == (crm.id_of("C-1"), crm.id_of("C-2"))


def test_a_merge_surfaces_as_updates_too_where_those_are_registered(crm: Organisation, receiver: Receiver) -> None:
    """dynamics365.md 3.8"""
    register(crm, receiver, messages=["Update"])
    crm.control("POST", "dataverse/merge", {"from": "C-2", "into": "C-1"})
    assert [receiver.next().body["PrimaryEntityId"] for _ in range(2)] == [crm.id_of("C-1"), crm.id_of("C-2")]


def test_over_256_kb_the_inputs_are_dropped(crm: Organisation, receiver: Receiver) -> None:
    """dynamics365.md 3.8"""
    definition = {
        "@odata.type": "Microsoft.Dynamics.CRM.MemoAttributeMetadata", "SchemaName": "new_Long", "MaxLength": 1048576,
    }  # fmt: skip
    assert crm.call("POST", "EntityDefinitions(LogicalName='contact')/Attributes", json=definition).status_code == 204
    register(crm, receiver)
    crm.call("PATCH", f"contacts({crm.id_of('C-1')})", json={"new_long": "x" * 300_000})
    post = receiver.next()
    assert post.headers["x-ms-dynamics-msg-size-exceeded"] == "true"
    assert not {"InputParameters", "PreEntityImages", "PostEntityImages", "ParentContext"} & set(post.body)
    assert post.body["PrimaryEntityId"] == crm.id_of("C-1")


@pytest.mark.parametrize(("answers", "attempts", "code"), [([503, 503], 2, 503), ([400], 1, 400)])
def test_what_is_not_taken_is_a_failed_job(
    crm: Organisation, receiver: Receiver, answers: list[int], attempts: int, code: int
) -> None:
    """dynamics365.md 3.8: one more attempt for 502, 503 and 504 only"""
    register(crm, receiver)
    receiver.answers = list(answers)
    crm.call("PATCH", f"contacts({crm.id_of('C-1')})", json={"jobtitle": "x"})
    for _ in answers:
        receiver.next()
    assert receiver.is_quiet()
    [job] = failed_jobs(crm, 1)
    assert (job["status"], job["attempts"], job["code"], job["message_name"]) == ("failed", attempts, code, "Update")


def test_a_receiver_that_is_not_there_is_a_failed_job_without_a_code(crm: Organisation, receiver: Receiver) -> None:
    """dynamics365.md 3.8"""
    receiver.server.shutdown()
    receiver.server.server_close()
    register(crm, receiver)
    crm.call("PATCH", f"contacts({crm.id_of('C-1')})", json={"jobtitle": "x"})
    [job] = failed_jobs(crm, 1)
    assert (job["attempts"], job["code"]) == (1, 0)


def test_a_second_attempt_may_succeed(crm: Organisation, receiver: Receiver) -> None:
    """dynamics365.md 3.8"""
    register(crm, receiver)
    receiver.answers = [502]
    crm.call("PATCH", f"contacts({crm.id_of('C-1')})", json={"jobtitle": "x"})
    assert receiver.next().body == receiver.next().body
    assert receiver.is_quiet()
    assert failed_jobs(crm, 0) == []


def test_posts_come_twice_and_in_reverse_where_that_is_switched(crm: Organisation, receiver: Receiver) -> None:
    """dynamics365.md 8.6"""
    register(crm, receiver)
    crm.switch(webhook_twice="yes", webhook_reverse="2")
    for customer in ("C-1", "C-2"):
        crm.call("PATCH", f"contacts({crm.id_of(customer)})", json={"jobtitle": customer})
    assert [attributes(receiver.next())["jobtitle"] for _ in range(4)] == ["C-2", "C-2", "C-1", "C-1"]


def test_what_a_changeset_takes_back_is_not_posted(crm: Organisation, receiver: Receiver) -> None:
    """dynamics365.md 3.7, 3.8"""
    register(crm, receiver)
    kind = {"@odata.type": "Microsoft.Dynamics.CRM.contact"}
    nobody = "00000000-0000-0000-0000-00000000dead"
    targets = [{**kind, "contactid": crm.id_of("C-1"), "jobtitle": "x"}, {**kind, "contactid": nobody}]
    crm.call("POST", "contacts/Microsoft.Dynamics.CRM.UpdateMultiple", json={"Targets": targets})
    assert receiver.is_quiet()


def test_a_registration_that_makes_no_sense_is_refused(crm: Organisation) -> None:
    assert crm.control("PUT", "dataverse/webhooks/x", {"url": "ftp://example.com"}).status_code == 400
    assert crm.control("PUT", "dataverse/webhooks/x", {"url": "http://example.com", "nosuch": 1}).status_code == 400
