"""The backfill's form and preview: what was pasted is answered for, id by id."""

from urllib.parse import urlencode

import pytest
import requests
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.test.client import MULTIPART_CONTENT
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer

from sync.admin.backfill_pages import LARGEST_FILE
from sync.backfill_ids import MOST
from sync.models import Backfill, CrossReference
from tests.admin.desk_records import person
from tests.sync.conftest import Load, emulators, flow, load, people

__all__ = ["emulators", "load"]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def admin() -> Client:
    client = Client(headers={"accept": "text/html"})
    client.force_login(person("admin"))
    return client


def test_the_preview_says_what_was_completed_and_what_is_not_clear(load: Load, admin: Client) -> None:
    load(people(1))
    for key in ("usmf|C-1", "usmf|C-2", "gbsi|C-2"):
        CrossReference.objects.create(flow=flow(), source_id=key, state="active")
    url = reverse("admin:sync_flow_backfill", args=[flow().pk])
    answer = admin.post(url, {"ids": "C-1 C-2 X-1", "reason": "city was empty"}, follow=True)
    page = answer.content.decode()
    assert Backfill.objects.get().number == 1
    assert "C-1 = usmf|C-1" in page
    assert "C-2: gbsi|C-2 or usmf|C-2" in page
    assert "paste COMPANY|ID, with one of gbsi, usmf" in page


def test_a_file_with_ids_is_read_beside_what_was_pasted(load: Load, admin: Client) -> None:
    load(people(3))
    url = reverse("admin:sync_flow_backfill", args=[flow().pk])
    ids = SimpleUploadedFile("ids.csv", b"\xef\xbb\xbfusmf|C-2;usmf|C-3\r\n")
    answer = admin.post(url, {"ids": "usmf|C-1", "file": ids, "reason": "city was empty"}, follow=True)
    assert answer.status_code == 200
    assert Backfill.objects.get().number == 3


def test_what_is_wrong_with_a_file_is_said_and_its_ids_stay_on_the_page(load: Load, admin: Client) -> None:
    load(people(1))
    url = reverse("admin:sync_flow_backfill", args=[flow().pk])
    page = admin.post(url, {"file": SimpleUploadedFile("ids.txt", b"usmf|C-1\nusmf|C-2")}).content.decode()
    assert "Colleagues will ask why" in page
    assert "usmf|C-1\nusmf|C-2</textarea>" in page
    many = "\n".join(map(str, range(MOST + 1))).encode()
    page = admin.post(url, {"file": SimpleUploadedFile("ids.txt", many), "reason": "x"}).content.decode()
    assert "100,001 ids are too many for one backfill; 100,000 fit" in page
    assert "\n100000</textarea>" in page
    huge = SimpleUploadedFile("ids.txt", b"1" * (LARGEST_FILE + 1))
    assert "The file has more than 25 MB" in admin.post(url, {"file": huge, "reason": "x"}).content.decode()
    assert not Backfill.objects.exists()


@pytest.mark.parametrize("form", ["application/x-www-form-urlencoded", MULTIPART_CONTENT])
def test_more_than_a_form_takes_is_refused_with_what_to_do(load: Load, admin: Client, form: str) -> None:
    load(people(1))
    url = reverse("admin:sync_flow_backfill", args=[flow().pk])
    given = {"ids": "usmf|C-1\n" * 300_000, "reason": "city was empty"}
    data = urlencode(given) if form != MULTIPART_CONTENT else given
    answer = admin.post(url, data, content_type=form)
    page = answer.content.decode()
    assert answer.status_code == 413
    assert "a form takes 2.6 MB of text" in page
    assert "Or a file with ids" in page
    assert "manage.py backfill FLOW --ids FILE" in page
    assert not Backfill.objects.exists()


def test_a_browser_that_sends_too_much_is_heard_to_its_end_and_gets_the_page(
    load: Load, live_server: LiveServer
) -> None:
    load(people(1))
    url = live_server.url + reverse("admin:sync_flow_backfill", args=[flow().pk])
    form = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": f"{settings.CSRF_COOKIE_NAME}={'a' * 32}"}
    answer = requests.post(url, data=b"ids=" + b"usmf%7CC-1%0D%0A" * 2_000_000, headers=form, timeout=60)
    assert answer.status_code == 413
    assert "a form takes 2.6 MB of text" in answer.text
