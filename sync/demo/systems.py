"""The emulated systems, asked through their control API: where they are, and what a colleague does behind our back."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Emulators:
    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"

    def ready(self) -> bool:
        try:
            self._call("GET", "systems")
        except OSError:
            return False
        return True

    def environment(self) -> dict[str, str]:
        """The settings of both connections, as the systems themselves give their addresses and credentials."""
        systems = self._call("GET", "systems")
        erp, target = systems["dynamics365"], systems["emarsys"]
        client = erp["clients"][0]
        return {
            "CONNECTIONS": "dynamics365,emarsys",
            "DYNAMICS365_CONNECTOR": "dynamics365.finance",
            "DYNAMICS365_URL": erp["environment"],
            "DYNAMICS365_TENANT": erp["tenant"],
            "DYNAMICS365_TOKEN_URL": erp["token_url"],
            "DYNAMICS365_CLIENT_ID": client["client_id"],
            "DYNAMICS365_CLIENT_SECRET": client["client_secret"],
            "EMARSYS_URL": target["url"],
            "EMARSYS_TOKEN_URL": target["token_url"],
            "EMARSYS_CLIENT_ID": target["client_id"],
            "EMARSYS_CLIENT_SECRET": target["client_secret"],
            "EMARSYS_SALES_URL": target["sales_url"],
            "EMARSYS_MERCHANT_ID": target["merchant_id"],
            "EMARSYS_SALES_TOKEN": target["sales_token"],
            "SYNC_GRACE_SECONDS": "0",  # what these accept they show at once
        }

    def sizes(self) -> dict[str, dict[str, int]]:
        systems = self._call("GET", "systems")
        return {name: described["collections"] for name, described in systems.items()}

    def plant(self, name: str, seed: int) -> dict[str, int]:
        """Plants a list of differences in Emarsys; how many there are of each kind."""
        planted: dict[str, int] = self._call("POST", "plant", {"list": name, "seed": seed})["emarsys"]
        return planted

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        address = f"{self.base}/_control/{path}"
        request = urllib.request.Request(address, data, {"Content-Type": "application/json"}, method=method)  # noqa: S310 - loopback
        with NO_PROXY.open(request, timeout=60) as answer:
            return json.loads(answer.read())
