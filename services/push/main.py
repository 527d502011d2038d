"""push sends what is in push.queue to phones, once for each request."""

import asyncio
import contextlib
import logging
import os
import re
import signal
import sys

import redis.asyncio as redis
from aiohttp import ClientSession, web
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff

import broker
import jsonlog
import message
import telemetry
from consumer import Consumer
from inbox import Inbox
from message import Broker
from provider import Provider, Stub
from push import Pusher

log = logging.getLogger("push")

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def need(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise ValueError(f"read {name}: not set")
    return value


def seconds(name: str, other: str) -> float:
    """Reads a duration such as 200ms or 1.5s."""
    value = os.environ.get(name) or other
    found = re.fullmatch(r"([0-9.]+)(ms|s|m|h)", value)
    if not found:
        raise ValueError(f"read {name}: {value!r} is not a duration such as 1.5s")
    return float(found[1]) * UNITS[found[2]]


async def serve(stack: contextlib.AsyncExitStack, link: Broker, store: redis.Redis) -> int:
    """Serves health and the stand-in of the provider, and returns the port."""
    async def live(_: web.Request) -> web.Response:
        return web.json_response("live")

    async def ready(_: web.Request) -> web.Response:
        bad = {}
        if not link.alive():
            bad["broker"] = "not connected"
        try:
            async with asyncio.timeout(1):
                await store.ping()
        except Exception as e:  # whatever it is, it is not ready
            bad["cache"] = str(e) or type(e).__name__
        return web.json_response(bad or "ready", status=503 if bad else 200)

    stub = Stub()
    app = web.Application(client_max_size=1 << 20)
    app.add_routes([web.get("/livez", live), web.get("/readyz", ready),
                    web.post("/provider", stub.take), web.get("/deliveries", stub.show)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    port = int(os.environ.get("HTTP_PORT") or os.environ.get("PORT") or 0)
    site = web.TCPSite(runner, os.environ.get("HOST") or "127.0.0.1", port)
    await site.start()
    addr = runner.addresses[0]
    log.info("service listening", extra={"listener": "http", "addr": f"{addr[0]}:{addr[1]}"})
    return addr[1]


async def run(stop: asyncio.Event) -> None:
    """Runs the service until stop, and finishes what is in flight within the grace."""
    grace = seconds("GRACE", "8s")
    async with contextlib.AsyncExitStack() as stack:
        again = Retry(ExponentialBackoff(base=0.05), 1)  # the inbox knows a second time from the first
        store = redis.from_url(need("CACHE_URL"), socket_timeout=2, socket_connect_timeout=2, retry=again)
        stack.push_async_callback(store.aclose)
        link = await broker.dial(need("BROKER_URL"))
        stack.push_async_callback(link.close)
        port = await serve(stack, link, store)
        session = await stack.enter_async_context(ClientSession())
        url = os.environ.get("PUSH_PROVIDER_URL") or f"http://127.0.0.1:{port}/provider"
        pusher = Pusher(Provider(session, url), Inbox(store), link)
        consumer = Consumer(link, message.PUSH_QUEUE, pusher.handle, pusher.gave_up,
                            attempts=int(os.environ.get("PUSH_ATTEMPTS") or 5),
                            backoff=seconds("PUSH_BACKOFF", "200ms"), timeout=15)
        work = asyncio.create_task(consumer.run(stop))
        await asyncio.wait([work, asyncio.create_task(stop.wait())],
                           return_when=asyncio.FIRST_COMPLETED)
        with contextlib.suppress(TimeoutError):  # what takes longer comes again
            await asyncio.wait_for(work, grace)


async def main() -> int:
    stop = asyncio.Event()
    for s in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(s, stop.set)
    try:
        await run(stop)
    except Exception as e:  # the last one to see it
        log.error("service failed", extra={"err": str(e) or type(e).__name__})
        return 1
    log.info("service stopped")
    return 0


if __name__ == "__main__":
    jsonlog.start(os.environ.get("LOG_LEVEL") or "info")
    flush = telemetry.start()
    code = asyncio.run(main())
    flush()
    sys.exit(code)
