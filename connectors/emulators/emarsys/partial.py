"""The fault kind `partial`: some rows of a batch are refused inside a 200 (contract 13.12)."""

from collections.abc import Mapping, Sequence
from typing import Any

Refused = dict[int, tuple[int, str]]


def refusals(fault: Mapping[str, Any] | None, keys: Sequence[Any]) -> Refused:
    """By position, code and text for the rows with the keys the fault names, else for the first `count`."""
    if not fault or fault.get("kind") != "partial":
        return {}
    code = int(fault.get("code", 2007))
    text = str(fault.get("message", "Invalid choice id for field id: 14"))
    if "keys" in fault:
        named = {str(one) for one in fault["keys"]}
        chosen = [at for at, key in enumerate(keys) if str(key) in named]
    else:
        chosen = list(range(min(int(fault.get("count", 1)), len(keys))))
    return dict.fromkeys(chosen, (code, text))
