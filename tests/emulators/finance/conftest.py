"""A retailer with orders in every state, parcels, returns and stock."""

from pathlib import Path

import pytest

from tests.emulators.client import Environment

FILES = {
    "customers": """customer_id,email,first_name,last_name,phone,city,country,birth_date,group,party_id,legal_entity,\
email_consent,modified_at
C-1,ada@example.com,Ada,O'Neil,+15550101,Leeds,GB,1980-02-29,10,000000101,usmf,yes,2026-01-05T08:00:00Z
C-2,bob@example.com,Bob,Baker,,Berlin,DE,,10,000000102,usmf,,
W-9,shop@example.com,,Corner Shop,,Lyon,FR,,WHOLESALE,000000109,usmf,no,2026-01-06T09:30:00Z
C-1,ada@example.com,Ada,O'Neil,,Boston,US,1980-02-29,20,000000101,usrt,,
""",
    "orders": """order_id,customer_id,ordered_at,currency,status,discount,charges,tax,prices_include_tax,total,\
legal_entity,campaign_code
SO-1,C-1,2026-01-15T23:30:15Z,GBP,invoiced,2.00,3.50,4.30,no,25.80,usmf,SPRING
SO-2,C-2,2026-01-20T09:00:00Z,EUR,shipped,,,,,9.99,usmf,
SO-3,C-2,2026-01-21T09:00:00Z,EUR,open,,,,,15.00,usmf,
SO-4,C-2,2026-01-22T09:00:00Z,EUR,cancelled,,,,,5.00,usmf,
SO-5,C-1,2026-01-23T09:00:00Z,GBP,part_shipped,,,,,12.00,usmf,
SO-6,C-1,2026-01-24T09:00:00Z,USD,on_hold,,,,,7.00,usrt,
SO-10,C-1,2026-01-25T09:00:00Z,GBP,,,,,,,usmf,
""",
    "order_lines": """order_id,line_no,line_type,sku,quantity,unit_price,discount,tax,line_total,status
SO-1,2,charge,,1,3.50,,,3.50,invoiced
SO-1,1,goods,MUG,4,5.0000,2.00,4.30,18.00,invoiced
SO-1,3,goods,CUP,1,7.00,,,7.00,cancelled
SO-2,1,goods,CUP,1,9.99,,,,
SO-3,1,goods,MUG,2,5.00,,,,
SO-3,2,goods,CUP,1,5.00,,,,cancelled
SO-4,1,goods,MUG,1,5.00,,,,
SO-5,1,goods,MUG,1,5.00,,,,shipped
SO-5,2,goods,CUP,1,7.00,,,,open
SO-6,1,goods,MUG,1,7.00,,,,
SO-10,1,goods,MUG,1,4.00,,,,shipped
SO-10,2,goods,CUP,1,6.00,,,,invoiced
SO-10,3,goods,CUP,1,6.00,,,,cancelled
""",
    "refunds": """refund_id,order_id,line_no,customer_id,sku,quantity,amount,currency,refunded_at,reason
CN-1,SO-1,1,,,1,4.50,GBP,2026-02-01T10:00:00Z,Return
CN-1,SO-1,2,,,,3.50,GBP,2026-02-01T10:00:00Z,return
CN-2,SO-2,,C-2,CUP,1,2.00,EUR,2026-02-03T10:00:00Z,exchange
CN-3,,,C-2,,,2.00,EUR,2026-02-03T10:00:00Z,Goodwill
CN-4,SO-1,1,,,1,4.50,GBP,2026-02-04T10:00:00Z,cancellation
""",
    "products": """sku,name,category,price,currency
MUG,Blue mug,Kitchen,5.00,GBP
CUP,White cup,Kitchen,7.00,GBP
""",
    "stock": """sku,warehouse,physical,reserved,quarantined,on_order
MUG,11,100,12,8,20
MUG,12,5,0,,
CUP,11,-2,,,
""",
    "dispatches": """dispatch_id,order_id,dispatched_at,carrier,tracking_number
PS-1,SO-1,2026-01-17T16:00:00Z,DHL,JD0001
PS-1,SO-1,2026-01-17T16:00:00Z,DHL,JD0002
PS-2,SO-5,2026-01-24T08:00:00Z,UPS,1Z9
PS-3,SO-2,2026-01-21T08:00:00Z,UPS,
""",
}


@pytest.fixture(scope="session")
def warehouse_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "retailer"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def company(environment: Environment, warehouse_folder: Path) -> Environment:
    """Signed in to the environment of that retailer, nothing going wrong."""
    answer = environment.control("POST", "reset", {"dataset": str(warehouse_folder), "seed": 1})
    assert answer.status_code == 200, answer.text
    return environment
