"""What version the environment is: public clients ask before anything else (not in the contract)."""

from connectors.emulators.dynamics365.replies import encode, odata
from connectors.emulators.system import Request, Response

APPLICATION = "10.0.47"  # the release most facts of the contract come from
_PREFIX = "Microsoft.Dynamics.DataEntities."
_ANSWERS = {
    f"/data/DataManagementEntities/{_PREFIX}GetApplicationVersion": APPLICATION,
    f"/data/DataManagementEntities/{_PREFIX}GetPlatformBuildVersion": "7.0.0.0",
    f"/data/SystemNotifications/{_PREFIX}GetInstalledModules": [
        f"Name: ApplicationSuite | Version: {APPLICATION} | Publisher: Emulator | DisplayName: Application Suite"
    ],
}


def answer(request: Request) -> Response | None:
    """None for what is no such action."""
    value = _ANSWERS.get(request.path) if request.method == "POST" else None
    if value is None:
        return None
    kind = "Edm.String" if isinstance(value, str) else "Collection(Edm.String)"
    return odata(encode({"@odata.context": f"{request.base}/data/$metadata#{kind}", "value": value}))
