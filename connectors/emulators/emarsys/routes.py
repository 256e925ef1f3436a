"""Which function answers which Core API route (contract 3, 5)."""

from connectors.emulators.emarsys import contact_read, contact_write, field_calls, list_calls, segment_calls
from connectors.emulators.emarsys.call import Call, Router
from connectors.emulators.emarsys.replies import ApiError
from connectors.emulators.emarsys.segment_runs import Runs
from connectors.emulators.system import Response


def _contact_get(call: Call) -> Response:
    if call.query:
        return contact_read.lookup(call)
    raise ApiError(400, 10001, "One key field and its value are needed")


def router(runs: Runs) -> Router:
    return Router(
        {
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
            ("GET", "email"): field_calls.campaigns,
        }
    )
