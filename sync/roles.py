"""The four roles, exactly what each may do, and which teams' exceptions a person sees.

Groups are brought in line after every migration: a permission that is not listed here is taken away again
(SEC-R1). `view_pii` shows personal data of the person's own team only, see masking.py.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.db import transaction

from sync.catalogue import Team

MARKETING, FINANCE, ADMIN, VIEWER = "marketing", "finance", "admin", "viewer"

_EVERYONE = (
    "view_flow",
    "view_syncrun",
    "view_delivery",
    "view_syncissue",
    "view_comment",
    "view_bulkoperation",
    "view_syncplan",
)
_LINKS = ("view_crossreference",)
_MONEY = ("view_ledgerentry", "view_controltotal")
_SEGMENTS = ("view_segmentcheck", "view_segmentfinding")
_FEED = ("view_productfeed",)
_OBSERVED = ("view_attributionlink", "view_emarsyspurchase")
_TECHNICAL = (
    *(
        "view_inboxevent",
        "view_mappingversion",
        "view_workerprocess",
        "view_apibudget",
        "view_accountcheck",
        "view_backfill",
    ),
    "view_fieldmapping",
)
_USERS = ("auth.view_user", "auth.add_user", "auth.change_user")

PERMISSIONS: Mapping[str, tuple[str, ...]] = {
    MARKETING: (*_EVERYONE, *_LINKS, *_SEGMENTS, *_FEED, *_OBSERVED, "work_marketing", "view_pii"),
    FINANCE: (*_EVERYONE, *_LINKS, *_MONEY, *_OBSERVED, "work_finance"),
    ADMIN: (
        *_EVERYONE,
        *_LINKS,
        *_MONEY,
        *_SEGMENTS,
        *_FEED,
        *_OBSERVED,
        *_TECHNICAL,
        *_USERS,
        "publish_feed",
        "work_marketing",
        "work_finance",
        "work_operations",
        "operate_flow",
        "view_auditevent",
    ),
    VIEWER: (*_EVERYONE, *_LINKS, *_MONEY, *_SEGMENTS, *_FEED, *_OBSERVED, *_TECHNICAL, "view_auditevent"),
}
ROLES = tuple(PERMISSIONS)
MEANING = {
    MARKETING: "Works on marketing's exceptions, sees the personal data in them",
    FINANCE: "Works on finance's exceptions and control totals; contact data is masked",
    ADMIN: "Runs flows, schedules and users, works on every exception; contact data is masked",
    VIEWER: "Sees everything, masked; may change nothing",
}


def may_work(user: Any, team: str) -> bool:
    return user.is_active and user.has_perm(f"sync.work_{team}")


def teams(user: Any) -> tuple[Team, ...]:
    """Whose exceptions the person sees: those of the teams worked in; without any such team, all (to read)."""
    if not user.is_active or not user.has_perm("sync.view_syncissue"):
        return ()
    return tuple(team for team in Team if may_work(user, team)) or tuple(Team)


def role(user: Any) -> str:
    """The person's first role, for display; empty without one."""
    names = {group.name for group in user.groups.all()}
    return next((name for name in ROLES if name in names), "")


def _permissions(names: Iterable[str]) -> list[Permission]:
    wanted = {tuple(name.split(".")) if "." in name else ("sync", name) for name in names}
    found = Permission.objects.filter(content_type__app_label__in={app for app, _ in wanted}).select_related(
        "content_type"
    )
    return [p for p in found if (p.content_type.app_label, p.codename) in wanted]


def create_groups(**_signal: object) -> None:
    """Receiver of post_migrate: groups with exactly their permissions, whatever was changed by hand."""
    with transaction.atomic():
        for name, permissions in PERMISSIONS.items():
            group, _ = Group.objects.get_or_create(name=name)
            group.permissions.set(_permissions(permissions))


def demo_users(passwords: Mapping[str, str]) -> None:
    """One user per role, named like it, with the given password; an existing one is reset to it."""
    for name in ROLES:
        user, _ = get_user_model().objects.get_or_create(username=name)
        user.is_staff, user.is_active, user.is_superuser = True, True, False
        user.set_password(passwords[name])
        user.save()
        user.groups.set([Group.objects.get(name=name)])
