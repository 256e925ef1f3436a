"""Dynamics 365 Finance & Supply Chain over OData: no set tells what changed, so scans, windows and keys do."""

from connectors.base import Allowance, Connector
from connectors.dynamics365.finance.client import Finance
from connectors.dynamics365.finance.notices import notice
from connectors.dynamics365.finance.settings import SETTINGS
from connectors.dynamics365.finance.streams import STREAMS

connector = Connector(
    name="dynamics365.finance",
    title="Dynamics 365 Finance",
    settings=SETTINGS,
    open=Finance,
    streams=STREAMS,
    notice=notice,
    allowance=lambda settings: Allowance(settings.number("CALLS_PER_MINUTE")),
)
