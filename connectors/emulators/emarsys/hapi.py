"""The sales-data upload on the other host (contract 6.1)."""

import re

from connectors.emulators.emarsys.accounts import Account, Accounts
from connectors.emulators.emarsys.auth import is_sales_token
from connectors.emulators.emarsys.replies import plain
from connectors.emulators.emarsys.sales_file import HeaderError
from connectors.emulators.system import Request, Response

_PATH = re.compile(r"/hapi/merchant/([^/]+)/sales-data/api/?")


def merchant_account(accounts: Accounts, path: str) -> Account | None:
    match = _PATH.fullmatch(path)
    return accounts.by("merchant_id", match[1]) if match else None


def upload(account: Account | None, request: Request) -> Response:
    """Acceptance only: what became of the rows stands in `sales_uploads` after the switch `load_seconds`.

    Error bodies are plain text (14.2).
    """
    if _PATH.fullmatch(request.path) is None:
        return plain("Not found\n", 404)
    if account is None or not is_sales_token(account, request.headers.get("authorization", "")):
        return plain("Unauthorized\n", 401)
    if request.method != "POST":
        return plain("Method not allowed\n", 405)
    try:
        report = account.sales.upload(
            request.body.decode("utf-8"), account.now(), int(account.settings["load_seconds"])
        )
    except UnicodeDecodeError:
        return plain("The file is not UTF-8\n", 400)
    except HeaderError as error:
        return plain(f"{error}\n", 400)
    return plain("Upload accepted\n", 200, report["rows"])
