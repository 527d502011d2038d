"""Tests of what needs neither broker nor provider."""

import asyncio
import json
import unittest
from collections.abc import Awaitable, Callable

import message
from consumer import Consumer, Permanent, reason
from inbox import Inbox
from message import Message
from push import Pusher

TASK = {"notification_id": "n-1", "request_id": "r-1", "channel": "push", "to": "device"}


class Broker:
    """Keeps what is published."""

    def __init__(self) -> None:
        self.out: list[Message] = []

    async def publish(self, m: Message) -> None:
        self.out.append(m)


class Redis:
    """The three commands that the inbox uses. A client may send one again whose answer is lost, here once."""

    def __init__(self, lost: int = 0, away: Callable[[], Awaitable[None]] | None = None) -> None:
        self.held: dict[str, str] = {}
        self.lost = lost  # answers of commands that take a key
        self.away = away  # comes before a claim is dropped

    async def set(self, name, value, *, nx=False, ex=None):
        took = self.put(name, value, nx)
        if nx and self.lose():
            took = self.put(name, value, nx)
            if self.lose():
                raise ConnectionError("no answer")
        return took

    def put(self, name, value, nx):
        if nx and name in self.held:
            return None
        self.held[name] = value
        return True

    def lose(self) -> bool:
        self.lost -= 1
        return self.lost >= 0

    async def get(self, name):
        return self.held.get(name)

    async def eval(self, script, numkeys, name, claim):
        if self.away is not None:
            await self.away()
        if self.held.get(name) == claim:
            del self.held[name]


class Provider:
    """Fails as often as it is told, then counts."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.pushes = 0

    async def push(self, request, device, title, body):
        if self.errors:
            raise self.errors.pop(0)
        self.pushes += 1


def task(body: bytes = json.dumps(TASK).encode()) -> Message:
    return Message("m-1", message.NOTIFICATIONS, message.PUSH_QUEUE, body, {})


class Deliver(unittest.IsolatedAsyncioTestCase):
    def setUp(self) -> None:
        self.broker = Broker()

    async def deliver(self, provider: Provider, *ms: Message, lost: int = 0) -> list[bool]:
        pusher = Pusher(provider, Inbox(Redis(lost)), self.broker)
        consumer = Consumer(self.broker, message.PUSH_QUEUE, pusher.handle, pusher.gave_up,
                            attempts=3, backoff=0.001)
        return [await consumer.take(m, asyncio.Event()) for m in ms]

    def keys(self) -> list[str]:
        return [m.key for m in self.broker.out]

    async def test_twice_is_once(self) -> None:
        provider = Provider()
        self.assertEqual(await self.deliver(provider, task(), task()), [True, True])
        self.assertEqual(provider.pushes, 1)
        self.assertEqual(self.keys(), ["notification.sent"] * 2)

    async def test_retry(self) -> None:
        provider = Provider(ConnectionError("away"), ConnectionError("away"))
        await self.deliver(provider, task())
        self.assertEqual((provider.pushes, self.keys()), (1, ["notification.sent"]))

    async def test_lost_answer(self) -> None:
        """Whose claim was not answered finds it, or lets go of it: neither waits until it ends."""
        for lost in (1, 2):
            provider = Provider()
            async with asyncio.timeout(10):
                await self.deliver(provider, task(), lost=lost)
            self.assertEqual(provider.pushes, 1)

    async def test_release_is_of_ones_own(self) -> None:
        redis = Redis()
        inbox = Inbox(redis)
        late = await inbox.claim("r-1")
        redis.held.clear()  # its hold ends
        now = await inbox.claim("r-1")
        await inbox.release("r-1", late)
        self.assertEqual(list(redis.held.values()), [now])
        await inbox.release("r-1", now)
        self.assertEqual(redis.held, {})

    async def test_release_keeps_the_reason(self) -> None:
        """What is wrong with a push is told, though Redis is away when its claim is to be dropped."""
        async def away() -> None:
            raise ConnectionError("redis is away")

        pusher = Pusher(Provider(Permanent("no such device")), Inbox(Redis(away=away)), self.broker)
        consumer = Consumer(self.broker, message.PUSH_QUEUE, pusher.handle, pusher.gave_up, attempts=3, backoff=0.001)
        self.assertTrue(await consumer.take(task(), asyncio.Event()))
        header = self.broker.out[1].header
        self.assertEqual(header[message.HEADER_FAILED_ATTEMPTS], "1")
        self.assertEqual(header[message.HEADER_FAILED_REASON], "no such device")

    async def test_release_is_cancelled(self) -> None:
        """Who is told to end while a claim is dropped ends."""
        begun = asyncio.Event()

        async def hang() -> None:
            begun.set()
            await asyncio.Event().wait()

        pusher = Pusher(Provider(Permanent("no such device")), Inbox(Redis(away=hang)), self.broker)
        work = asyncio.create_task(pusher.handle(task()))
        await begun.wait()
        work.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await work

    async def test_failed(self) -> None:
        await self.deliver(Provider(*[ConnectionError("away")] * 3), task())
        self.assertEqual(self.keys(), ["notification.failed", message.FAILED_QUEUE])
        header = self.broker.out[1].header
        self.assertEqual(header[message.HEADER_FAILED_ATTEMPTS], "3")
        self.assertEqual(header[message.HEADER_FAILED_REASON], "away")
        self.assertEqual(self.broker.out[0].decode()["reason"], "away")

    async def test_permanent(self) -> None:
        await self.deliver(Provider(Permanent("gone")), task())
        self.assertEqual(self.broker.out[1].header[message.HEADER_FAILED_ATTEMPTS], "1")

    async def test_garbage(self) -> None:
        for body in (b"{", b"[]", b"{}"):
            self.broker.out.clear()
            self.assertEqual(await self.deliver(Provider(), task(body)), [True])
            self.assertEqual(self.keys()[-1], message.FAILED_QUEUE)

    async def test_stop_gives_back(self) -> None:
        stop = asyncio.Event()
        stop.set()
        pusher = Pusher(Provider(ConnectionError("away")), Inbox(Redis()), self.broker)
        consumer = Consumer(self.broker, message.PUSH_QUEUE, pusher.handle, pusher.gave_up)
        self.assertFalse(await consumer.take(task(), stop))
        self.assertEqual(self.keys(), [])

    def test_reason_fits_a_header(self) -> None:
        self.assertEqual(reason(ValueError("a\r\nb")), "a  b")
        self.assertEqual(len(reason(ValueError("x" * 900))), 500)


if __name__ == "__main__":
    unittest.main()
