"""Answers that are not what they should be: the run waits or fails with a reason, nothing is lost or doubled."""

from typing import Any

import pytest

from sync.models import SyncIssue
from tests.sync.conftest import Control, Load, buckets, goes_on, invoice, open_issues, people, sync

pytestmark = [pytest.mark.fault, pytest.mark.django_db(transaction=True)]
SMALL = {"DYNAMICS365_PAGE_SIZE": "10", "EMARSYS_CONTACT_BATCH": "10"}
SECOND_PAGE: dict[str, Any] = {"system": "dynamics365", "path": "CustomersV3.*gt"}
WRITE: dict[str, Any] = {"system": "emarsys", "method": "PUT", "path": "/contact/"}


def whole(control: Control, number: int) -> None:
    """Every customer has one contact with the newest values."""
    assert len(control.all_contacts()) == number
    assert {account: one["3"] for account, one in control.contacts().items()} == {
        f"C-{n}": f"person{n}@example.com" for n in range(1, number + 1)
    }


def test_a_page_that_is_no_page_fails_the_run_with_its_reason_and_the_next_run_goes_on(load: Load) -> None:
    control = load(people(35), **SMALL)
    control.fault("malformed", after=1, **SECOND_PAGE)
    run = sync()
    assert run.state == "failed"
    assert {kind for kind, _, _ in open_issues()} == {"run_unexpected"}
    assert "JSON" in run.message
    done = len(control.all_contacts())
    assert 10 <= done < 35
    run = sync()
    assert (run.state, buckets(run)) == ("completed", {"accepted": 35 - done, "unchanged": done})
    assert open_issues() == set()
    whole(control, 35)


@pytest.mark.parametrize("where", [{**SECOND_PAGE, "after": 1}, {**WRITE, "after": 1}], ids=["read", "write"])
def test_while_a_proxy_answers_with_its_page_the_run_waits_and_goes_on_by_itself(
    load: Load, where: dict[str, Any]
) -> None:
    control = load(people(35), **SMALL)
    control.fault("html", times=0, **where)
    run = sync()
    assert run.state == "waiting"
    assert "an HTML page titled 'Unavailable'" in run.message
    assert {kind for kind, _, _ in open_issues()} == {"run_unavailable"}
    control.heal()
    run = goes_on(run)
    assert (run.state, open_issues(), sum(buckets(run).values())) == ("completed", set(), run.read)
    whole(control, 35)


@pytest.mark.parametrize("kind", ["reset", "truncate", "timeout", "html"])
def test_a_page_that_breaks_off_is_asked_for_again(load: Load, kind: str) -> None:
    control = load(people(35), **SMALL)
    control.fault(kind, **SECOND_PAGE, **({"seconds": 0} if kind == "timeout" else {}))
    run = sync()
    assert (run.state, buckets(run)) == ("completed", {"accepted": 35})
    whole(control, 35)


@pytest.mark.parametrize("where", [{"system": "dynamics365", "path": "/data/", "after": 3}, {**WRITE, "after": 1}])
def test_a_storm_of_500_lets_the_run_wait_and_go_on_by_itself(load: Load, where: dict[str, Any]) -> None:
    control = load(people(35), **SMALL)
    control.fault("status", code=500, times=0, **where)
    run = sync()
    assert run.state == "waiting"
    for _ in range(2):
        run = goes_on(run)
        assert run.state == "waiting"
    assert [one.kind for one in SyncIssue.objects.filter(state="open")] == ["run_unavailable"]
    control.heal()
    run = goes_on(run)
    assert run.state == "completed"
    assert sum(buckets(run).values()) == run.read >= 35
    assert open_issues() == set()
    whole(control, 35)


def test_a_token_that_expires_at_the_source_is_fetched_anew(load: Load) -> None:
    control = load(people(35), **SMALL)
    control.fault("expire_token", **SECOND_PAGE)
    assert buckets(sync()) == {"accepted": 35}
    assert len(control.requests("POST", "/token", "dynamics365")) == 2
    whole(control, 35)


def test_a_token_that_expires_at_emarsys_is_fetched_anew(load: Load) -> None:
    control = load(people(35), **SMALL)
    control.fault("expire_token", after=1, **WRITE)
    run = sync()
    assert (run.state, buckets(run)) == ("completed", {"accepted": 35})
    assert len(control.requests("POST", "/oauth2/token")) == 2
    whole(control, 35)


TOKENS: list[dict[str, Any]] = [
    {"system": "dynamics365", "path": "/token"},
    {"system": "emarsys", "path": "/oauth2/token"},
]


