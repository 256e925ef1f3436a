"""Dataverse (Customer Engagement): customers and consent by change tracking, consent written back with If-Match."""

from connectors.base import Allowance, Connector, Setting
from connectors.dynamics365.dataverse.client import Dataverse
from connectors.dynamics365.dataverse.notices import notice

connector = Connector(
    name="dynamics365.dataverse",
    title="Dynamics 365 Dataverse",
    settings={
        "URL": Setting("address of the organisation; its Web API is below URL/API"),
        "API": Setting("path of the Web API below URL", "api/data/v9.2"),
        "TENANT": Setting("Entra tenant id or domain"),
        "CLIENT_ID": Setting("application (client) id"),
        "CLIENT_SECRET": Setting("client secret", secret=True),
        "TOKEN_URL": Setting(
            "token endpoint; {tenant} stands for TENANT", "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"
        ),
        "SCOPE": Setting("scope to ask for; {url} stands for URL", "{url}/.default"),
        "TABLES": Setting("where customers are kept: contacts, accounts or both, comma separated", "contacts"),
        "CONTACT_NUMBER": Setting("contacts' column with the ERP's customer number", "msdyn_contactpersonid"),
        "ACCOUNT_NUMBER": Setting("accounts' column with the ERP's customer number", "accountnumber"),
        "PARTY_FIELD": Setting("column with the ERP's party number", "msdyn_partynumber"),
        "TIER_FIELD": Setting("this organisation's column with the loyalty tier; empty means none", ""),
        "EXCLUDE": Setting(
            "rows kept out of the target: rule:column=pattern, comma separated; * is any text, as in "
            "test_account:emailaddress1=*@test.example.com",
            "",
        ),
        "PAGE_SIZE": Setting("rows asked for in one request (the service gives 5,000 at most)", "5000"),
        "GAP_MINUTES": Setting("minutes before the start of a first read from which its rows are read again", "15"),
        "CALLS_PER_MINUTE": Setting(
            "requests a minute, all workers together (the service allows 6,000 in five minutes)", "1200"
        ),
        "AT_ONCE": Setting("requests at a time, all workers together (the service refuses more than 52)", "50"),
        "BUSY_SECONDS": Setting("seconds of work in five minutes (the service allows 1,200)", "1150"),
        "CONCURRENCY": Setting("writes at a time (the service refuses more than 52 requests at once)", "4"),
        "CONSENT_SOURCE": Setting(
            "what holds consent: contact (flags of the row) or contact_point (by e-mail and purpose)", "contact"
        ),
        "CONSENT_CHANNEL": Setting("the channel whose consent is read and written", "email"),
        "CONSENT_FLAGS": Setting(
            "what each flag says when true/when false: yes, no or nothing",
            "donotbulkemail=no/yes,donotemail=no/,donotsendmm=no/",
        ),
        "CONSENT_WRITE": Setting("the flags that are written, comma separated", "donotbulkemail"),
        "CONSENT_PURPOSE": Setting("id of the purpose, where CONSENT_SOURCE is contact_point", ""),
    },
    open=Dataverse,
    streams=("customer", "consent"),
    inlets=("consent",),
    notice=notice,
    allowance=lambda settings: Allowance(
        5 * settings.number("CALLS_PER_MINUTE"), 300, settings.number("AT_ONCE"), settings.number("BUSY_SECONDS")
    ),
)
