"""Microsoft Dynamics 365 as `contracts/dynamics365.md` describes it: Entra ID and Finance & Operations."""

from connectors.emulators.dynamics365.environment import Dynamics365 as system

__all__ = ["system"]
