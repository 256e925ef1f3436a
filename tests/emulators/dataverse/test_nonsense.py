"""Whatever a client sends is answered in the service's own words: the emulator never fails (dynamics365.md 3.1)."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.emulators.dataverse.client import Organisation

_WORDS = st.sampled_from(
    [
        "statecode",
        "fullname",
        "_masterid_value",
        "masterid/fullname",
        "birthdate",
        "merged",
        "eq",
        "ne",
        "lt",
        "and",
        "or",
        "not",
        "(",
        ")",
        "'a'",
        "1",
        "-1",
        "null",
        "true",
        "2026-01-01",
        "2026-13-01T00:00:00Z",
        "contains",
        ",",
        "'",
        "in",
        "Microsoft.Dynamics.CRM.In(PropertyName='statecode',PropertyValues=[",
        "]",
        "%",
        "<fetch>",
        "SELECT",
        "FROM contact",
    ]
)
_OPTIONS = st.sampled_from(
    ["$filter", "$orderby", "$select", "$expand", "$top", "$skiptoken", "$deltatoken", "sql", "fetchXml", "$apply"]
)
_NAMES = st.sampled_from(
    [
        "lastname",
        "statecode",
        "statuscode",
        "birthdate",
        "donotbulkemail",
        "contactid",
        "parentcustomerid_account",
        "parentcustomerid_account@odata.bind",
        "gendercode",
        "creditlimit",
        "@odata.type",
        "nosuch",
        "Target",
        "Subordinate",
        "EntityMoniker",
        "State",
        "Targets",
        "Entities",
        "QuerySet",
        "Attributes",
        "SchemaName",
        "KeyAttributes",
    ]
)
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["Microsoft.Dynamics.CRM.contact", "#Microsoft.Dynamics.CRM.StringAttributeMetadata", "new_x"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_NAMES, inner, max_size=2),
    max_leaves=4,
)
_CALLS = st.sampled_from(
    [
        ("POST", "contacts"),
        ("PATCH", "contacts(00000000-0000-0000-0000-000000000001)"),
        ("POST", "Merge"),
        ("POST", "SetState"),
        ("POST", "BulkDelete"),
        ("POST", "CreateEntities"),
        ("POST", "contacts/Microsoft.Dynamics.CRM.UpsertMultiple"),
        ("POST", "RelationshipDefinitions"),
        ("POST", "EntityDefinitions(LogicalName='lead')/Attributes"),
        ("POST", "EntityDefinitions(LogicalName='lead')/Keys"),
    ]
)
_RUN = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def patient(crm: Organisation) -> Organisation:
    crm.switch(limit_requests="1000000")
    return crm


@_RUN
@given(option=_OPTIONS, words=st.lists(_WORDS, max_size=8))
def test_no_query_makes_it_fail(patient: Organisation, option: str, words: list[str]) -> None:
    answer = patient.call("GET", "contacts", params={option: " ".join(words)})
    assert answer.status_code in (200, 400), answer.text


@_RUN
@given(call=_CALLS, payload=st.dictionaries(_NAMES, _VALUES, max_size=4))
def test_no_payload_makes_it_fail(patient: Organisation, call: tuple[str, str], payload: dict[str, Any]) -> None:
    answer = patient.call(*call, json=payload)
    assert answer.status_code in (200, 204, 400, 404, 412, 501), answer.text


@_RUN
@given(
    pieces=st.lists(
        st.sampled_from(
            [
                "--b\r\n",
                "--b--",
                "--c\r\n",
                "--c--\r\n",
                "\r\n",
                "Content-Type: application/http\r\n",
                "Content-Type: multipart/mixed; boundary=c\r\n",
                "Content-ID: 1\r\n",
                "GET contacts/$count HTTP/1.1\r\n",
                "PATCH $1 HTTP/1.1\r\n",
                "POST contacts HTTP/1.1\r\n",
                '{"lastname":"x","ownerid@odata.bind":"$1"}',
            ]
        ),
        max_size=14,
    )
)
def test_no_batch_makes_it_fail(patient: Organisation, pieces: list[str]) -> None:
    headers = {"Content-Type": "multipart/mixed; boundary=b"}
    answer = patient.call("POST", "$batch", data="".join(pieces).encode(), headers=headers)
    assert answer.status_code in (200, 400), answer.text
    assert "HTTP/1.1 500" not in answer.text
