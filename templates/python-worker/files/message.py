"""Messages, as the kit of the Go services knows them."""

import json
import uuid
from dataclasses import dataclass, field
from typing import Any, Awaitable, Callable, Protocol

EVENTS = "events"  # topic exchange: facts
NOTIFICATIONS = "notifications"  # direct exchange: work, by the name of its queue

FAILED_QUEUE = "failed.queue"

HEADER_ID = "message-id"
HEADER_CORRELATION = "correlation-id"
HEADER_FAILED_REASON = "failed-reason"
HEADER_FAILED_QUEUE = "failed-queue"
HEADER_FAILED_ATTEMPTS = "failed-attempts"
HEADER_FAILED_EXCHANGE = "failed-exchange"
HEADER_FAILED_KEY = "failed-key"
HEADER_REQUEUED = "requeued"


@dataclass(frozen=True)
class Message:
    """JSON under an id by which a consumer knows a second delivery."""

    id: str
    exchange: str
    key: str
    body: bytes
    header: dict[str, str] = field(default_factory=dict)

    def decode(self) -> dict[str, Any]:
        """Reads the body. ValueError says that it is not a JSON object."""
        value = json.loads(self.body)
        if not isinstance(value, dict):
            raise ValueError("the body is not a JSON object")
        return value


def event(key: str, body: dict[str, Any]) -> Message:
    """Makes a message that tells what happened. Keys are noun.verb: "invoice.paid"."""
    return Message(str(uuid.uuid4()), EVENTS, key, json.dumps(body).encode())


# Handle does the work of one message: True acknowledges it, False gives it back.
Handle = Callable[[Message], Awaitable[bool]]


class Broker(Protocol):
    """What differs between RabbitMQ and NATS."""

    async def publish(self, m: Message) -> None:
        """Returns once the broker has the message."""

    async def consume(self, queue: str, events: list[str], workers: int, handle: Handle,
                      stop: "Stop") -> None:
        """Handles events of these keys, workers at once, until stop; then finishes those in flight."""

    def alive(self) -> bool:
        """Reports whether the connection is up."""

    async def close(self) -> None:
        """Ends the connection."""


class Stop(Protocol):
    """An asyncio.Event that says that the service is to end."""

    def is_set(self) -> bool: ...

    async def wait(self) -> Any: ...
