"""What all lists share: counts that stop, no deleting, no pages beyond the list and its objects."""

from typing import Any, cast

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern
from django.utils.functional import cached_property

LIMIT = 10_001
"""A list counts up to here; its footer then says 10,000+."""


class CappedPaginator(Paginator):
    """Never counts a big table: after LIMIT rows it is enough to know that there are more."""

    @cached_property
    def count(self) -> int:
        rows = cast(QuerySet[Any], self.object_list)
        return rows.order_by()[:LIMIT].count()


def _without_nul(request: HttpRequest) -> None:
    """PostgreSQL refuses the character in any comparison; nothing that is stored holds it."""
    if any("\0" in value for values in request.GET.lists() for value in values[1]):
        cleaned = request.GET.copy()
        for name, values in request.GET.lists():
            cleaned.setlist(name, [value.replace("\0", "") for value in values])
        request.GET = cleaned  # type: ignore[assignment]  # Django's own views read it as a QueryDict


class ConsoleAdmin(admin.ModelAdmin):
    """Read-only until a subclass allows more; deleting is for the retention job alone."""

    actions = None
    paginator = CappedPaginator
    show_full_result_count = False
    list_per_page = 50
    sortable_by = ()
    pages: tuple[str, ...] = ("changelist", "change")
    """The stock addresses that exist; all others are not even routed."""
    title = ""
    lead = ""
    empty = ""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        wanted = {f"{self.opts.app_label}_{self.opts.model_name}_{page}" for page in self.pages}
        return [url for url in super().get_urls() if getattr(url, "name", None) in wanted]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        _without_nul(request)
        words = {"console_title": self.title, "console_lead": self.lead, "console_empty": self.empty}
        return super().changelist_view(request, {**words, "title": self.title, **(extra_context or {})})


class ChoiceFilter(admin.SimpleListFilter):
    """A filter over declared choices: never a SELECT DISTINCT over the table."""

    column = ""
    options: tuple[tuple[str, str], ...] = ()

    def lookups(self, request: HttpRequest, model_admin: Any) -> tuple[tuple[str, str], ...]:
        return self.options

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        value = self.value()
        if not value:
            return queryset
        known = {str(choice) for choice, _ in self.lookup_choices}
        column = self.column or str(self.parameter_name)
        return queryset.filter(**{column: value}) if value in known else queryset.none()
