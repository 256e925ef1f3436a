"""The tables every organisation has, with the columns the contract names (dynamics365.md 3.5, 3.6)."""

from typing import Any

from connectors.emulators.dataverse.schema import Column, Relationship, Table, table

ACTIVE, INACTIVE = 0, 1
ACTIVE_STATUS, INACTIVE_STATUS = 1, 2


def text(name: str, length: int = 100, **rest: Any) -> Column:
    return Column(name, "string", length=length, **rest)


def flag(name: str, yes: str = "Yes", no: str = "No", default: bool | None = False, **rest: Any) -> Column:
    return Column(name, "bool", options={0: no, 1: yes}, default=default, **rest)


def choice(name: str, options: dict[int, str], default: int | None = None, **rest: Any) -> Column:
    return Column(name, "picklist", options=options, default=default, **rest)


def lookup(name: str, *targets: str, navigation: tuple[str, ...] = (), **rest: Any) -> Column:
    """One target: the property is called as the column; several: one property for each, with its name behind."""
    names = navigation or ((name,) if len(targets) == 1 else tuple(f"{name}_{target}" for target in targets))
    return Column(name, "lookup", targets=targets, navigation=names, **rest)


AUDIT = (
    Column("createdon", "datetime", "Created On", writable=False),
    Column("modifiedon", "datetime", "Modified On", writable=False),
    Column("overriddencreatedon", "datetime", "Record Created On"),
    lookup("ownerid", "systemuser", navigation=("ownerid",), label="Owner"),
    Column("versionnumber", "bigint", "Version Number", writable=False),
)
STATE = (
    Column("statecode", "state", "Status", options={ACTIVE: "Active", INACTIVE: "Inactive"}, default=ACTIVE),
    Column(
        "statuscode", "status", "Status Reason", default=ACTIVE_STATUS,
        options={ACTIVE_STATUS: "Active", INACTIVE_STATUS: "Inactive"},
        states={ACTIVE_STATUS: ACTIVE, INACTIVE_STATUS: INACTIVE},
    ),
)  # fmt: skip
_MAIL = tuple(text(f"emailaddress{at}") for at in (1, 2, 3))
_ADDRESS = (
    text("address1_line1", 250), text("address1_line2", 250), text("address1_line3", 250),
    text("address1_city", 80), text("address1_stateorprovince", 50), text("address1_postalcode", 20),
    text("address1_country", 80), text("address1_telephone1", 50),
)  # fmt: skip
_REFUSALS = (
    flag("donotbulkemail", "Do Not Allow", "Allow", label="Do not allow Bulk Emails"),
    flag("donotemail", "Do Not Allow", "Allow", label="Do not allow Emails"),
    # The label's polarity is inverted: true means "do not send" (3.6).
    flag("donotsendmm", "Do Not Send", "Send", label="Send Marketing Materials"),
    flag("donotphone", "Do Not Allow", "Allow", label="Do not allow Phone Calls"),
    flag("donotfax", "Do Not Allow", "Allow", label="Do not allow Faxes"),
    flag("donotpostalmail", "Do Not Allow", "Allow", label="Do not allow Mails"),
    flag("donotbulkpostalmail", label="Do not allow Bulk Mails"),
    flag("followemail", "Allow", "Do Not Allow", default=True, label="Follow Email Activity"),
    choice("preferredcontactmethodcode", {1: "Any", 2: "Email", 3: "Phone", 4: "Fax", 5: "Mail"}, 1),
)
_CONTACT_NAMES = (text("firstname", 50), text("middlename", 50), text("lastname", 50), text("fullname", 160))


def merged(own: str) -> tuple[Column, Column]:
    return flag("merged", writable=False), lookup("masterid", own, writable=False)


