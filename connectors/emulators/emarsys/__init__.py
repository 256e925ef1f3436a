"""SAP Emarsys, emulated: Core API v3 and v2, its token endpoint, and the sales-data upload."""

from connectors.emulators.emarsys.service import EmarsysSystem as system

__all__ = ["system"]