@pytest.mark.parametrize("sign_in", TOKENS, ids=lambda one: str(one["system"]))
@pytest.mark.parametrize("kind", ["truncate", "malformed", "html"])
def test_a_sign_in_that_answers_nonsense_is_asked_again(load: Load, kind: str, sign_in: dict[str, Any]) -> None:
    control = load(people(35), **SMALL)
    control.fault(kind, **sign_in)
    run = sync()
    assert (run.state, buckets(run)) == ("completed", {"accepted": 35}), run.message
    whole(control, 35)


@pytest.mark.parametrize("sign_in", TOKENS, ids=lambda one: str(one["system"]))
@pytest.mark.parametrize("kind", ["truncate", "malformed"])
def test_a_run_waits_for_a_sign_in_that_answers_nothing_but_nonsense(
    load: Load, kind: str, sign_in: dict[str, Any]
) -> None:
    control = load(people(35), **SMALL)
    control.fault(kind, times=0, **sign_in)
    run = sync()
    assert (run.state, {kind for kind, _, _ in open_issues()}) == ("waiting", {"run_unavailable"})
    control.heal()
    run = goes_on(run)
    assert (run.state, open_issues()) == ("completed", set())
    whole(control, 35)


@pytest.mark.parametrize("sign_in", TOKENS, ids=lambda one: str(one["system"]))
@pytest.mark.parametrize(
    ("code", "body"),
    [(400, {"error": "invalid_client"}), (401, {"error": "invalid_client"}), (401, {}), (401, "<html>No</html>")],
    ids=str,
)
def test_a_refused_sign_in_is_a_matter_of_credentials(
    load: Load, sign_in: dict[str, Any], code: int, body: Any
) -> None:
    control = load(people(3))
    control.fault("status", code=code, body=body, times=0, **sign_in)
    run = sync()
    assert (run.state, {kind for kind, _, _ in open_issues()}) == ("failed", {"run_configuration"})
    assert "client secret" in run.message
    assert len(control.requests("POST", str(sign_in["path"]), str(sign_in["system"]))) == 1


def test_one_poisoned_contact_in_a_batch_is_refused_alone(load: Load) -> None:
    control = load(people(40))
    control.fault("partial", keys=["C-17"], message="Invalid value for field id: 11", **WRITE)
    run = sync()
    assert (buckets(run), run.writes) == ({"accepted": 39, "rejected": 1}, 1)
    issue = SyncIssue.objects.get()
    assert (issue.kind, issue.source_id, issue.field) == ("refused_by_target", "usmf|C-17", "city")
    assert "C-17" not in control.contacts()
    sync()
    whole(control, 40)


def test_a_batch_refused_as_a_whole_is_halved_until_the_poison_stands_alone(load: Load) -> None:
    control = load(people(64))
    # The first contact spoils 64, 32, 16, 8, 4, 2 and itself.
    control.fault("status", code=400, body={"replyCode": 15001, "replyText": "bad", "data": ""}, times=7, **WRITE)
    run = sync()
    assert buckets(run) == {"accepted": 63, "rejected": 1}
    assert len(control.requests("PUT", "/contact/")) == 2 * 6 + 1
    [(kind, _, _)] = open_issues()
    assert kind == "refused_by_target"
    sync()
    whole(control, 64)


def test_a_lost_answer_to_contacts_is_no_harm(load: Load) -> None:
    control = load(people(35), **SMALL)
    control.fault("drop_after_accept", times=2, after=1, **WRITE)
    run = sync()
    while run.state == "waiting":
        run = goes_on(run)
    assert run.state == "completed"
    assert sum(buckets(run).values()) == run.read
    whole(control, 35)


def test_a_storm_while_sales_are_sent_doubles_and_loses_nothing(load: Load) -> None:
    invoices = [invoice(f"SO-{n}", f"C-{n % 5 + 1}", ("A", "1", f"{n}.50"), ("B", "2", "1.00")) for n in range(1, 21)]
    control = load(people(5), invoices, EMARSYS_SALES_BATCH="7", DYNAMICS365_PAGE_SIZE="9")
    sync()
    control.fault("status", code=429, headers={"Retry-After": "90"}, times=3, system="emarsys", path="/sales-data/")
    control.fault("status", code=503, times=5, after=5, system="dynamics365", path="SalesInvoice")
    run = sync("sale")
    while run.state == "waiting":
        run = goes_on(run)
    assert run.state == "completed"
    sent = [row["s_invoice_line"] for row in control.sales()]
    assert len(sent) == len(set(sent)) == 40