CONTACT = table(
    "contact", "contacts", "fullname",
    (
        *_CONTACT_NAMES[:3],
        text("fullname", 160, writable=False),
        text("salutation"), text("nickname"), text("jobtitle"), text("department"),
        *_MAIL,
        text("mobilephone", 50), text("telephone1", 50), text("telephone2", 50), text("websiteurl", 200),
        Column("birthdate", "date", "Birthday"),
        choice("gendercode", {1: "Male", 2: "Female"}),
        choice("customertypecode", {1: "Default Value"}, 1),
        Column("description", "memo", length=2000),
        Column("creditlimit", "money"),
        flag("creditonhold"),
        *_ADDRESS, *_REFUSALS, *STATE, *merged("contact"),
        lookup("parentcustomerid", "account", "contact"),
        text("externaluseridentifier", 50),
        text("msdyn_contactpersonid", 20, schema_name="msdyn_contactpersonid"),
        text("msdyn_partynumber", 100), flag("msdyn_sellable"),
        *AUDIT,
    ),
    mergeable=True,
)  # fmt: skip
ACCOUNT = table(
    "account", "accounts", "name",
    (
        text("name", 160), text("accountnumber", 20), *_MAIL,
        text("telephone1", 50), text("telephone2", 50), text("fax", 50), text("websiteurl", 200),
        choice("industrycode", {1: "Accounting", 8: "Consumer Services", 27: "Retail", 33: "Wholesale"}),
        choice("accountcategorycode", {1: "Preferred Customer", 2: "Standard"}),
        choice("customertypecode", {1: "Competitor", 3: "Customer", 10: "Supplier", 12: "Other"}),
        Column("numberofemployees", "int", minimum=0, maximum=1_000_000_000),
        Column("revenue", "money"), Column("creditlimit", "money"), flag("creditonhold"),
        Column("description", "memo", length=2000),
        *_ADDRESS, *_REFUSALS, *STATE, *merged("account"),
        lookup("primarycontactid", "contact"), lookup("parentaccountid", "account"),
        text("msdyn_partynumber", 100), flag("msdyn_sellable"),
        *AUDIT,
    ),
    mergeable=True,
)  # fmt: skip
LEAD = table(
    "lead", "leads", "fullname",
    (
        text("subject", 300), *_CONTACT_NAMES[:3], text("fullname", 160, writable=False), text("companyname"), *_MAIL,
        text("mobilephone", 50),
        Column("statecode", "state", options={0: "Open", 1: "Qualified", 2: "Disqualified"}, default=0),
        Column(
            "statuscode", "status", default=1,
            options={1: "New", 2: "Contacted", 3: "Qualified", 4: "Lost", 7: "Canceled"},
            states={1: 0, 2: 0, 3: 1, 4: 2, 7: 2},
        ),
        *merged("lead"), lookup("parentcontactid", "contact"), lookup("parentaccountid", "account"), *AUDIT,
    ),
    mergeable=True, tracked=False,
)  # fmt: skip
INCIDENT = table(
    "incident", "incidents", "title",
    (
        text("title", 200), text("ticketnumber"), Column("description", "memo", length=2000),
        Column("statecode", "state", options={0: "Active", 1: "Resolved", 2: "Canceled"}, default=0),
        Column(
            "statuscode", "status", default=1,
            options={1: "In Progress", 2: "On Hold", 5: "Problem Solved", 6: "Canceled", 2000: "Merged"},
            states={1: 0, 2: 0, 5: 1, 6: 2, 2000: 2},
        ),
        lookup("customerid", "account", "contact"), lookup("primarycontactid", "contact"), *merged("incident"), *AUDIT,
    ),
    mergeable=True, tracked=False, label="Case",
)  # fmt: skip
_CHANNELS = {534120000: "Email", 534120001: "Text Message", 534120002: "Custom", 534120003: "Voice"}
_SOURCES = {
    534120000: "Internal", 534120001: "Preference page", 534120002: "Text message", 534120003: "Loaded",
    534120004: "Preference Center", 534120005: "Realtime Marketing Form", 534120006: "Subscription Center",
    534120007: "Email - list-unsubscribe",
}  # fmt: skip
OPTED_IN, OPTED_OUT = 534120001, 534120002
EMAIL_CHANNEL = PURPOSE_CONSENT = 534120000
LOADED = 534120003
CONSENT = table(
    "msdynmkt_contactpointconsent4", "msdynmkt_contactpointconsent4s", "msdynmkt_contactpointvalue",
    (
        text("msdynmkt_contactpointvalue", 400),
        choice("msdynmkt_contactpointtype", _CHANNELS),
        choice("msdynmkt_contactpointconsenttype", {534120000: "Purpose", 534120001: "Topic"}),
        choice("msdynmkt_value", {534120000: "Not Set", OPTED_IN: "Opted In", OPTED_OUT: "Opted Out"}),
        lookup("msdynmkt_purposeid", "msdynmkt_purpose", navigation=("msdynmkt_purposeId",)),
        lookup("msdynmkt_topicid", "msdynmkt_topic", navigation=("msdynmkt_topicId",)),
        choice("msdynmkt_source", _SOURCES, 534120000),
        text("msdynmkt_reason", 500),
        *STATE, *AUDIT,
    ),
    label="Contact Point Consent",
)  # fmt: skip
PURPOSE = table(
    "msdynmkt_purpose", "msdynmkt_purposes", "msdynmkt_name",
    (text("msdynmkt_name", 850), *STATE, *AUDIT), label="Purpose",
)  # fmt: skip
TOPIC = table(
    "msdynmkt_topic", "msdynmkt_topics", "msdynmkt_name",
    (text("msdynmkt_name", 850), lookup("msdynmkt_purposeid", "msdynmkt_purpose", navigation=("msdynmkt_purposeId",)),
     *STATE, *AUDIT), label="Topic",
)  # fmt: skip
SYSTEM_USER = table(
    "systemuser", "systemusers", "fullname",
    (text("fullname", 200, writable=False), text("domainname"), Column("applicationid", "guid"), flag("isdisabled"),
     *AUDIT), label="User", tracked=False,
)  # fmt: skip
ORGANIZATION = table(
    "organization", "organizations", "name",
    (text("name", 160, writable=False), text("version", 50, writable=False),
     Column("expirechangetrackingindays", "int", schema_name="ExpireChangeTrackingInDays", minimum=0, maximum=365),
     *AUDIT), tracked=False,
)  # fmt: skip

STANDARD: dict[str, Table] = {
    found.name: found
    for found in (CONTACT, ACCOUNT, LEAD, INCIDENT, CONSENT, PURPOSE, TOPIC, SYSTEM_USER, ORGANIZATION)
}
RELATIONSHIPS: tuple[Relationship, ...] = (
    Relationship("contact_master_contact", "contact", "contact", "masterid"),
    Relationship("contact_customer_accounts", "account", "contact", "parentcustomerid"),
    Relationship("contact_customer_contacts", "contact", "contact", "parentcustomerid"),
    Relationship("account_master_account", "account", "account", "masterid"),
    Relationship("account_primary_contact", "contact", "account", "primarycontactid"),
    Relationship("account_parent_account", "account", "account", "parentaccountid"),
    Relationship("lead_master_lead", "lead", "lead", "masterid"),
    Relationship("lead_parent_contact", "contact", "lead", "parentcontactid"),
    Relationship("lead_parent_account", "account", "lead", "parentaccountid"),
    Relationship("incident_customer_accounts", "account", "incident", "customerid"),
    Relationship("incident_customer_contacts", "contact", "incident", "customerid"),
    Relationship("contact_as_primary_contact", "contact", "incident", "primarycontactid"),
)
