"""The limits of a flow's breakers: shown to everybody who sees the flow, changed by who operates it."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from sync import addresses, breaker_limits, breakers
from sync.breaker_kinds import Kind
from sync.breaker_limits import Limit, Line, NotALimitError
from sync.models import Breaker, Flow

BY_RECORDS = ("zero_records",)
"""Kinds whose percentage says nothing."""


class LimitForm(forms.Form):
    """One breaker of one flow."""

    on = forms.BooleanField(label="Watches", required=False)
    percent = forms.IntegerField(label="Percent", min_value=0, max_value=100)
    minimum = forms.IntegerField(label="And at least", min_value=0, max_value=1_000_000_000)

    def __init__(self, line: Line, data: Any = None) -> None:
        self.line, self.breaker, self.kind = line, line.breaker, line.kind
        breaker = line.breaker
        stored = {"on": breaker.on, "percent": breaker.percent, "minimum": breaker.minimum}
        super().__init__(data, prefix=breaker.kind, initial=stored, auto_id="id_%s")
        self.fields["percent"].help_text = self.kind.percent_of
        self.fields["minimum"].help_text = self.kind.minimum_words
        if breaker.kind in BY_RECORDS:
            self.fields["percent"].widget = forms.HiddenInput()

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if {"percent", "minimum"} <= given.keys():
            try:
                breaker_limits.checked(self.kind, Limit(**given))
            except NotALimitError as error:
                self.add_error("percent", str(error))
        return given

    @property
    def run_url(self) -> str:
        """The run that tripped it last."""
        return addresses.run(self.breaker.run) if self.breaker.run else ""

    @property
    def limit(self) -> str:
        """In a sentence, for those who may only look."""
        return words(self.kind, self.breaker)


class WhyForm(forms.Form):
    why = forms.CharField(
        label="Why the limits change",
        max_length=300,
        widget=forms.TextInput({"placeholder": "For example: spring clean-up of customers"}),
        error_messages={"required": "Colleagues will ask: say why."},
    )


def words(kind: Kind, breaker: Breaker) -> str:
    if not breaker.on:
        return "Off: it stops nothing."
    if kind.name in BY_RECORDS:
        return f"From {breaker.minimum:,} {kind.minimum_words} on."
    return f"{breaker.percent} % {kind.percent_of}, and at least {breaker.minimum:,} {kind.minimum_words}."


def form_view(request: HttpRequest, flow: Flow, may_operate: bool, page: Any) -> HttpResponse:
    """GET shows the limits, POST stores those that differ, each with an audit event."""
    data = request.POST if request.method == "POST" else None
    limits = [LimitForm(line, data) for line in breaker_limits.lines(flow)]
    why = WhyForm(data)
    if data is not None and all([why.is_valid(), *(form.is_valid() for form in limits)]):
        wanted = {form.kind.name: Limit(**form.cleaned_data) for form in limits}
        breaker_limits.store(flow, wanted, request.user, why.cleaned_data["why"], request)
        messages.success(request, f"The breakers of {flow.name} have these limits from the next run on.")
        return HttpResponseRedirect(addresses.flow(flow))
    context = {"title": f"Breakers of {flow.name}", "flow": flow, "flow_url": addresses.flow(flow)}
    context |= {
        "wrong": data is not None,
        "limits": limits,
        "why": why,
        "may_operate": may_operate,
        "stopped": breakers.tripped(flow),
        "elsewhere": ", ".join(kind.title.lower() for kind in breaker_limits.elsewhere(flow)),
    }
    page_of: HttpResponse = page(request, "console/breakers.html", context)
    return page_of
