"""Users and the audit trail."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm, AdminUserCreationForm
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from sync import history, roles
from sync.admin.listing import CappedPaginator, ChoiceFilter, ConsoleAdmin
from sync.models import AuditEvent
from sync.templatetags.console import pill, when

admin.site.unregister(Group)
admin.site.unregister(User)


class RoleChoice(forms.ModelMultipleChoiceField):
    """The four roles, each with what it means; other groups cannot be given here."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("widget", forms.CheckboxSelectMultiple({"class": "choices"}))
        super().__init__(Group.objects.filter(name__in=roles.ROLES).order_by("name"), **options)

    def label_from_instance(self, obj: Group) -> str:
        return f"{obj.name.capitalize()}: {roles.MEANING[obj.name][0].lower()}{roles.MEANING[obj.name][1:]}"


class PersonForm(forms.ModelForm):
    """Fields are listed one by one: nothing else can be set from here (SEC-R7)."""

    groups = RoleChoice(label="Roles", required=False)

    class Meta:
        model = User
        fields = ("first_name", "last_name", "email", "is_active", "groups")
        labels = {"is_active": "May sign in"}
        help_texts = {"is_active": "Take this away instead of deleting a user: the history keeps its names."}


class NewPersonForm(AdminUserCreationForm):
    usable_password = None  # type: ignore[assignment]  # Django's own way to leave the choice out
    groups = RoleChoice(label="Roles", required=False)

    class Meta:
        model = User
        fields = ("username", "first_name", "last_name", "email", "groups")


def _told(user: User) -> dict[str, Any]:
    return {
        "first_name": user.first_name,
        "last_name": user.last_name,
        "is_active": user.is_active,
        "roles": sorted(group.name for group in user.groups.all()),
    }


@admin.register(User)
class PersonAdmin(UserAdmin):
    """People and their roles. Nobody becomes a superuser here, superusers are out of reach, nobody is deleted."""

    form = PersonForm
    add_form = NewPersonForm
    change_password_form = AdminPasswordChangeForm
    add_form_template = "admin/change_form.html"
    change_user_password_template = None
    actions = None
    paginator = CappedPaginator
    show_full_result_count = False
    ordering = ("username",)
    list_display = ("person", "role_names", "may_sign_in", "last_seen")
    list_display_links = None
    list_filter = ()
    search_fields = ("username",)
    search_help_text = "User name"
    sortable_by = ()
    filter_horizontal = ()
    readonly_fields = ()
    fieldsets = (
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("Access", {"fields": ("is_active", "groups")}),
    )
    add_fieldsets = (
        ("Person", {"fields": ("username", "first_name", "last_name", "email")}),
        ("Password", {"fields": ("password1", "password2")}),
        ("Access", {"fields": ("groups",)}),
    )

    @admin.display(description="user")
    def person(self, user: User) -> SafeString:
        return format_html(
            '<a class="strong" href="{}/change/">{}</a><small>{}</small>', user.pk, user.username, user.get_full_name()
        )

    @admin.display(description="roles")
    def role_names(self, user: User) -> str:
        return ", ".join(sorted(group.name for group in user.groups.all())) or "–"

    @admin.display(description="may sign in")
    def may_sign_in(self, user: User) -> SafeString:
        return pill("on", "Yes") if user.is_active else pill("off", "No")

    @admin.display(description="last signed in")
    def last_seen(self, user: User) -> SafeString:
        return when(user.last_login)

    def get_urls(self) -> list[URLPattern]:
        names = {f"auth_user_{page}" for page in ("changelist", "add", "change", "password_change")}
        return [url for url in super().get_urls() if getattr(url, "name", None) in names]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).filter(is_superuser=False).prefetch_related("groups")

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        return self.fieldsets if obj else self.add_fieldsets

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("auth.add_user")

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        words = {"console_title": "Users", "console_lead": "Who may sign in, and in which role.", "title": "Users"}
        return super().changelist_view(request, {**words, **(extra_context or {})})

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """People reach the console because they have an account here; the role decides what they see."""
        obj.is_staff = True
        request._before = _told(User.objects.get(pk=obj.pk)) if change else {}  # type: ignore[attr-defined]  # save_related reads it
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if hasattr(request, "_before"):
            action = "change user" if change else "add user"
            before = request._before
            after = _told(User.objects.get(pk=form.instance.pk))
            history.record(action, form.instance, actor=request.user, before=before, after=after, request=request)

    @transaction.atomic
    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:
        response = super().user_change_password(request, id, form_url)
        if request.method == "POST" and response.status_code == 302:
            history.record("set password", User.objects.get(pk=id), actor=request.user, request=request)
        return response


class ActionFilter(ChoiceFilter):
    title = "about"
    parameter_name = "about"
    column = "object_type"
    options = (
        ("flow", "Flows"),
        ("syncrun", "Runs"),
        ("syncissue", "Exceptions"),
        ("user", "Users"),
        ("bulkoperation", "Bulk operations"),
    )


@admin.register(AuditEvent)
class AuditAdmin(ConsoleAdmin):
    title = "Audit log"
    lead = "Who did what, before and after, and why. Nothing here can be changed or deleted, not even by the console."
    empty = "Nothing has been changed by anybody yet."
    pages = ("changelist",)
    list_display = ("at_local", "who", "what", "about", "changed", "reason")
    list_display_links = None
    list_filter = (ActionFilter,)

    @admin.display(description="when")
    def at_local(self, event: AuditEvent) -> SafeString:
        return when(event.at)

    @admin.display(description="who")
    def who(self, event: AuditEvent) -> SafeString:
        return format_html("{}<small>{}</small>", event.actor_name, event.address or "")

    @admin.display(description="did")
    def what(self, event: AuditEvent) -> str:
        return event.action.capitalize()

    @admin.display(description="to")
    def about(self, event: AuditEvent) -> str:
        word = f"{ABOUT.get(event.object_type, event.object_type)} {event.object_id}"
        return format_html('<a href="{}">{}</a>', _address(event), word) if event.object_type in SCREENS else word

    @admin.display(description="before → after")
    def changed(self, event: AuditEvent) -> SafeString:
        return format_html('<span class="key">{}</span>', difference(event))


ABOUT = {"syncrun": "run", "syncissue": "exception", "bulkoperation": "bulk operation"}
SCREENS = {"flow": "sync", "syncrun": "sync", "syncissue": "sync", "user": "auth"}
"""Kinds of objects that have a page of their own, with their application."""


def _address(event: AuditEvent) -> str:
    return reverse(f"admin:{SCREENS[event.object_type]}_{event.object_type}_change", args=[event.object_id])


def difference(event: AuditEvent) -> str:
    """What changed, field by field; a schedule in its words."""
    if "words" in event.after:
        on = "" if event.after.get("on") else " (off)"
        return f"{_brief(event.before.get('words'))} → {event.after['words']}{on}"
    names = dict.fromkeys([*event.before, *event.after])
    pairs = [(name, event.before.get(name), event.after.get(name)) for name in names]
    shown = [f"{name}: {_brief(old)} → {_brief(new)}" for name, old, new in pairs if old != new]
    return "; ".join(shown) or "–"


def _brief(value: Any) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
