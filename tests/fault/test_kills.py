"""A worker killed at every commit, at every call and at random moments: the short form of `bench/kills`."""

import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from bench import killing
from bench.lives import Worker, worker
from sync.crashpoints import POINTS
from tests.fault.conftest import environment
from tests.sync.conftest import Load, flow, invoice, open_issues, people, sync

pytestmark = [pytest.mark.fault, pytest.mark.django_db(transaction=True)]
SMALL = {"DYNAMICS365_PAGE_SIZE": "10", "EMARSYS_CONTACT_BATCH": "5", "EMARSYS_SALES_BATCH": "5"}
OF_A_PAGE = [point for point in POINTS if point.endswith(("intent", "request", "call", "remember"))]
"""What sales do in their own way; the rest is the same for every flow."""
PEOPLE, INVOICES, RANDOM, LONGEST = 30, 16, 2, 0.3


class Lives:
    """Workers of a test; opened once it knows its connections."""

    def __init__(self, stack: ExitStack, said: Path) -> None:
        self._stack, self._said = stack, said

    def __call__(self) -> Worker:
        return self._stack.enter_context(worker(environment(CELERY_BROKER_URL="memory://"), self._said))


@pytest.fixture
def lives(tmp_path: Path) -> Iterator[Lives]:
    said = tmp_path / "said"
    with ExitStack() as stack:
        yield Lives(stack, said)
    print(said.read_text()[-3000:])


def test_customers_survive_kills_at_every_moment_while_the_erp_changes(load: Load, lives: Lives) -> None:
    control, rng = load(people(PEOPLE), **SMALL), random.Random(4)

    def edit() -> None:
        for _ in range(3):
            control.customer(f"C-{rng.randint(1, PEOPLE)}", AddressCity=f"Town {rng.random():.6f}")

    company = killing.Company(flow(), lives(), edit, lambda: [f"usmf|C-{rng.randint(1, PEOPLE)}"], rng)
    toll = killing.haunt(company, RANDOM, LONGEST)
    killing.rest(company, toll)
    assert set(toll.at) == {*POINTS, "random"}
    killing.check_runs(company, toll)
    assert killing.check_customers(control, company.flow) == PEOPLE
    killing.check_requests(control("GET", "requests"), company.flow)
    assert open_issues() == set()


def test_sales_survive_kills_at_every_moment_while_the_erp_changes(
    load: Load, lives: Lives, django_user_model: type[User]
) -> None:
    rng = random.Random(4)
    sold = [invoice(f"SO-{n}", f"C-{n % 5 + 1}", ("A", "1", f"{n}.50"), ("B", "2", "1.00")) for n in range(INVOICES)]
    control = load(people(5), sold, **SMALL)
    sync()
    control.forget_requests()

    def edit() -> None:
        control.line(f"SO-{rng.randrange(INVOICES)}", rng.choice((1, 2)), LineAmount=rng.randint(100, 9_999) / 100)

    company = killing.Company(
        flow("sale"), lives(), edit, lambda: [f"usmf|SO-{rng.randrange(INVOICES)}|{rng.choice((1, 2))}"], rng
    )
    toll = killing.haunt(company, RANDOM, LONGEST, OF_A_PAGE)
    killing.rest(company, toll)
    assert set(toll.at) == {*OF_A_PAGE, "random"}
    assert killing.check_before_settling(control, company.flow) > 0
    killing.settle(control, company.flow, django_user_model.objects.create_user("night-shift"))
    killing.rest(company, toll)
    killing.check_runs(company, toll)
    assert killing.check_sales(control, company.flow) == 2 * INVOICES
    killing.check_requests(control("GET", "requests"), company.flow)
    assert "unknown_outcome" not in {kind for kind, _, _ in open_issues()}
