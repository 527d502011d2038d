"""What push needs of notifications and of legacy, which plays the push provider, as Pact contracts. The service's own
code handles the messages and makes the calls."""

import asyncio
import json
import os
import tempfile
import unittest

from aiohttp import ClientSession
from pact import Pact, match

import message
from consumer import Permanent
from inbox import Inbox
from message import Message
from provider import Provider
from push import SENT, Pusher

# Run by hand the pacts go nowhere. One process writes them all: two that write one file lose interactions.
DIR = os.environ.get("MSCTL_PACT_DIR") or tempfile.mkdtemp()


class Broker:
    """Keeps what is published."""

    def __init__(self) -> None:
        self.out: list[Message] = []

    async def publish(self, m: Message) -> None:
        self.out.append(m)


class Redis:
    """The commands that the inbox uses."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}

    async def set(self, name, value, *, nx=False, ex=None):
        self.held[name] = value
        return True

    async def get(self, name):
        return self.held.get(name)

    async def eval(self, script, numkeys, name, claim):
        self.held.pop(name, None)


class Sent:
    """A provider that keeps the pushes."""

    def __init__(self) -> None:
        self.pushes: list[tuple[str, str, str, str]] = []

    async def push(self, request, device, title, body):
        self.pushes.append((request, device, title, body))


class Notifications(unittest.TestCase):
    def test_task(self) -> None:
        """A task is taken as notifications puts it into the queue."""
        pact = Pact("push", "notifications").with_specification("V4")
        (
            pact.upon_receiving(message.PUSH_QUEUE, "Async")
            .given("a push is to be sent", request="r-1", user="ana", to="device-1")
            .with_body({
                "notification_id": match.like("n-1"), "request_id": match.like("r-1"), "channel": "push",
                "to": match.like("device-1"), "subject": match.like("Olá"), "body": match.like("Bem-vinda, Ana."),
            }, "application/json")
            .with_metadata({"exchange": message.NOTIFICATIONS, "routing_key": message.PUSH_QUEUE})
        )
        pact.verify(self.handles, "Async")
        pact.write_file(DIR)

    def handles(self, body, _metadata) -> None:
        broker, sent = Broker(), Sent()
        pusher = Pusher(sent, Inbox(Redis()), broker)
        raw = body if isinstance(body, bytes) else str(body).encode()
        asyncio.run(pusher.handle(Message("m-1", message.NOTIFICATIONS, message.PUSH_QUEUE, raw)))
        self.assertEqual(sent.pushes, [("r-1", "device-1", "Olá", "Bem-vinda, Ana.")])
        self.assertEqual([m.key for m in broker.out], [SENT])
        self.assertEqual(json.loads(broker.out[0].body)["notification_id"], "n-1")


class Legacy(unittest.TestCase):
    def call(self, name: str, device: str, status: int, answer: dict) -> None:
        """One push, and what the provider answers."""
        pact = Pact("push", "legacy").with_specification("V4")
        (
            pact.upon_receiving(name)
            .with_request("POST", "/push")
            .with_header("Idempotency-Key", "r-1")
            .with_body({"device": device, "title": "Olá", "body": "Bem-vinda, Ana."}, "application/json")
            .will_respond_with(status)
            .with_body(answer, "application/json" if status < 400 else "application/problem+json")
        )
        try:
            with pact.serve() as srv:
                asyncio.run(self.push(f"{srv.url}/push", device))
        finally:
            pact.write_file(DIR)

    async def push(self, url: str, device: str) -> None:
        async with ClientSession() as session:
            await Provider(session, url).push("r-1", device, "Olá", "Bem-vinda, Ana.")

    def test_taken(self) -> None:
        self.call("push to a device", "device-1", 201, {"id": match.like("r-1")})

    def test_gone(self) -> None:
        with self.assertRaisesRegex(Permanent, "410"):
            self.call("push to a device that is gone", "gone-1", 410, {"detail": match.like("the device is gone")})
