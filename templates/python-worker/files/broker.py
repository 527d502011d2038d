"""The broker of the stack, picked by the scheme of its URL: amqp (RabbitMQ) or nats (JetStream)."""

import asyncio
import logging
from urllib.parse import urlsplit

from message import Broker

log = logging.getLogger("broker")

DIAL_FOR = 30.0  # seconds that the first connection may take


async def dial(url: str) -> Broker:
    """Connects, waiting for a broker that is not there yet."""
    scheme = urlsplit(url).scheme
    if scheme in ("amqp", "amqps"):
        from rabbit import dial as connect  # a stack has one broker: the other's client stays out
    elif scheme in ("nats", "tls"):
        from jet import dial as connect
    else:
        raise ValueError(f"connect broker: scheme {scheme!r} is neither amqp nor nats")
    deadline = asyncio.get_running_loop().time() + DIAL_FOR
    wait = 0.05
    while True:
        try:
            return await connect(url)
        except Exception as e:  # clients of brokers raise whatever they like
            if asyncio.get_running_loop().time() + wait > deadline:
                raise ConnectionError(f"connect broker: {e}") from e
            log.debug("broker awaited", extra={"err": str(e)})
        await asyncio.sleep(wait)
        wait = min(2 * wait, 2.0)
