"""Knows which requests were pushed. Replicas share it: it is in Redis, as "sent", or as "working" with a token of who
has claimed the push."""

import asyncio
import contextlib
import uuid
from typing import Protocol

KEPT = 7 * 24 * 3600  # seconds
HOLD = 30  # a replica that works for longer has died
POLL = 0.1
RELEASE_FOR = 2.0  # without it a claim ends after HOLD

# Drops a claim, unless it has ended and another holds the key now.
FORGET = """
if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("DEL", KEYS[1]) end
return 0"""


class Store(Protocol):
    """What is used of redis.asyncio.Redis."""

    async def set(self, name: str, value: str, *, nx: bool = ..., ex: int | None = ...): ...

    async def get(self, name: str): ...

    async def eval(self, script: str, numkeys: int, *keys_and_args: str): ...


class Inbox:
    def __init__(self, redis: Store) -> None:
        self.redis = redis

    async def claim(self, request: str) -> str | None:
        """Returns the claim of a push that is now the caller's to send; None: it was sent.

        While another replica is at it, waits for how that ends.
        """
        mine = f"working {uuid.uuid4()}"
        try:
            return mine if await self.take(request, mine) else None
        except BaseException:  # the key may be taken all the same: its answer was lost
            with contextlib.suppress(Exception):
                await self.release(request, mine)
            raise

    async def take(self, request: str, mine: str) -> bool:
        """Reports whether the claim holds. A command whose answer is lost may be sent again by the client, and
        finds what it did itself: that is no other's claim."""
        while True:
            if await self.redis.set(key(request), mine, nx=True, ex=HOLD):
                return True
            held = await self.redis.get(key(request))
            if held in (mine, mine.encode()):
                return True
            if held in (b"sent", "sent"):
                return False
            await asyncio.sleep(POLL)

    async def sent(self, request: str) -> None:
        await self.redis.set(key(request), "sent", ex=KEPT)

    async def release(self, request: str, claim: str) -> None:
        """Lets the push be sent by another try, unless it is another's by now."""
        async with asyncio.timeout(RELEASE_FOR):
            await self.redis.eval(FORGET, 1, key(request), claim)


def key(request: str) -> str:
    return "push:inbox:" + request
