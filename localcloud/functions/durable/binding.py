"""The JSON a ``durableClient`` binding gets, and the check-status payload of the management API.

Source: azure-functions-durable-extension, ``BindingHelper.cs`` and ``HttpApiHandler.cs``.
"""

from __future__ import annotations

from urllib.parse import quote, urlencode

from localcloud.functions.durable.events import dump

_PLACEHOLDER = "INSTANCEID"
WEBHOOK_PATH = "/runtime/webhooks/durabletask"
RPC_PATH = "/durabletask"


class Addresses:
    """Builds addresses of instances below ``origin`` (e.g. ``http://127.0.0.1:7071``); ``key`` opens the webhooks."""

    def __init__(self, hub_name: str, key: str) -> None:
        self.hub_name = hub_name
        self._key = key

    def management(self, origin: str, instance_id: str = _PLACEHOLDER) -> dict[str, str]:
        """Return every management address of an instance."""
        base = f"{origin}{WEBHOOK_PATH}/instances/{quote(instance_id, safe='')}"
        query = urlencode({"taskHub": self.hub_name, "connection": "Storage", "code": self._key})
        return {
            "id": instance_id,
            "statusQueryGetUri": f"{base}?{query}",
            "sendEventPostUri": f"{base}/raiseEvent/{{eventName}}?{query}",
            "terminatePostUri": f"{base}/terminate?reason={{text}}&{query}",
            "rewindPostUri": f"{base}/rewind?reason={{text}}&{query}",
            "purgeHistoryDeleteUri": f"{base}?{query}",
            "restartPostUri": f"{base}/restart?{query}",
            "suspendPostUri": f"{base}/suspend?reason={{text}}&{query}",
            "resumePostUri": f"{base}/resume?reason={{text}}&{query}",
        }

    def binding(self, origin: str, rpc_port: int) -> str:
        """Return the client binding's JSON."""
        create = f"{origin}{WEBHOOK_PATH}/orchestrators/{{functionName}}[/{{instanceId}}]"
        code = urlencode({"code": self._key})
        return dump(
            {
                "taskHubName": self.hub_name,
                "connectionName": None,
                "creationUrls": {
                    "createNewInstancePostUri": f"{create}?{code}",
                    "createAndWaitOnNewInstancePostUri": (
                        f"{create}?timeout={{timeoutInSeconds}}&pollingInterval={{intervalInSeconds}}&{code}"
                    ),
                },
                "managementUrls": self.management(origin),
                "baseUrl": f"{origin}{WEBHOOK_PATH}",
                "requiredQueryStringParameters": code,
                "rpcBaseUrl": f"http://127.0.0.1:{rpc_port}{RPC_PATH}/",
            }
        )

    def check_status(self, origin: str, instance_id: str) -> dict[str, str]:
        """Return what a start answers: all addresses but the one for rewinding."""
        return {key: url for key, url in self.management(origin, instance_id).items() if key != "rewindPostUri"}
