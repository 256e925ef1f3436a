"""Answers as Finance & Operations gives them: rows, and its nested error envelope (dynamics365.md 2.6)."""

from typing import Any

import msgspec

from connectors.emulators.dynamics365.schema import NAMESPACE
from connectors.emulators.system import Response

encode = msgspec.json.Encoder().encode
_FRAMES = (
    "Microsoft.Dynamics.Platform.Integration.Services.OData.Update.UpdateProcessor.CreateEntity_Save(ChangeContext c)",
    "Microsoft.Dynamics.Platform.Integration.Services.OData.Update.ChangeInfo.ExecuteActionsInCompanyContext()",
    "Microsoft.Dynamics.Platform.Integration.Services.OData.ODataQueryController.Read(ODataPath path)",
    "Microsoft.Dynamics.Ax.Xpp.DictMethodHelper.InvokeInstance(MethodInfo method, Object target, Object[] values)",
    "System.Web.Http.Controllers.ReflectedHttpActionDescriptor.ActionExecutor.InvokeActionAsync(Object instance)",
    "System.Runtime.CompilerServices.TaskAwaiter.HandleNonSuccessAndDebuggerNotification(Task task)",
    "System.Web.Http.Filters.ActionFilterAttribute.CallOnActionExecutedAsync(HttpActionContext actionContext)",
)
# Many kB, as they are (2.6).
_STACK = "\r\n".join(f"   at {frame}" for frame in _FRAMES * 6)


class ODataError(Exception):
    """A request that is refused: status and what the innermost exception says."""

    def __init__(self, status: int, message: str, kind: str = "Microsoft.OData.ODataException") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind


def odata(value: bytes, status: int = 200, records: int = 0, detail: str = "minimal", **headers: str) -> Response:
    content_type = f"application/json; odata.metadata={detail}; odata.streaming=true"
    return Response(status, value, {"Content-Type": content_type, "OData-Version": "4.0", **headers}, records)


def failed(error: ODataError) -> Response:
    """The envelope of 2.6: the useful text sits in the innermost exception."""
    inner = {"message": error.message, "type": error.kind, "stacktrace": _STACK}
    outer: dict[str, Any] = {
        "message": "The query specified in the URI is not valid. See the inner exception for details.",
        "type": "System.InvalidOperationException",
        "stacktrace": _STACK,
        "internalexception": inner,
    }
    return odata(
        encode({"error": {"code": "", "message": "An error has occurred.", "innererror": outer}}), error.status
    )


def unknown_property(name: str, type_name: str) -> ODataError:
    return ODataError(400, f"Could not find a property named '{name}' on type '{NAMESPACE}.{type_name}'.")
