"""Which function answers which route of the Core API (contract 3 to 5) and of its neighbours (1.1)."""

from connectors.emulators.emarsys import (
    campaign_calls,
    combined_segments,
    contact_read,
    contact_write,
    engagement,
    event_calls,
    event_trigger,
    export_calls,
    field_calls,
    list_calls,
    relational,
    segment_calls,
)
from connectors.emulators.emarsys.call import Answer, Call, Router
from connectors.emulators.emarsys.mail_streams import MailStreams
from connectors.emulators.emarsys.replies import ApiError
from connectors.emulators.emarsys.response_queries import ResponseQueries
from connectors.emulators.emarsys.segment_runs import Runs
from connectors.emulators.system import Response


def _contact_get(call: Call) -> Response:
    if call.query:
        return contact_read.lookup(call)
    raise ApiError(400, 10001, "One key field and its value are needed")


def core_router() -> Router:
    runs, queries = Runs(), ResponseQueries()
    return Router(
        {
            ("GET", "event"): event_calls.listing,
            ("POST", "event"): event_calls.create,
            ("GET", "event/*"): event_calls.single,
            ("POST", "event/*"): event_calls.rename,
            ("GET", "event/*/usages"): event_calls.usages,
            ("POST", "event/*/delete"): event_calls.delete,
            ("POST", "event/*/trigger"): event_trigger.trigger,
            ("POST", "contact/getchanges"): export_calls.changes,
            ("POST", "contact/getregistrations"): export_calls.registrations,
            ("POST", "email/getresponses"): export_calls.responses,
            ("POST", "email/getcontacts"): export_calls.contact_list,
            ("POST", "export/filter"): export_calls.segment,
            ("GET", "export/*"): export_calls.status,
            ("GET", "export/*/data"): export_calls.data,
            ("POST", "email/unsubscribe"): campaign_calls.unsubscribe,
            ("POST", "email/responses"): queries.start,
            ("GET", "email/responses/*"): queries.result,
            ("GET", "email/*/responses"): queries.result,
            ("GET", "email/*"): campaign_calls.single,
            ("GET", "combinedsegments"): combined_segments.listing,
            ("POST", "combinedsegments"): combined_segments.create,
            ("GET", "combinedsegments/*"): combined_segments.single,
            ("POST", "combinedsegments/*"): combined_segments.update,
            ("GET", "contactlist/*/contacts"): list_calls.member_page,
            ("GET", "settings"): field_calls.settings,
            ("GET", "field"): field_calls.listing,
            ("GET", "field/translate/*"): field_calls.listing,
            ("POST", "field"): field_calls.create,
            ("GET", "field/choices"): field_calls.several_choices,
            ("GET", "field/*/choice"): field_calls.choices,
            ("GET", "field/*/choice/translate/*"): field_calls.choices,
            ("DELETE", "field/*"): field_calls.remove,
            ("GET", "contact"): _contact_get,
            ("POST", "contact"): contact_write.create,
            ("PUT", "contact"): contact_write.update,
            ("POST", "contact/getdata"): contact_read.getdata,
            ("POST", "contact/checkids"): contact_read.checkids,
            ("GET", "contact/query"): contact_read.query,
            ("POST", "contact/delete"): contact_read.delete,
            ("GET", "contactlist"): list_calls.listing,
            ("POST", "contactlist"): list_calls.create,
            ("POST", "contactlist/*/add"): list_calls.add,
            ("POST", "contactlist/*/delete"): list_calls.take_off,
            ("POST", "contactlist/*/replace"): list_calls.replace,
            ("POST", "contactlist/*/rename"): list_calls.rename,
            ("POST", "contactlist/*/deletelist"): list_calls.delete_list,
            ("GET", "contactlist/*"): list_calls.member_page,
            ("GET", "contactlist/*/contacts/*"): list_calls.has_member,
            ("GET", "contactlist/*/count"): list_calls.count,
            ("GET", "contactlist/*/contactIds"): list_calls.contact_ids,
            ("GET", "filter"): segment_calls.listing,
            ("PUT", "filter"): segment_calls.create,
            ("GET", "filter/*"): segment_calls.single,
            ("GET", "filter/*/contacts/count"): segment_calls.count,
            ("GET", "filter/*/contacts"): segment_calls.contacts,
            ("GET", "filter/*/contacts/*"): segment_calls.has_contact,
            ("GET", "filter/*/contact_criteria"): segment_calls.read_criteria,
            ("PUT", "filter/*/contact_criteria"): segment_calls.write_criteria,
            ("GET", "filter/*/delete"): segment_calls.delete,
            ("POST", "filter/*/runs"): runs.start,
            ("GET", "filter/runs/*"): runs.state,
            ("POST", "filter/*/single_runs"): runs.start_single,
            ("GET", "filter/single_runs/*"): runs.single_state,
            ("GET", "source"): field_calls.sources,
            ("POST", "source/create"): field_calls.create_source,
            ("DELETE", "source/*"): field_calls.delete_source,
            ("GET", "email"): campaign_calls.listing,
        }
    )


def neighbour_router() -> Router:
    """What lives beside the versioned API on the same host. Relational data is met with and without a version."""
    records = {
        ("GET", ""): relational.read,
        ("POST", ""): relational.insert,
        ("PUT", ""): relational.replace,
        ("PATCH", ""): relational.update,
        ("POST", "/upsert"): relational.upsert,
        ("POST", "/remove"): relational.remove,
    }
    routes: dict[tuple[str, str], Answer] = {
        (method, f"{start}/connections/*/tables/*/records{end}"): answer
        for (method, end), answer in records.items()
        for start in ("rds", "rds/v1")
    }
    streams = MailStreams()
    events = "engagementevent/v1/integrations/*/eventConfigurations/*/events"
    return Router(
        {
            **routes,
            ("POST", events): engagement.receive,
            ("GET", "rtm/mail_events/*"): streams.events,
            ("POST", "email/reporting/v2/campaigns/responseSummary/filter"): campaign_calls.summaries,
        }
    )
