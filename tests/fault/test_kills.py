"""A worker killed at every commit, at every call and at random moments: the short form of `bench/kills`.

ERP, console, Emarsys and the systems' own request log are compared record by record after it.
"""

import random
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from bench import killing
from bench.lives import Worker, worker
from sync.crashpoints import POINTS
from tests.fault.conftest import environment
from tests.sync.conftest import Control, Load, flow, invoice, open_issues, people

pytestmark = [pytest.mark.fault, pytest.mark.django_db(transaction=True)]
SMALL = {"DYNAMICS365_PAGE_SIZE": "20", "EMARSYS_CONTACT_BATCH": "10", "EMARSYS_SALES_BATCH": "10"}
AROUND_THE_CALL = ("in_intent", "after_intent", "before_request", "after_request", "after_call", "in_remember")
"""What sales do in their own way; the rest is the same for every flow. Each costs them a page at the most."""
PEOPLE, INVOICES, LINES, RANDOM, LONGEST = 200, 100, 2, 3, 0.4


def test_nothing_is_lost_or_doubled_by_kills_at_every_moment_while_the_erp_changes(
    load: Load, tmp_path: Path, django_user_model: type[User]
) -> None:
    sold = [invoice(f"SO-{n}", f"C-{n % 5 + 1}", ("A", "1", f"{n}.50"), ("B", "2", "1.00")) for n in range(INVOICES)]
    control = load(people(PEOPLE), sold, **SMALL)
    said = tmp_path / "said"
    try:
        with worker(environment(CELERY_BROKER_URL="memory://"), said) as lives:
            customers(control, lives)
            sales(control, lives, django_user_model.objects.create_user("night-shift"))
    finally:
        print(said.read_text()[-3000:])


def customers(control: Control, lives: Worker) -> None:
    rng = random.Random(4)

    def edit() -> None:
        for _ in range(3):
            control.customer(f"C-{rng.randint(1, PEOPLE)}", AddressCity=f"Town {rng.random():.6f}")

    company = killing.Company(flow(), lives, edit, lambda: [f"usmf|C-{rng.randint(1, PEOPLE)}"], rng)
    toll = killing.haunt(company, RANDOM, LONGEST)
    killing.rest(company, toll)
    assert set(toll.at) == {*POINTS, "random"}
    killing.check_runs(company, toll)
    assert killing.check_customers(control, company.flow) == PEOPLE
    killing.check_requests(control("GET", "requests"), company.flow)
    assert open_issues() == set()
    control.forget_requests()


def sales(control: Control, lives: Worker, person: User) -> None:
    rng = random.Random(4)

    def edit() -> None:
        line = rng.randint(1, LINES)
        control.line(f"SO-{rng.randrange(INVOICES)}", line, LineAmount=rng.randint(100, 9_999) / 100)

    company = killing.Company(
        flow("sale"), lives, edit, lambda: [f"usmf|SO-{rng.randrange(INVOICES)}|{rng.randint(1, LINES)}"], rng
    )
    toll = killing.haunt(company, RANDOM, LONGEST, AROUND_THE_CALL)
    killing.rest(company, toll)
    assert set(toll.at) == {*AROUND_THE_CALL, "random"}
    assert killing.check_before_settling(control, company.flow) > 0, "nothing was left for a person"
    killing.settle(control, company.flow, person)
    killing.rest(company, toll)
    killing.check_runs(company, toll)
    assert killing.check_sales(control, company.flow) == LINES * INVOICES
    killing.check_requests(control("GET", "requests"), company.flow)
    assert "unknown_outcome" not in {kind for kind, _, _ in open_issues()}
