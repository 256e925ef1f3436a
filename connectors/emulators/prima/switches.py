"""What the contract leaves open, per environment: `prima.<environment>.<name>` before `prima.<name>`."""

from collections.abc import Mapping

DEFAULTS = {
    # SOAP (contract 2 and 3): the names are invented, the WSDL tells them
    "style": "rpc_literal",  # rpc_literal, document_literal, rpc_encoded
    "target_uri": "urn:omlink",
    "object": "omhandler",
    "input_part": "ipRequest",
    "company_part": "ipCompany",
    "output_part": "opResponse",
    "result": "no",  # RPC replies carry `result` only if the deployer asked for it (3)
    "wsdl": "yes",  # an administrator can switch the description off (3)
    "companies": "",  # ids `comwsomhandler` accepts, separated by commas; empty = any that is not empty
    "down": "no",  # yes = the application server behind the adapter is away; html, empty: see the README
    # Inner XML (4)
    "dialect": "",  # empty: assumed
    "declaration": "no",  # yes = the reply says encoding="ISO-8859-1" although it is Unicode already
    "double_escape": "no",
    "output": "as_is",  # what the output holds: as_is, empty, html, text, cut, doctype (an entity bomb)
    "envelope_encoding": "utf-8",  # utf-8, iso-8859-1, wrong (Latin-1 bytes that are said to be UTF-8)
    "absent": "empty",  # how "not given" is written: empty, missing, question
    "letters": "as_is",  # element and attribute names: as_is, lower, upper
    "quirks": "",  # accents, ampersand, quotes, upper, lower, blanks, placeholder_email, question
    # Requests (7)
    "off": "",  # request types the site does not have
    "change_filter": "yes",  # no = ChangedSince is not known, everything comes (mode full)
    "server_time": "yes",
    "page_size": "500",  # without MaxRecords
    "largest_page": "5000",
    "blank": "unchanged",  # CustomerUpdate, an empty flag: unchanged, no, error
    "order_overwrites_consent": "no",  # what a new order says of consent reaches the customer (2, question 7)
    "bulk_rows": "0",  # StockStatus and ProductAvailableToSell answer so many made-up rows
    # Operation
    "latency": "0",  # seconds every call takes, with an agent held
    "agents": "0",  # calls at a time before the agent pool is busy; 0 = any number
    # Files (9)
    "separator": "|",
    "file_encoding": "cp1252",
    "drop_mode": "rename",  # rename, done, trailer, size
    "sftp_password": "",  # a password logs in besides the key
    "sftp_breaks_after": "0",  # bytes of a file after which reading it fails
}


class Switches:
    """Read anew at every use: the control API changes them."""

    def __init__(self, settings: Mapping[str, str], environment: str) -> None:
        self._settings = settings
        self._environment = environment

    def __getitem__(self, name: str) -> str:
        default = self._settings.get(f"prima.{name}", DEFAULTS[name])
        return self._settings.get(f"prima.{self._environment}.{name}", default)

    def says(self, name: str) -> bool:
        return self[name].lower() in ("yes", "1", "true")

    def number(self, name: str) -> int:
        return int(self[name])

    def words(self, name: str) -> frozenset[str]:
        return frozenset(word.strip() for word in self[name].split(",") if word.strip())
