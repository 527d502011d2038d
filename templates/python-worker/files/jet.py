"""NATS with JetStream, with the streams that the kit of the Go services declares."""

import asyncio

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error
from nats.js.api import AckPolicy, ConsumerConfig, RetentionPolicy, StreamConfig
from nats.js.errors import BadRequestError, NotFoundError

import message
from message import Handle, Message, Stop

ACK_WAIT = 30.0  # a consumer that says nothing for so long has died
HEARTBEAT = 10.0  # how often work in flight says that it goes on
POLL = 1.0  # how long one pull waits for a message

STREAMS = (
    StreamConfig(name=message.EVENTS, subjects=[message.EVENTS + ".>"], max_age=72 * 3600.0),
    StreamConfig(
        name=message.NOTIFICATIONS,
        subjects=[message.NOTIFICATIONS + ".>"],
        retention=RetentionPolicy.WORK_QUEUE,
    ),
)


async def dial(url: str) -> "Jet":
    conn = await nats.connect(
        url, max_reconnect_attempts=-1, reconnect_time_wait=0.1, connect_timeout=2,
        allow_reconnect=True, error_cb=ignore, ping_interval=5, max_outstanding_pings=2,
    )
    jet = Jet(conn)
    try:
        await jet.declare()
    except BaseException:
        await conn.close()
        raise
    return jet


async def ignore(_: Exception) -> None:
    """The client connects again by itself, and readiness shows that it is away."""


class Jet:
    """A connection that mends itself. Publishing waits for the stream's acknowledgement."""

    def __init__(self, conn: Client) -> None:
        self.conn = conn
        self.js = conn.jetstream(timeout=5)

    async def declare(self) -> None:
        for config in STREAMS:
            try:
                await self.js.stream_info(config.name)
            except NotFoundError:
                try:
                    await self.js.add_stream(config)
                except BadRequestError:  # another service was quicker
                    await self.js.stream_info(config.name)

    async def publish(self, m: Message) -> None:
        # The broker drops a second copy of an id in one place, unless it was requeued.
        again = m.header.get(message.HEADER_REQUEUED, "")
        header = {**m.header, "Nats-Msg-Id": f"{m.key}:{m.id}:{again}"}
        await self.js.publish(f"{m.exchange}.{m.key}", m.body, headers=header)

    async def consume(self, queue: str, events: list[str], workers: int, handle: Handle,
                      stop: Stop) -> None:
        async with asyncio.TaskGroup() as g:
            for _ in range(workers):
                g.create_task(self.work(queue, events, handle, stop))

    async def work(self, queue: str, events: list[str], handle: Handle, stop: Stop) -> None:
        """Takes one message at a time until stop."""
        sub = None
        while not stop.is_set():
            try:
                sub = sub or await self.subscribe(queue, events)
                got = await sub.fetch(1, timeout=POLL)
            except TimeoutError:
                continue
            except (Error, OSError):  # away, or it lost its data
                sub = None
                await pause(stop, 0.5)
                continue
            for raw in got:
                await finish(raw, handle if takes(events, raw.subject) else leave_out)

    async def subscribe(self, queue: str, events: list[str]):  # -> PullSubscription
        """Makes the queue's consumer. Servers before 2.10 know one filter alone: from them all events come."""
        durable = queue.replace(".", "_")  # a dot may not be in a name
        wanted = subjects(events)
        await self.declare()
        await self.js.add_consumer(message.EVENTS, ConsumerConfig(
            durable_name=durable,
            filter_subject=wanted[0] if len(wanted) == 1 else None,
            filter_subjects=wanted if len(wanted) > 1 else None,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ACK_WAIT,
            max_deliver=-1,
        ))
        return await self.js.pull_subscribe_bind(durable, message.EVENTS)

    def alive(self) -> bool:
        return self.conn.is_connected

    async def close(self) -> None:
        await self.conn.close()


def subjects(events: list[str]) -> list[str]:
    return [f"{message.EVENTS}.{key.replace('#', '>')}" for key in events]


def takes(events: list[str], subject: str) -> bool:
    """Whether an event of that subject is one of these: * stands for one word, > for one or more."""
    return any(matches(s.split("."), subject.split(".")) for s in subjects(events))


def matches(pattern: list[str], words: list[str]) -> bool:
    if pattern[-1] == ">" and len(words) >= len(pattern):
        pattern, words = pattern[:-1], words[:len(pattern) - 1]
    return len(pattern) == len(words) and all(p in ("*", w) for p, w in zip(pattern, words))


async def leave_out(_: Message) -> bool:
    """Is done with what is not for this queue."""
    return True


async def finish(raw: Msg, handle: Handle) -> None:
    """Handles one message, telling the broker that it goes on; a broken connection brings it again."""
    beat = asyncio.create_task(keep_alive(raw))
    try:
        done = await handle(received(raw))
    finally:
        beat.cancel()
    try:
        await (raw.ack() if done else raw.nak())
    except Error:
        return


async def keep_alive(raw: Msg) -> None:
    while True:
        await asyncio.sleep(HEARTBEAT)
        await raw.in_progress()


async def pause(stop: Stop, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


def received(raw: Msg) -> Message:
    header = {k: v for k, v in (raw.headers or {}).items() if k != "Nats-Msg-Id"}
    exchange, _, key = raw.subject.partition(".")
    return Message(header.get(message.HEADER_ID, ""), exchange, key, raw.data, header)
