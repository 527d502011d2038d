"""The HTTP server of a service that is asked for little else than its health."""

import asyncio
import logging

from aiohttp import web

log = logging.getLogger("health")

MAX_BODY = 1 << 20  # bytes
REQUEST_FOR = 5.0  # seconds, at most, for one answer
HEADER_FOR = 5.0  # seconds that a new connection has for its first request


class Server:
    """Serves routes until it is stopped."""

    def __init__(self, routes: list[web.RouteDef]) -> None:
        self.silent: set[int] = set()  # new connections that have not sent a request yet
        self.app = web.Application(client_max_size=MAX_BODY, middlewares=[self.around])
        self.app.add_routes(routes)

    async def start(self, host: str, port: int) -> int:
        """Listens, and returns the port."""
        self.runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=2, keepalive_timeout=60,
                                    max_field_size=16 << 10)
        await self.runner.setup()
        self.listener = await asyncio.get_running_loop().create_server(self.connection, host, port)
        addr = self.listener.sockets[0].getsockname()
        log.info("service listening", extra={"listener": "http", "addr": f"{addr[0]}:{addr[1]}"})
        return addr[1]

    def connection(self) -> asyncio.Protocol:
        """Gives a new connection a moment to send a request: aiohttp itself would wait for ever."""
        protocol = self.runner.server()
        self.silent.add(id(protocol))

        def expire() -> None:  # it holds the protocol, so that no other can have its id until then
            if id(protocol) in self.silent and protocol.transport is not None:
                protocol.transport.close()
            self.silent.discard(id(protocol))
        asyncio.get_running_loop().call_later(HEADER_FOR, expire)
        return protocol

    @web.middleware
    async def around(self, request: web.Request, handler) -> web.StreamResponse:
        self.silent.discard(id(request.protocol))
        try:
            async with asyncio.timeout(REQUEST_FOR):
                return await handler(request)
        except TimeoutError:
            return web.json_response("the answer took too long", status=504)

    async def stop(self) -> None:
        self.listener.close()
        await self.runner.cleanup()
