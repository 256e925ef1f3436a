"""`manage.py unknown`: what may have arrived, and what a person found."""

import pytest
from django.contrib.auth.models import Group, User

from sync import runs
from sync.models import AuditEvent, CrossReference, Flow, OpenSend, PendingKey, SyncIssue
from tests.commands.conftest import Run
from tests.sync.conftest import buckets
from tests.sync.test_unknown_events import Deaf, an_hour_later, lost, told, work

__all__ = ["told"]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def desk(django_user_model: type[User], monkeypatch: pytest.MonkeyPatch) -> User:
    monkeypatch.setattr(runs, "ring_for", lambda run_id: None)
    user = django_user_model.objects.create_user("night-shift", is_staff=True)
    user.groups.add(Group.objects.get(name="admin"))
    django_user_model.objects.create_user("passer-by", is_staff=True)
    return user


@pytest.mark.parametrize("there", [True, False])
def test_a_person_decides_once(run: Run, desk: User, told: tuple[Flow, Deaf], there: bool) -> None:
    flow, platform = told
    platform.answers = [lost()]
    work(flow)
    an_hour_later()
    work(flow)
    issue = SyncIssue.objects.get(kind="unknown_event")
    listed = run("unknown", "--json").one
    assert (listed["exception"], listed["look_for"], listed["delivery"]) == (issue.pk, "E-1", issue.delivery_id)
    decision = ("unknown", "--there" if there else "--send-once", str(issue.pk))
    assert run(*decision, "--reason", "Looked.").code == 2, "nobody looked"
    assert run(*decision, "--reason", "Looked.", "--user", "passer-by").code == 1
    assert run(*decision, "--user", "night-shift").code == 1, "no reason"
    assert OpenSend.objects.exists()
    assert run(*decision, "--reason", "Looked.", "--user", "night-shift").code == 0
    assert run(*decision, "--reason", "Looked.", "--user", "night-shift").code == 2, "it is decided"
    event = AuditEvent.objects.get(object_id=str(issue.pk), object_type="syncissue")
    assert (event.action, event.actor_name) == ("confirm_arrived" if there else "send_again", "night-shift")
    assert not OpenSend.objects.exists()
    assert PendingKey.objects.count() == (0 if there else 1)
    done = work(flow)
    done = work(flow) if done.keys_only else done
    assert (len(platform.sent), buckets(done)) == (1 if there else 2, {"unchanged": 1})
    assert CrossReference.objects.get(source_id="E-1").state == "active"
