"""Writes the audit trail: in the same transaction as the change it tells of (SEC-A6)."""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import models
from django.http import HttpRequest

from sync.models import AuditEvent


def record(
    action: str,
    obj: models.Model,
    *,
    actor: Any = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    reason: str = "",
    request: HttpRequest | None = None,
) -> AuditEvent:
    """One event. `before` and `after` hold the changed fields only, never secrets."""
    user = actor if isinstance(actor, AbstractBaseUser) and actor.is_authenticated else None
    return AuditEvent.objects.create(
        actor_id=user.pk if user else None,
        actor_name=user.get_username() if user else "system",
        action=action,
        object_type=obj._meta.model_name or "",
        object_id=str(obj.pk),
        before=before or {},
        after=after or {},
        reason=reason,
        request_id=request.headers.get("X-Request-Id", "")[:40] if request else "",
        address=request.META.get("REMOTE_ADDR") or None if request else None,
    )
