"""Does the work of one event, once."""

from collections import deque

from consumer import Permanent
from inbox import Inbox
from message import Message


class Worker:
    def __init__(self, inbox: Inbox) -> None:
        self.inbox = inbox
        self.last: deque[dict] = deque(maxlen=50)  # what this process handled last

    async def handle(self, m: Message) -> None:
        """Handles the message unless it was handled before. An error is tried again, but Permanent."""
        try:
            about = m.decode()["id"]
        except (ValueError, KeyError) as e:
            raise Permanent(f"read event: {e}") from e
        if not await self.inbox.claim(m.id):
            return
        try:
            await self.work(m, about)
        except BaseException:
            await self.inbox.release(m.id)
            raise
        await self.inbox.done(m.id)

    async def work(self, m: Message, about: str) -> None:
        """The work goes here. If the process dies behind it and before the inbox knows, it is done again."""
        self.last.appendleft({"message_id": m.id, "key": m.key, "about": about})
