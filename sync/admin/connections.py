"""Connections: what each is for, its settings (never a secret's value), a test, and a try of its mapping."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST

from connectors.base import Trial
from connectors.errors import ConnectorError
from sync import connection_lines, history, masking
from sync.admin.listing import ConsoleAdmin
from sync.admin.within import within
from sync.catalogue import Team
from sync.connection_lines import ConnectionLine
from sync.limits import limits_for_a_person
from sync.models import MappingVersion

TEST_SECONDS = 10.0
LARGEST = 5_000_000
"""Bytes of a captured reply or a mapping file."""


class TrialForm(forms.Form):
    reply = forms.FileField(
        label="A captured reply",
        error_messages={"required": "Choose the file with the reply."},
        help_text="As the system sent it. It is read once and not kept.",
    )
    entity = forms.ChoiceField(label="It holds")
    mapping = forms.FileField(label="Another mapping file", required=False, help_text="Empty: the one in use.")

    def __init__(self, entities: list[str], *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        entity = self.fields["entity"]
        assert isinstance(entity, forms.ChoiceField)
        entity.choices = [(name, name.replace("_", " ")) for name in entities]

    def clean(self) -> dict[str, Any] | None:
        for name in ("reply", "mapping"):
            given = self.cleaned_data.get(name)
            if given and given.size > LARGEST:
                self.add_error(name, f"More than {LARGEST // 1_000_000} MB; a page of it is enough.")
        return self.cleaned_data


@admin.register(MappingVersion)
class ConnectionAdmin(ConsoleAdmin):
    """Connections are no rows: the environment names them. Their used mapping versions are."""

    pages = ()

    def top_urls(self) -> list[URLPattern]:
        def url(route: str, view: Any, name: str) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=name)

        return [
            url("connections/", self.list_view, "console_connections"),
            url("connections/<slug:name>/", self.page_view, "console_connection"),
            url("connections/<slug:name>/test/", require_POST(self.test_view), "console_connection_test"),
            url("connections/<slug:name>/try/", require_POST(self.try_view), "console_connection_try"),
        ]

    def _page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        may = request.user.has_perm("sync.operate_flow")
        whole = {**self.admin_site.each_context(request), "opts": self.opts, "may_operate": may, **context}
        return TemplateResponse(request, template, whole)

    def _line(self, request: HttpRequest, name: str, *, operate: bool = False) -> ConnectionLine:
        if not self.has_view_permission(request) or (operate and not request.user.has_perm("sync.operate_flow")):
            raise PermissionDenied
        line = connection_lines.line(name)
        if line is None:
            raise Http404
        return line

    def list_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {"lines": connection_lines.lines(), "misnamed": connection_lines.misnamed()}
        return self._page(request, "console/connections.html", {"title": "Connections", **context})

    def page_view(self, request: HttpRequest, name: str) -> HttpResponse:
        return self._connection(request, self._line(request, name))

    def _connection(
        self, request: HttpRequest, line: ConnectionLine, form: TrialForm | None = None, **shown: Any
    ) -> HttpResponse:
        if form is None and line.tries_mappings:
            form = TrialForm(list(line.connection.connector.trial_of))
        versions = MappingVersion.objects.filter(connection=line.name).order_by("-id")[:20]
        context = {"title": line.name, "line": line, "form": form, "versions": versions, **shown}
        return self._page(request, "console/connection.html", context)

    def test_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """Calls the system now: the answer is on the page, nothing is stored but that it was asked."""
        line = self._line(request, name, operate=True)
        try:
            said = within(TEST_SECONDS, lambda: line.connection.open(limits_for_a_person(line.name)).check())
            tested = {"good": True, "said": said, "remedy": ""}
        except ConnectorError as error:
            tested = {"good": False, "said": error.message, "remedy": error.remedy}
        except TimeoutError:
            said = f"No answer within {TEST_SECONDS:.0f} seconds."
            tested = {"good": False, "said": said, "remedy": "Check that the system is up and its address is right."}
        after = {"connection": line.name, "answers": tested["good"]}
        history.record("test connection", MappingVersion(pk=0), actor=request.user, after=after, request=request)
        return self._connection(request, line, tested=tested)

    def try_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """What the mapping makes of a captured reply. Nothing of it is kept, sent or logged."""
        line = self._line(request, name, operate=True)
        if not line.tries_mappings:
            messages.info(request, f"{line.title} brings its own mapping; there is none to try.")
            return self._connection(request, line)
        form = TrialForm(list(line.connection.connector.trial_of), request.POST, request.FILES)
        if not form.is_valid():
            return self._connection(request, line, form)
        try:
            trial = self._try(line, form)
        except ConnectorError as error:
            return self._connection(request, line, form, refused=error)
        shown = {"tried": form.cleaned_data["entity"], "parked": _parked(trial, request.user)}
        return self._connection(request, line, form, trial=trial, filled=_filled(trial, request.user), **shown)

    @staticmethod
    def _try(line: ConnectionLine, form: TrialForm) -> Trial:
        mapping, reply = form.cleaned_data["mapping"], form.cleaned_data["reply"]
        attempt = line.connection.connector.trial
        assert attempt is not None
        return attempt(
            line.connection.settings, mapping.read() if mapping else None, reply.read(), form.cleaned_data["entity"]
        )


@dataclass(frozen=True)
class FilledField:
    """How many of the records have it, and its values that no table knows, the most frequent first."""

    name: str
    count: int
    percent: int
    unknown: Sequence[tuple[str, int]]


def _filled(trial: Trial, user: Any) -> list[FilledField]:
    return [
        FilledField(name, count, count * 100 // max(trial.records, 1), _unknown(trial, name, user))
        for name, count in trial.filled.items()
    ]


def _unknown(trial: Trial, name: str, user: Any) -> list[tuple[str, int]]:
    """A table may be put on the wrong field by mistake: then its values are people's."""
    values = sorted(trial.unmapped.get(name, {}).items(), key=lambda pair: pair[1], reverse=True)
    return [(masking.shown_text(user, Team.MARKETING, value), times) for value, times in values]


def _parked(trial: Trial, user: Any) -> list[tuple[str, str, str]]:
    return [(masking.without_addresses(key), field, masking.shown_text(user, Team.MARKETING, why))
            for key, field, why in trial.parked]  # fmt: skip
