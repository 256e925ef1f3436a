"""python-odata, an OData client written for no system in particular, reads the emulated Dynamics 365 Finance.

`python python_odata.py http://127.0.0.1:8900`: ends with 1 at the first difference from what the emulator stored.
"""

import json
import sys
import urllib.parse
import urllib.request

import requests
from odata import ODataService

PEOPLE = [("usmf", f"OC-{number:03d}", f"Person {number}") for number in range(1, 26)]


def control(base, method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"{base}/_control/{path}", data, {"Content-Type": "application/json"}, method=method
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read() or b"null")


def signed_in(system):
    client = system["clients"][0]
    form = {
        "client_id": client["client_id"],
        "client_secret": client["client_secret"],
        "grant_type": "client_credentials",
        "scope": system["scope"],
    }
    token = requests.post(system["token_url"], data=form, timeout=30).json()["access_token"]
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"
    return session


def same(what, found, expected):
    if found != expected:
        raise SystemExit(f"{what}: {found!r}, expected {expected!r}")
    print(f"same: {what}")


def main(base):
    system = control(base, "GET", "systems")["dynamics365"]
    for company, account, name in PEOPLE:
        row = {"dataAreaId": company, "CustomerAccount": account, "OrganizationName": name}
        control(base, "PUT", f"dynamics365/customers/{urllib.parse.quote(f'{company}|{account}', safe='')}", row)
    try:
        read(ODataService(system["data"] + "/", reflect_entities=True, session=signed_in(system)))
    finally:
        for company, account, _ in PEOPLE:
            control(base, "DELETE", f"dynamics365/customers/{urllib.parse.quote(f'{company}|{account}', safe='')}")


def read(service):
    """It knows nothing but what `$metadata` says."""
    Customers = service.entities["CustomersV3"]
    ours = Customers.CustomerAccount >= "OC-"
    query = service.query(Customers).filter(ours).order_by(Customers.CustomerAccount.asc())
    same("all of them, in order", [one.CustomerAccount for one in query.all()], [account for _, account, _ in PEOPLE])
    page = service.query(Customers).filter(ours).order_by(Customers.CustomerAccount.asc()).limit(3).offset(20)
    same("a page by offset", [one.OrganizationName for one in page.all()], ["Person 21", "Person 22", "Person 23"])
    one = service.query(Customers).filter(Customers.OrganizationName == "Person 7").first()
    same("one by name", one.CustomerAccount, "OC-007")
    nobody = service.query(Customers).filter(Customers.CustomerAccount == "nobody").all()
    same("nobody by that number", list(nobody), [])


if __name__ == "__main__":
    main(sys.argv[1])
