"""Tries a message, with growing delays, until it is done or goes to the failed queue."""

import asyncio
import logging
import random
import uuid
from dataclasses import dataclass, replace
from typing import Awaitable, Callable

import message
import telemetry
from message import Broker, Message, Stop

log = logging.getLogger("consumer")


class Permanent(Exception):
    """An error that no further try mends."""


class Stopping(Exception):
    """The service stops between two tries: the message goes back."""


@dataclass
class Consumer:
    """What a service reads and how often it tries. Times are in seconds."""

    broker: Broker
    queue: str  # the service's own
    events: list[str]  # keys of the events that come to it
    handle: Callable[[Message], Awaitable[None]]
    # Is told of a message before it goes to the failed queue. Its error keeps the message.
    attempts: int = 5
    backoff: float = 0.2  # the first delay; it doubles, to at most 32 times
    timeout: float = 20.0  # of one try
    workers: int = 4

    async def run(self, stop: Stop) -> None:
        """Consumes until stop, then finishes what is in flight."""
        await self.broker.consume(self.queue, self.events, self.workers, lambda m: self.take(m, stop), stop)

    async def take(self, m: Message, stop: Stop) -> bool:
        """Handles one message to its end and reports whether it is done with."""
        m = m if m.id else replace(m, id=str(uuid.uuid4()))
        with telemetry.processing(self.queue, m):
            try:
                tries, cause = await self.attempt(m, stop)
            except Stopping:
                return False
            if cause is None:
                log.info("message done", extra={"queue": self.queue, "message_id": m.id})
                return True
            try:
                await self.fail(m, cause, tries)
                return True
            except Exception as e:  # whatever it is, the message must not be lost
                log.error("message given back", extra={"message_id": m.id, "err": str(e)})
                await pause(stop, 1.0)  # it comes back at once
                return False

    async def attempt(self, m: Message, stop: Stop) -> tuple[int, Exception | None]:
        """Returns how often the message was tried and the last error."""
        wait = self.backoff
        for n in range(1, self.attempts + 1):
            try:
                async with asyncio.timeout(self.timeout):
                    await self.handle(m)
                return n, None
            except Permanent as e:
                return n, e
            except Exception as e:  # a bug is a reason like any other
                if n == self.attempts:
                    return n, e
                delay = wait / 2 + random.random() * wait
                log.warning("message retried", extra={
                    "queue": self.queue, "message_id": m.id, "attempt": n,
                    "after": f"{delay:.3f}s", "err": reason(e)})
                if not await pause(stop, delay):
                    raise Stopping from e
                wait = min(2 * wait, 32 * self.backoff)
        raise ValueError("a message needs at least one attempt")

    async def fail(self, m: Message, cause: Exception, tries: int) -> None:
        """Puts the message into the failed queue with the reason."""
        why = reason(cause)
        log.error("message failed", extra={
            "queue": self.queue, "message_id": m.id, "attempt": tries, "err": why})
        header = {**m.header,
                  message.HEADER_FAILED_REASON: why,
                  message.HEADER_FAILED_QUEUE: self.queue,
                  message.HEADER_FAILED_ATTEMPTS: str(tries),
                  message.HEADER_FAILED_EXCHANGE: m.exchange,
                  message.HEADER_FAILED_KEY: m.key}
        failed = Message(m.id, message.NOTIFICATIONS, message.FAILED_QUEUE, m.body, header)
        await telemetry.publish(self.broker, failed)


def reason(e: Exception) -> str:
    """Says why in one line that fits a header."""
    text = str(e) or type(e).__name__
    return "".join(" " if ord(c) < 32 or ord(c) == 127 else c for c in text)[:500]


async def pause(stop: Stop, seconds: float) -> bool:
    """Waits and reports whether it was left to."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return True
    return False
