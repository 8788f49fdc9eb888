"""A real browser, driven by its own protocol: open a page, do what people do, see what they see.

Source: Chrome DevTools Protocol, Page, Runtime, Input and Emulation.
"""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

from tests.running import PATIENCE, eventually

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--no-first-run")


class Browser:
    """One browser with one page. `width` and `height` in CSS pixels; close it when done."""

    def __init__(self, width: int = 1280, height: int = 900) -> None:
        assert BROWSER, "no Chromium on this machine"
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        command = [BROWSER, *_OPTIONS, f"--user-data-dir={self._folder.name}", f"--window-size={width},{height}"]
        self._process = subprocess.Popen(
            [*command, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._runner = asyncio.Runner()
        self._number = 0
        self.said: list[str] = []  #: what the page wrote to the console, and what the browser refused
        self._runner.run(self._connect(self._port()))
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        """End it."""
        self._runner.run(self._session.close())
        self._runner.close()
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()

    def call(self, method: str, **given: Any) -> Any:
        """Send one command of the protocol and return its result."""
        return self._runner.run(self._call(method, given))

    def open(self, address: str) -> None:
        """Go to an address and wait until its page is there."""
        self.call("Page.navigate", url=address)
        self.until("document.readyState == 'complete' && location.href != 'about:blank'")

    def see(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def until(self, expression: str) -> Any:
        """Wait until an expression is true in the page, over navigations; returns its value."""
        return self._until(lambda: self.see(expression), expression)

    def press(self, key: str, times: int = 1) -> None:
        """Press a key: Tab, Enter, or a letter."""
        codes = {"Tab": 9, "Enter": 13, " ": 32}
        texts = {"Enter": "\r", " ": " "}
        about = {"key": key, "windowsVirtualKeyCode": codes.get(key, ord(key[0].upper())), "text": texts.get(key, "")}
        for _ in range(times):
            self.call("Input.dispatchKeyEvent", type="keyDown", **about)
            self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    def write(self, text: str) -> None:
        """Type into what has the focus."""
        self.call("Input.insertText", text=text)

    def look(self, scheme: str = "light", width: int = 1280, height: int = 900, *, script: bool = True) -> None:
        """See as others do: in the dark, on a phone, without script."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setScriptExecutionDisabled", value=not script)

    def picture(self, to: Path, highest: int = 1100) -> None:
        """Write the page as PNG, from its top to its end, or as high as it may be."""
        width, height = self.see("[innerWidth, document.body.offsetHeight]")
        clip = {"x": 0, "y": 0, "width": width, "height": min(height, highest), "scale": 1}
        told = self.call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        to.write_bytes(base64.b64decode(told["data"]))

    def _until(self, ask: Callable[[], Any], what: str) -> Any:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                if found := ask():
                    return found
            except (AssertionError, RuntimeError):
                pass  # between two pages there is none to ask
            assert time.monotonic() < deadline, f"not within {PATIENCE} s: {what}"
            time.sleep(0.05)

    def _port(self) -> str:
        """The port that the browser took, once it has said so."""
        said = Path(self._folder.name, "DevToolsActivePort")
        eventually(lambda: said.exists() and said.read_text().count("\n"))
        return said.read_text().splitlines()[0]

    async def _connect(self, port: str) -> None:
        self._session = aiohttp.ClientSession()
        address = f"http://127.0.0.1:{port}/json"
        async with self._session.get(address) as answer:
            pages = [one for one in await answer.json() if one["type"] == "page"]
        self._socket = await self._session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0)

    async def _call(self, method: str, given: dict[str, Any]) -> Any:
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": given})
        while True:
            told = json.loads((await self._socket.receive(timeout=PATIENCE)).data)
            if told.get("id") == self._number:
                if "error" in told:
                    raise RuntimeError(f"{method}: {told['error']['message']}")
                return told["result"]
            if told.get("method") == "Log.entryAdded":
                self.said.append(told["params"]["entry"]["text"])
            elif told.get("method") == "Runtime.exceptionThrown":
                self.said.append(str(told["params"]["exceptionDetails"]))
