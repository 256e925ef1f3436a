"""The Dataverse Web API as `contracts/dynamics365.md` section 3 describes it; one system, several organisations."""

from connectors.emulators.dataverse.dataverse import Dataverse as system

__all__ = ["system"]
