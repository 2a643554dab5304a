"""Headless Chromium by its DevTools protocol over two pipes, which needs no library."""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--hide-scrollbars"),
]
# Chromium reads commands from descriptor 3 and writes to 4; pytest may use both in this process.
LAUNCH = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); "
    "os.execv(sys.argv[3], sys.argv[3:])"
)
# Seconds for any answer, on a machine with much else to do.
PATIENCE = 60.0


def find(folder: Path) -> str | None:
    """The first browser on this machine that opens a page; some are only a hint, or may not."""
    for program in filter(None, map(shutil.which, NAMES)):
        command = [program, *FLAGS, f"--user-data-dir={folder}", "--dump-dom", "about:blank"]
        with suppress(subprocess.TimeoutExpired):
            said = subprocess.run(command, capture_output=True, timeout=PATIENCE)
            if said.returncode == 0 and b"<html" in said.stdout:
                return program
    return None


class Browser:
    """A browser with one page. Close it at the end."""

    def __init__(self, program: str, folder: Path) -> None:
        theirs, self._commands = pipe()
        self._answers, theirs_too = pipe()
        launch = [sys.executable, "-c", LAUNCH, str(theirs), str(theirs_too)]
        self._process = subprocess.Popen(
            [*launch, program, *FLAGS, "--remote-debugging-pipe", f"--user-data-dir={folder}"],
            pass_fds=(theirs, theirs_too),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs)
        os.close(theirs_too)
        self._number, self._session, self._rest = 0, None, b""
        self.events: list[dict[str, Any]] = []
        target = self.do("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.do("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.do(f"{domain}.enable")

    def do(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; what happens meanwhile goes to ``events``."""
        self._number += 1
        said = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            said["sessionId"] = self._session
        os.write(self._commands, json.dumps(said).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            self.events.append(answer)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def open(self, path: Path, *, width: int = 1100, scheme: str = "light") -> None:
        """Open a file at a width, in a colour scheme, and wait until it is loaded."""
        self.events.clear()
        sizes = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.do("Emulation.setDeviceMetricsOverride", **sizes)
        scheme_wanted = {"name": "prefers-color-scheme", "value": scheme}
        self.do("Emulation.setEmulatedMedia", features=[scheme_wanted])
        self.do("Page.navigate", url=path.resolve().as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())

    def tell(self, expression: str) -> Any:
        """The value of an expression of JavaScript in the page."""
        said = self.do("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in said, said
        return said["result"]["value"]

    def complaints(self) -> list[Any]:
        """Errors and warnings of the console, requests that failed, and requests to elsewhere."""
        self.do("Runtime.evaluate", expression="0")  # what was said before its answer is here now
        return [event for event in self.events if is_complaint(event["method"], event["params"])]

    def close(self) -> None:
        self._session = None
        self.do("Browser.close")
        self._process.wait(PATIENCE)
        os.close(self._commands)
        os.close(self._answers)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._answers], [], [], PATIENCE)
            assert ready, f"Chromium has said nothing for {PATIENCE:g} s"
            read = os.read(self._answers, 1 << 20)
            assert read, f"Chromium has ended with code {self._process.wait(PATIENCE)}"
            self._rest += read
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)


def pipe() -> tuple[int, int]:
    """Both ends of a pipe, none of them with a number that Chromium uses."""
    ends = os.pipe()
    high = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return high[0], high[1]


def is_complaint(method: str, told: dict[str, Any]) -> bool:
    if method == "Log.entryAdded":
        return told["entry"]["level"] in ("error", "warning")
    if method == "Runtime.consoleAPICalled":
        return told["type"] in ("error", "warning", "assert")
    if method == "Network.requestWillBeSent":
        return not told["request"]["url"].startswith(("file:", "data:"))
    return method in ("Runtime.exceptionThrown", "Network.loadingFailed")
