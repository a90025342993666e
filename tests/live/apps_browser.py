"""A web page that calls a grace-rtc receiver with the browser's camera, served from where the offer goes to as well.

`python -m tests.live.apps_browser http://HOST:PORT` serves it for a person; open the address that it prints.
"""

from __future__ import annotations

import asyncio
import sys

from aiohttp import web

from grace_transport.signalling import SignallingClient
from grace_transport.signalling.messages import MAX_BODY_BYTES, Offer, read_message

PAGE = """<!doctype html><title>grace-rtc</title><video autoplay muted playsinline></video><pre></pre><script>
const say = (text) => { document.querySelector("pre").textContent += text + "\\n"; document.title = text; };
(async () => {
  const camera = await navigator.mediaDevices.getUserMedia({ video: { width: 320, height: 240, frameRate: 15 } });
  document.querySelector("video").srcObject = camera;
  const call = new RTCPeerConnection();
  call.onconnectionstatechange = () => say(call.connectionState);
  camera.getTracks().forEach((track) => call.addTrack(track, camera));
  await call.setLocalDescription(await call.createOffer());
  await new Promise((done) => {
    call.onicegatheringstatechange = () => call.iceGatheringState === "complete" && done();
    if (call.iceGatheringState === "complete") done();
  });
  const session = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16)).join("").padEnd(8, "0");
  const reply = await fetch("offer", {
    method: "POST", headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ sdp: call.localDescription.sdp, type: "offer", session }),
  });
  const answer = await reply.json();
  if (!reply.ok) throw new Error(answer.error);
  await call.setRemoteDescription(answer);
})().catch((error) => say("failed: " + error));
</script>
"""  # noqa: E501


class Page:
    """Serves the page, and passes its offer on to the receiver at `url`."""

    def __init__(self, url: str) -> None:
        self._client = SignallingClient(url)
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.add_routes([web.get("/", self._page), web.post("/offer", self._offer)])
        self._runner = web.AppRunner(app)

    async def start(self, port: int = 0) -> str:
        """Its address."""
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        return f"http://localhost:{self._runner.addresses[0][1]}/"

    async def close(self) -> None:
        await self._runner.cleanup()
        await self._client.close()

    async def _page(self, request: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    async def _offer(self, request: web.Request) -> web.Response:
        offer = read_message(Offer, await request.read())
        return web.json_response({"type": "answer", "sdp": await self._client.offer(offer.sdp, offer.session)})


async def main() -> None:
    page = Page(sys.argv[1])
    print(await page.start(8000))
    try:
        await asyncio.Event().wait()
    finally:
        await page.close()


if __name__ == "__main__":
    asyncio.run(main())
