"""Four roles, exactly their permissions, and nobody above them."""

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.test import Client

from sync import masking, roles
from sync.catalogue import Team
from sync.models import AuditEvent
from tests.admin.desk_records import PASSWORD, person

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


def names_of(group: str) -> set[str]:
    return {
        f"{p.content_type.app_label}.{p.codename}"
        for p in Group.objects.get(name=group).permissions.select_related("content_type")
    }


def test_the_groups_hold_exactly_the_listed_permissions() -> None:
    roles.create_groups()
    for name, permissions in roles.PERMISSIONS.items():
        wanted = {p if "." in p else f"sync.{p}" for p in permissions}
        assert names_of(name) == wanted


def test_a_permission_added_by_hand_is_gone_after_the_next_migration() -> None:
    extra = Permission.objects.get(codename="delete_syncissue")
    Group.objects.get_or_create(name="viewer")[0].permissions.add(extra)
    call_command("migrate", verbosity=0)
    assert "sync.delete_syncissue" not in names_of("viewer")


def test_no_role_may_delete_or_change_what_was_recorded() -> None:
    held = {name for role in roles.ROLES for name in roles.PERMISSIONS[role]}
    assert not {name for name in held if name.startswith(("delete_", "change_", "add_"))}


def test_each_role_sees_its_own_teams() -> None:
    assert roles.teams(person("marketing")) == (Team.MARKETING,)
    assert roles.teams(person("finance")) == (Team.FINANCE,)
    assert roles.teams(person("admin")) == tuple(Team)
    assert roles.teams(person("viewer")) == tuple(Team)


def test_a_viewer_works_nowhere() -> None:
    assert not any(roles.may_work(person("viewer"), team) for team in Team)


def test_a_disabled_person_sees_nothing_even_with_a_role() -> None:
    user = person("admin")
    user.is_active = False
    assert roles.teams(user) == ()


def test_demo_users_have_their_role_and_are_no_superusers() -> None:
    roles.create_groups()
    roles.demo_users(dict.fromkeys(roles.ROLES, "a-long-password-7"))
    for name in roles.ROLES:
        user = User.objects.get(username=name)
        assert (user.is_staff, user.is_superuser, [g.name for g in user.groups.all()]) == (True, False, [name])
        assert user.check_password("a-long-password-7")


@pytest.mark.parametrize(
    ("role", "team", "seen"),
    [
        ("marketing", "marketing", True),
        ("marketing", "finance", False),
        ("finance", "finance", False),
        ("finance", "marketing", False),
        ("admin", "marketing", False),
        ("viewer", "marketing", False),
    ],
)
def test_personal_data_is_shown_only_to_marketing_in_its_own_records(role: str, team: str, seen: bool) -> None:
    user = person(role)
    assert (masking.shown(user, team, "email", "ann@example.com") == "ann@example.com") is seen
    assert ("Ann" in masking.shown_text(user, team, "First name 'Ann' is new")) is seen


def test_amounts_and_ids_are_shown_to_finance() -> None:
    user = person("finance")
    assert masking.shown(user, "finance", "amount", "12.50") == "12.50"
    assert masking.shown(user, "finance", "customer", "gbsi|12345") == "gbsi|12345"


def test_a_field_that_nobody_classified_is_personal() -> None:
    assert masking.shown(person("viewer"), "marketing", "shoe_size", "44") == masking.MASK


def test_payloads_are_masked_leaf_by_leaf() -> None:
    payload = {"key_id": "3", "contacts": [{"3": "ann@example.com", "external_id": "12345"}], "ok": True}
    masked = masking.shown_payload(person("viewer"), "marketing", payload)
    assert masked == {"key_id": "3", "contacts": [{"3": masking.MASK, "external_id": "12345"}], "ok": True}
    assert masking.shown_payload(person("marketing"), "marketing", payload) == payload


def test_every_field_of_the_canonical_records_is_classified() -> None:
    from connectors.records import Customer, Sale

    unclassified = {name for form in (Customer, Sale) for name in form.__struct_fields__} - masking.FIELDS.keys()
    assert unclassified <= {"unreadable", "name"}


# ------------------------------------------------------------------------------------------------- users' screen


@pytest.fixture
def admin_client() -> Client:
    client = Client()
    client.force_login(person("admin"))
    return client


def test_an_admin_creates_a_user_with_a_role(admin_client: Client) -> None:
    roles.create_groups()
    finance = Group.objects.get(name="finance")
    given = {"username": "fay", "password1": "a-long-password-7", "password2": "a-long-password-7"}
    reply = admin_client.post("/console/auth/user/add/", {**given, "groups": [finance.pk]})
    assert reply.status_code == 302, reply.content.decode()
    fay = User.objects.get(username="fay")
    assert fay.is_staff
    assert not fay.is_superuser
    assert [g.name for g in fay.groups.all()] == ["finance"]
    event = AuditEvent.objects.get(action="add user")
    assert (event.actor_name, event.object_id, event.after["roles"]) == ("admin", str(fay.pk), ["finance"])


def test_fields_that_the_form_does_not_list_cannot_be_set(admin_client: Client) -> None:
    fay = person("finance", "fay")
    given = {"is_active": "on", "groups": [fay.groups.get().pk], "is_superuser": "on", "user_permissions": ["1"]}
    reply = admin_client.post(f"/console/auth/user/{fay.pk}/change/", given)
    assert reply.status_code == 302
    fay.refresh_from_db()
    assert not fay.is_superuser
    assert not fay.user_permissions.exists()


def test_a_disabled_user_is_out_at_the_next_request(admin_client: Client) -> None:
    fay = person("finance", "fay")
    hers = Client()
    assert hers.login(username="fay", password=PASSWORD)
    assert hers.get("/console/").status_code == 200
    admin_client.post(f"/console/auth/user/{fay.pk}/change/", {"groups": [fay.groups.get().pk]})
    assert hers.get("/console/").status_code == 302
    assert AuditEvent.objects.get(action="change user").after["is_active"] is False


def test_superusers_cannot_be_reached_from_the_users_screen(admin_client: Client) -> None:
    root = User.objects.create_superuser("root", password="a-long-password-7")
    assert "root" not in admin_client.get("/console/auth/user/").content.decode()
    assert admin_client.post(f"/console/auth/user/{root.pk}/change/", {"first_name": "x"}).status_code == 302
    assert admin_client.post(f"/console/auth/user/{root.pk}/password/", {"password1": "x"}).status_code == 404
    root.refresh_from_db()
    assert root.first_name == ""


def test_setting_a_password_is_in_the_audit_log_without_the_password(admin_client: Client) -> None:
    fay = person("finance", "fay")
    given = {"password1": "another-long-one-9", "password2": "another-long-one-9"}
    assert admin_client.post(f"/console/auth/user/{fay.pk}/password/", given).status_code == 302
    event = AuditEvent.objects.get(action="set password")
    assert "another-long-one-9" not in f"{event.before}{event.after}{event.reason}"


def test_no_form_of_ours_takes_all_fields() -> None:
    from django.contrib import admin

    for model, model_admin in admin.site._registry.items():
        form = model_admin.form
        assert getattr(getattr(form, "Meta", None), "fields", None) != "__all__", model
    assert apps.get_model("auth", "Group") not in admin.site._registry
