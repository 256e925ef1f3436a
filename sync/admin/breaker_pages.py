"""A flow that a breaker stopped: resume it and allow this once, or keep it paused; each by POST, each audited."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from sync import addresses, breakers
from sync.breaker_kinds import KINDS
from sync.models import Flow


def told(flow: Flow) -> dict[str, Any] | None:
    """What stops the flow, in the words of its kind; None where nothing does."""
    stopped = breakers.tripped(flow)
    if stopped is None:
        return None
    kind = KINDS[stopped.kind]
    run_url = addresses.run(stopped.run) if stopped.run else ""
    return {"breaker": stopped, "kind": kind, "cause": stopped.cause, "run_url": run_url}


def resume_once(request: HttpRequest, flow: Flow) -> HttpResponse:
    """The kind comes with the form: what the person has read is what is allowed."""
    try:
        run = breakers.resume_once(flow, request.POST.get("kind", ""), request.user, request=request)
    except breakers.NotTrippedError as error:
        messages.error(request, str(error))
        return HttpResponseRedirect(addresses.flow(flow))
    messages.success(request, "The flow goes on, and this run may do it once. After it the limit holds again.")
    return HttpResponseRedirect(addresses.run(run))


def keep_paused(request: HttpRequest, flow: Flow) -> HttpResponse:
    try:
        breakers.keep_paused(flow, request.user, request.POST.get("note", "").strip()[:300], request=request)
        messages.success(request, f"{flow.name} stays paused; your colleagues see that you have looked at it.")
    except breakers.NotTrippedError as error:
        messages.error(request, str(error))
    return HttpResponseRedirect(addresses.flow(flow))
