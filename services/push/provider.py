"""The push provider: its client, and a stand-in of it for local development."""

from collections import OrderedDict

from aiohttp import ClientError, ClientSession, ClientTimeout, web
from opentelemetry import propagate

from consumer import Permanent


class Provider:
    """Speaks to the provider at url, which knows a second copy by its Idempotency-Key."""

    def __init__(self, session: ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    async def push(self, request: str, device: str, title: str, body: str) -> None:
        """Raises Permanent when the provider refuses for good, ConnectionError else."""
        header = {"Idempotency-Key": request}
        propagate.inject(header)
        wait = ClientTimeout(total=5, connect=1)
        out = {"device": device, "title": title, "body": body}
        try:
            async with self.session.post(self.url, json=out, headers=header, timeout=wait) as r:
                status, said = r.status, (await r.content.read(300)).decode(errors="replace")
        except (ClientError, TimeoutError) as e:
            raise ConnectionError(f"call push provider: {e or type(e).__name__}") from e
        if 400 <= status < 500 and status not in (408, 429):
            raise Permanent(f"push provider refused: {status} {said}")
        if status >= 300:
            raise ConnectionError(f"push provider answered {status}")


class Stub:
    """Takes every push but those of a device whose token begins with "gone", and shows them."""

    KEPT = 1000

    def __init__(self) -> None:
        self.taken: OrderedDict[str, dict] = OrderedDict()

    async def take(self, request: web.Request) -> web.Response:
        push = await request.json()
        if str(push.get("device", "")).startswith("gone"):
            return web.Response(status=410, text="the device is gone")
        id = request.headers.get("Idempotency-Key") or str(len(self.taken))
        self.taken.setdefault(id, {"id": id, **push})
        while len(self.taken) > self.KEPT:
            self.taken.popitem(last=False)
        return web.json_response({"id": id}, status=201)

    async def show(self, _: web.Request) -> web.Response:
        return web.json_response({"deliveries": list(self.taken.values())})
