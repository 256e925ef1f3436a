"""What other systems told us or fetch from us: webhook messages, the product feed, orders as Emarsys sees them."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import F
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from sync import addresses, feeds
from sync.admin.listing import ChoiceFilter, ConsoleAdmin
from sync.models import AttributionLink, EmarsysPurchase, InboxEvent, ProductFeed
from sync.models.feed import REFUSED
from sync.models.inbox import DELAY
from sync.templatetags.console import count, money, pill, when


class InboxStateFilter(ChoiceFilter):
    title = parameter_name = "state"
    options = (("waiting", "Waiting"), ("done", "Done"), ("ignored", "Ignored"), ("unreadable", "Unreadable"))


class InboxOutcomeFilter(ChoiceFilter):
    """What was out of the ordinary with a message, whatever became of it."""

    title, parameter_name = "how it came", "came"
    options = (
        ("once", "Once"),
        ("again", "Came again"),
        ("replayed", "Again after an hour or more"),
        ("late", "After a newer one"),
        ("delayed", "An hour or more after it happened"),
    )

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case None:
                return queryset
            case "once":
                return queryset.filter(repeats=0)
            case "again":
                return queryset.filter(repeats__gt=0)
            case "replayed":
                return queryset.filter(repeated_at__gt=F("received_at") + DELAY)
            case "late":
                return queryset.filter(late=True)
            case "delayed":
                return queryset.filter(received_at__gt=F("happened_at") + DELAY)
        return queryset.none()


@admin.register(InboxEvent)
class InboxAdmin(ConsoleAdmin):
    title = "Inbox"
    lead = (
        "Messages that connected systems sent to the console's webhooks. A message only says which records to look at "
        "again: their data are read from the system itself, so a late or repeated one does no harm."
    )
    empty = "No system has sent a message yet. Each connection's page has the address for its webhook."
    pages = ("changelist",)
    list_display = ("received", "sender", "what", "how", "to_read", "note")
    list_display_links = None
    list_filter = (InboxStateFilter, InboxOutcomeFilter)
    ordering = ("-id",)

    @admin.display(description="received")
    def received(self, event: InboxEvent) -> SafeString:
        return when(event.received_at)

    @admin.display(description="from")
    def sender(self, event: InboxEvent) -> str:
        return event.connection

    @admin.display(description="message")
    def what(self, event: InboxEvent) -> SafeString:
        said = [
            f"came {event.repeats + 1} times" if event.repeats else "",
            "again after an hour or more" if event.replayed else "",
            "after a newer one" if event.late else "",
            "an hour or more after it happened" if event.delayed else "",
        ]
        return format_html("{}<small>{}</small>", event.kind or "–", ", ".join(filter(None, said)))

    @admin.display(description="state")
    def how(self, event: InboxEvent) -> SafeString:
        tones = {"waiting": "info", "done": "good", "ignored": "muted", "unreadable": "bad"}
        return pill(event.state, tone=tones[event.state])

    @admin.display(description="records to look at")
    def to_read(self, event: InboxEvent) -> SafeString:
        named = [f"{stream}: {', '.join(keys[:3])}" for stream, keys in event.keys.items() if keys]
        return format_html('<span class="key">{}</span>', "; ".join(named) or "–")

    @admin.display(description="note")
    def note(self, event: InboxEvent) -> str:
        return event.message or "–"


class PublishForm(forms.Form):
    reason = forms.CharField(max_length=300)


@admin.register(ProductFeed)
class FeedAdmin(ConsoleAdmin):
    title = "Product feed"
    lead = (
        "Every version replaces the whole catalogue in Emarsys. One that lost too many articles is refused, and the "
        "version before stays in place until somebody decides."
    )
    empty = "No feed has been made yet: switch on the flow of products."
    pages = ("changelist",)
    list_display = ("version", "how", "articles", "made", "fetched", "note")
    list_display_links = None
    ordering = ("-id",)

    def get_urls(self) -> list[URLPattern]:
        publish = self.admin_site.admin_view(require_POST(self.publish_view))
        return [path("<int:pk>/publish/", publish, name="sync_productfeed_publish"), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> Any:
        self._request = request
        return super().get_queryset(request).select_related("flow", "published_by").defer("content")

    @admin.display(description="version")
    def version(self, feed: ProductFeed) -> SafeString:
        return format_html('<span class="strong">{}</span><small>{}</small>', feed.pk, feed.flow.name)

    @admin.display(description="state")
    def how(self, feed: ProductFeed) -> SafeString:
        return pill(feed.state, tone={"published": "good", "refused": "bad"}.get(feed.state, "neutral"))

    @admin.display(description="articles")
    def articles(self, feed: ProductFeed) -> SafeString:
        return format_html("{}<small>{}</small>", count(feed.items), _than_before(feed))

    @admin.display(description="made")
    def made(self, feed: ProductFeed) -> SafeString:
        return when(feed.created_at)

    @admin.display(description="last fetched")
    def fetched(self, feed: ProductFeed) -> SafeString:
        return when(feed.fetched_at)

    @admin.display(description="note")
    def note(self, feed: ProductFeed) -> SafeString | str:
        said = f"Published by {feed.published_by}. " if feed.published_by else ""
        return format_html("<p>{}</p>{}", f"{said}{feed.message}" or "–", self._act(feed))

    def _act(self, feed: ProductFeed) -> SafeString | str:
        if feed.state != REFUSED or not self._request.user.has_perm("sync.publish_feed"):
            return ""
        field = '<input type="text" name="reason" form="publish-{0}" maxlength="300" required '
        label = 'placeholder="Why it may go out" aria-label="Why version {0} may go out">'
        button = '<button class="button button-small" form="publish-{0}">Publish this version</button>'
        return format_html(f'<span class="row publish">{field}{label}{button}</span>', feed.pk)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        refused = []
        if request.user.has_perm("sync.publish_feed"):
            refused = list(ProductFeed.objects.filter(state=REFUSED).values_list("pk", flat=True)[:200])
        return super().changelist_view(request, {"refused": refused, **(extra_context or {})})

    def publish_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not request.user.has_perm("sync.publish_feed"):
            raise PermissionDenied
        feed = get_object_or_404(ProductFeed.objects.select_related("flow"), pk=pk)
        form = PublishForm(request.POST)
        try:
            feeds.publish_anyway(feed, request.user, form.cleaned_data["reason"] if form.is_valid() else "")
            messages.success(request, f"Version {feed.pk} is published; Emarsys fetches it at its next pull.")
        except ValueError as error:
            messages.error(request, str(error))
        return HttpResponseRedirect(reverse("admin:sync_productfeed_changelist"))


def _than_before(feed: ProductFeed) -> str:
    if not feed.before:
        return "the first version"
    more = feed.items - feed.before
    if not more:
        return "as many as before"
    return f"{abs(more):,} {'more' if more > 0 else 'fewer'} than before"


class ObservedAdmin(ConsoleAdmin):
    """Rows of an import: looked at, never changed."""

    pages = ("changelist",)
    list_display_links = None
    ordering = ("-id",)
    search_fields = ("=order_number",)
    search_help_text = "Order number"

    @admin.display(description="order")
    def order(self, row: Any) -> SafeString:
        return format_html('<a class="key" href="{}">{}</a>', addresses.record(row.order_number), row.order_number)

    @admin.display(description="amount")
    def worth(self, row: Any) -> str:
        return money(row.amount)

    @admin.display(description="imported")
    def imported(self, row: Any) -> SafeString:
        return when(row.updated_at)


@admin.register(AttributionLink)
class AttributionAdmin(ObservedAdmin):
    title = "Attribution"
    lead = (
        "Which campaign Emarsys credits with which order, as its export says. Several treatments may share one order: "
        "their amounts add up, the order's total does not."
    )
    empty = "Nothing has been imported yet: name the export's files in the connection's ATTRIBUTION_FILES."
    list_display = ("order", "campaign", "channel", "worth", "treated", "imported")

    @admin.display(description="treated")
    def treated(self, row: AttributionLink) -> SafeString:
        return when(row.treated_at)


@admin.register(EmarsysPurchase)
class PurchaseAdmin(ObservedAdmin):
    title = "Purchases in Emarsys"
    lead = "Purchase lines as Emarsys itself has loaded them: the proof beyond our ledger that a sale arrived."
    empty = "Nothing has been imported yet: name the export's files in the connection's PURCHASE_FILES."
    list_display = ("order", "sku", "quantity", "worth", "purchased_on", "imported")
