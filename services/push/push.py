"""Turns tasks into pushes, once for each request, and tells what became of them."""

import contextlib

import telemetry
from consumer import Permanent
from inbox import Inbox
from message import Broker, Message, event
from provider import Provider

SENT = "notification.sent"
FAILED = "notification.failed"


class Pusher:
    def __init__(self, provider: Provider, inbox: Inbox, broker: Broker) -> None:
        self.provider = provider
        self.inbox = inbox
        self.broker = broker

    async def handle(self, m: Message) -> None:
        """Sends the task's push unless its request had one."""
        try:
            task = m.decode()
            request, device = task["request_id"], task["to"]
        except (ValueError, KeyError) as e:
            raise Permanent(f"read task: {e}") from e
        if claim := await self.inbox.claim(request):
            try:
                await self.provider.push(request, device, task.get("subject", ""),
                                         task.get("body", ""))
            except BaseException:  # why the push failed counts, not whether its claim ends at once or by itself
                with contextlib.suppress(Exception):
                    await self.inbox.release(request, claim)
                raise
            await self.inbox.sent(request)
        await self.tell(SENT, task)

    async def gave_up(self, m: Message, why: str, attempts: int) -> None:
        """Tells that the push is on its way to the failed queue."""
        try:
            task = m.decode()
        except ValueError:
            return  # nobody's: there is no notification to tell of
        await self.tell(FAILED, task, reason=why, attempts=attempts)

    async def tell(self, key: str, task: dict, **more: object) -> None:
        body = {k: task.get(k, "") for k in ("notification_id", "request_id", "channel")}
        await telemetry.publish(self.broker, event(key, body | more))
