"""RabbitMQ, with the exchanges and queues that the kit of the Go services declares."""

import asyncio

import aio_pika
from aio_pika.abc import AbstractIncomingMessage, AbstractRobustChannel, AbstractRobustConnection

import message
from message import Handle, Message, Stop

# What a consumer rejects goes to the failed queue.
DEAD_LETTERS = {
    "x-dead-letter-exchange": message.NOTIFICATIONS,
    "x-dead-letter-routing-key": message.FAILED_QUEUE,
}


async def dial(url: str) -> "Rabbit":
    conn = await aio_pika.connect_robust(url, timeout=5, heartbeat=5, reconnect_interval=0.5)
    try:
        return await Rabbit.declared(conn)
    except BaseException:
        await conn.close()
        raise


class Rabbit:
    """A connection that mends itself. Publishing waits for the broker's confirmation."""

    def __init__(self, conn: AbstractRobustConnection, channel: AbstractRobustChannel) -> None:
        self.conn = conn
        self.channel = channel
        self.exchanges: dict[str, aio_pika.abc.AbstractExchange] = {}

    @classmethod
    async def declared(cls, conn: AbstractRobustConnection) -> "Rabbit":
        r = cls(conn, await conn.channel(publisher_confirms=True))
        for name, kind in ((message.EVENTS, "topic"), (message.NOTIFICATIONS, "direct")):
            r.exchanges[name] = await r.channel.declare_exchange(name, kind, durable=True)
        failed = await r.channel.declare_queue(message.FAILED_QUEUE, durable=True)
        await failed.bind(message.NOTIFICATIONS, message.FAILED_QUEUE)
        return r

    async def publish(self, m: Message) -> None:
        out = aio_pika.Message(
            m.body,
            headers=dict(m.header),
            message_id=m.id,
            correlation_id=m.header.get(message.HEADER_CORRELATION),
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        await self.exchanges[m.exchange].publish(out, routing_key=m.key, timeout=5)

    async def consume(self, queue: str, events: list[str], workers: int, handle: Handle,
                      stop: Stop) -> None:
        channel = await self.conn.channel()
        await channel.set_qos(prefetch_count=workers)
        source = await channel.declare_queue(queue, durable=True, arguments=DEAD_LETTERS)
        for key in events:
            await source.bind(message.EVENTS, key)
        flying: set[asyncio.Task[None]] = set()

        async def begin(raw: AbstractIncomingMessage) -> None:
            task = asyncio.create_task(finish(raw, handle))
            flying.add(task)
            task.add_done_callback(flying.discard)

        tag = await source.consume(begin)
        await stop.wait()
        if self.alive():
            await source.cancel(tag)
        if flying:
            await asyncio.gather(*flying, return_exceptions=True)
        if self.alive():
            await channel.close()  # its answer says that every acknowledgement has arrived

    def alive(self) -> bool:
        return self.conn.connected.is_set() and not self.channel.is_closed

    async def close(self) -> None:
        await self.conn.close()


async def finish(raw: AbstractIncomingMessage, handle: Handle) -> None:
    """Handles one message; a connection that broke meanwhile brings it again."""
    done = await handle(received(raw))
    try:
        await (raw.ack() if done else raw.nack(requeue=True))
    except (aio_pika.exceptions.AMQPError, aio_pika.exceptions.ChannelInvalidStateError):
        return


def received(raw: AbstractIncomingMessage) -> Message:
    header = {k: v for k, v in raw.headers.items() if isinstance(v, str)}
    id = raw.message_id or header.get(message.HEADER_ID, "")
    return Message(id, raw.exchange or "", raw.routing_key or "", raw.body, header)
