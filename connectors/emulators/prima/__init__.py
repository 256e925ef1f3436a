"""Prima as `contracts/prima.md` describes it: its SOAP service and the file drop beside it."""

from connectors.emulators.prima.service import Prima as system

__all__ = ["system"]
