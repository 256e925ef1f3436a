"""Prima: customers, consent, orders, sales, despatches and stock of one site, as its mapping file describes it."""

from connectors.base import Allowance, Connector, Setting
from connectors.prima import in_use
from connectors.prima.client import Prima
from connectors.prima.model import STREAMS

connector = Connector(
    name="prima",
    title="Prima",
    settings={
        "URL": Setting("address of the service without /wsdl; empty with TRANSPORT=files", ""),
        "TRANSPORT": Setting("soap or files", "soap"),
        "MAPPING_FILE": Setting("the site's mapping file; empty means the assumed contract", ""),
        "SALE_BASIS": Setting("what a sale is: confirmed_order or despatched", "confirmed_order"),
        "EVENT_DAYS": Setting("days back that despatches are told of when nothing was read before", "7"),
        "CONSENT_WRITE_BACK": Setting("yes writes consent to the site, dry-run logs the requests only", "no"),
        "WSDL_FILE": Setting("a copy of the service description, where the site has switched it off", ""),
        "ALLOW_HTTP": Setting("yes where plain http runs over a VPN", "no"),
        "CONNECT_SECONDS": Setting("seconds to wait for a connection", "10"),
        "READ_SECONDS": Setting("seconds without a byte after which an answer is given up", "120"),
        "DEADLINE_SECONDS": Setting("seconds that one answer may take in all", "3600"),
        "AT_ONCE": Setting("calls at a time, all workers on all machines together", "1"),
        "MAX_REPLY_MB": Setting("size of the largest reply that is read", "1024"),
        "QUIET_HOURS": Setting("the site's batch window on its own clock, as 01:00-03:30: no calls in it", ""),
        "SFTP_HOST": Setting("server of the files, host or host:port; empty means FILES_FOLDER on this machine", ""),
        "SFTP_HOST_KEY": Setting("its pinned key: SHA256:… fingerprint, or type and base64 as in known_hosts", ""),
        "SFTP_USER": Setting("user there", ""),
        "SFTP_KEY_FILE": Setting("file with the private key to sign in with", ""),
        "SFTP_PASSWORD": Setting("password, where there is no key", "", secret=True),
        "FILES_FOLDER": Setting("folder that the site puts its files into", "in"),
        "FILES_PROCESSED_FOLDER": Setting("folder for what was read; empty means processed in FILES_FOLDER", ""),
        "FILES_FAILED_FOLDER": Setting("folder for what cannot be read; empty means failed in FILES_FOLDER", ""),
        "FILES_OUT_FOLDER": Setting("folder that we put files for the site into", "out"),
    },
    open=Prima,
    streams=STREAMS,
    inlets=("consent",),
    mapping=in_use.mapping,
    trial=in_use.attempt,
    trial_of=in_use.ENTITIES,
    allowance=lambda settings: Allowance(at_once=settings.number("AT_ONCE")),
    credential=("URL",),
)
