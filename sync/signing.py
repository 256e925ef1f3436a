"""Signing in and out: told in the audit trail, and slowed down after five wrong passwords.

The pause is by person and address, so that nobody can shut others out for long, and it is not announced: a
wrong name, a wrong password and a paused one get the same answer.
"""

from datetime import timedelta
from typing import Any

from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone

from sync import history
from sync.models import AuditEvent

ATTEMPTS = 5
WINDOW = timedelta(minutes=15)
REFUSED = "sign-in refused"


def _person(name: str) -> Any:
    return get_user_model().objects.filter(username=name).first()


def paused(person: Any, request: HttpRequest) -> bool:
    """Whether this person must wait at this address."""
    wrong = AuditEvent.objects.filter(
        object_type="user",
        object_id=str(person.pk),
        action=REFUSED,
        address=request.META.get("REMOTE_ADDR"),
        at__gt=timezone.now() - WINDOW,
    )
    return wrong.count() >= ATTEMPTS


class SignInForm(AdminAuthenticationForm):
    error_messages = {
        **AdminAuthenticationForm.error_messages,
        "invalid_login": "Please enter the correct username and password. Upper and lower case matter in both.",
    }

    def clean(self) -> dict[str, Any]:
        person = _person(self.cleaned_data.get("username") or "")
        request = self.request
        if person is not None and request is not None and paused(person, request):
            raise self.get_invalid_login_error()
        try:
            return super().clean()
        except ValidationError:
            if person is not None:
                history.record(REFUSED, person, request=request)
            raise


def signed_in(request: HttpRequest) -> None:
    if request.user.is_authenticated:
        history.record("sign in", request.user, actor=request.user, request=request)


def signing_out(request: HttpRequest) -> None:
    if request.user.is_authenticated:
        history.record("sign out", request.user, actor=request.user, request=request)
