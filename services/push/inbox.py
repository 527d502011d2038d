"""Knows which requests were pushed. Replicas share it: it is in Redis."""

import asyncio
from typing import Protocol

KEPT = 7 * 24 * 3600  # seconds
HOLD = 30  # a replica that works for longer has died
POLL = 0.1


class Store(Protocol):
    """What is used of redis.asyncio.Redis."""

    async def set(self, name: str, value: str, *, nx: bool = ..., ex: int | None = ...): ...

    async def get(self, name: str): ...

    async def delete(self, name: str): ...


class Inbox:
    def __init__(self, redis: Store) -> None:
        self.redis = redis

    async def claim(self, request: str) -> bool:
        """Reports whether the push is this replica's to send; False: it was sent.

        While another replica is at it, waits for how that ends.
        """
        while True:
            if await self.redis.set(key(request), "working", nx=True, ex=HOLD):
                return True
            if await self.redis.get(key(request)) in (b"sent", "sent"):
                return False
            await asyncio.sleep(POLL)

    async def sent(self, request: str) -> None:
        await self.redis.set(key(request), "sent", ex=KEPT)

    async def release(self, request: str) -> None:
        """Lets the push be sent by another try."""
        await self.redis.delete(key(request))


def key(request: str) -> str:
    return "push:inbox:" + request
