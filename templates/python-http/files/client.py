"""How other services are called: with a deadline, tried again where that is safe, and not at all for a
moment while the service keeps failing."""

import asyncio
import json
import logging
import os
import random
import time
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout

import telemetry
from problem import Problem

log = logging.getLogger("client")

CALL_FOR = 5.0  # seconds, retries and body included
MAX_ANSWER = 8 << 20  # bytes
TRIES = 3
IDEMPOTENT = ("GET", "HEAD", "PUT", "DELETE")


class Failing(Problem):
    """The service did not do it, or nobody knows: another try may help, and the circuit counts it."""


class Circuit:
    """Opens for a second after five failures in a row; then one call is let through to see."""

    AFTER, FOR = 5, 1.0

    def __init__(self, service: str) -> None:
        self.service = service
        self.failures = 0
        self.until = 0.0

    def enter(self) -> None:
        if self.failures < self.AFTER:
            return
        if time.monotonic() < self.until:
            raise Problem(503, "unavailable", f"{self.service} keeps failing")
        self.until = time.monotonic() + self.FOR

    def note(self, failed: bool) -> None:
        was = self.failures >= self.AFTER
        self.failures = self.failures + 1 if failed else 0
        if self.failures >= self.AFTER:
            self.until = time.monotonic() + self.FOR
        if was != (self.failures >= self.AFTER):
            log.warning("circuit changed", extra={"to": self.service, "state": "closed" if was else "open"})


class Budget:
    """Lets one call in five be tried again, and a few more: a service that is down is not asked thrice as often."""

    MOST, EARNED = 10.0, 0.2

    def __init__(self) -> None:
        self.left = self.MOST

    def earn(self) -> None:
        self.left = min(self.MOST, self.left + self.EARNED)

    def spend(self) -> bool:
        if self.left < 1:
            return False
        self.left -= 1
        return True


class Client:
    """Calls one other service by its name in stack.yaml: users is at USERS_URL."""

    def __init__(self, service: str, session: ClientSession, url: str = "") -> None:
        name = service.upper().replace("-", "_") + "_URL"
        self.base = (url or os.environ.get(name, "")).rstrip("/")
        if not self.base:
            raise ValueError(f"read {name}: not set")
        self.service, self.session = service, session
        self.circuit, self.budget = Circuit(service), Budget()

    async def json(self, method: str, path: str, body: Any = None) -> Any:
        """Returns the answer's JSON, or None where it has none.

        What the service refuses is a Problem of its status; else it is 502, 503 or 504.
        """
        tries = TRIES if method in IDEMPOTENT else 1
        self.budget.earn()
        try:
            async with asyncio.timeout(CALL_FOR):
                for n in range(1, tries + 1):
                    try:
                        return await self.once(method, path, body)
                    except Failing:
                        if n == tries or not self.budget.spend():
                            raise
                        await asyncio.sleep(0.05 * 2 ** (n - 1) * (0.5 + random.random()))
        except TimeoutError as e:
            self.circuit.note(True)
            raise Problem(504, "timeout", f"{self.service} took too long") from e

    async def once(self, method: str, path: str, body: Any) -> Any:
        self.circuit.enter()
        try:
            status, text = await self.send(method, path, body)
        except (ClientError, OSError) as e:
            self.circuit.note(True)
            raise Failing(502, "bad-gateway", f"{self.service} does not answer") from e
        self.circuit.note(status >= 500)
        return self.read(status, text)

    async def send(self, method: str, path: str, body: Any) -> tuple[int, bytes]:
        with telemetry.calling(self.service, method, self.base + path) as (headers, out):
            if telemetry.correlation.get():
                headers["X-Correlation-ID"] = telemetry.correlation.get()
            async with self.session.request(method, self.base + path, json=body, headers=headers,
                                            allow_redirects=False, timeout=ClientTimeout(total=4)) as answer:
                out["status"] = answer.status
                text = b""
                async for part in answer.content.iter_chunked(64 << 10):
                    text += part
                    if len(text) > MAX_ANSWER:
                        raise ClientError("the answer is too long")
                return answer.status, text

    def read(self, status: int, text: bytes) -> Any:
        try:
            body = json.loads(text) if text else None
        except ValueError:
            body = None
        if status >= 500:
            raise Failing(502, "bad-gateway", f"{self.service} answered {status}")
        if status >= 400:
            known = body if isinstance(body, dict) else {}
            raise Problem(status, str(known.get("code", "refused")),
                          str(known.get("detail", f"{self.service} answered {status}")))
        if status >= 300:
            raise Problem(502, "bad-gateway", f"{self.service} answered {status}")
        return body
