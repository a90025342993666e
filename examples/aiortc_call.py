"""A call between two aiortc peer connections of this process, with GRACE as its video codec.

Needs grace-rtc[codec,rtc]; run it by `python examples/aiortc_call.py`.
"""

import asyncio

from aiortc import MediaStreamTrack, RTCPeerConnection, VideoStreamTrack
from av import VideoFrame

from grace_transport import aiortc_plugin


async def main() -> None:
    aiortc_plugin.install(aiortc_plugin.RtcOptions(max_size=(320, 240), max_fps=10))
    alice, bob = RTCPeerConnection(), RTCPeerConnection()
    incoming: asyncio.Queue[MediaStreamTrack] = asyncio.Queue()
    bob.on("track", incoming.put_nowait)

    # An ordinary aiortc application from here on. VideoStreamTrack is aiortc's green test picture.
    alice.addTrack(VideoStreamTrack())
    await alice.setLocalDescription(await alice.createOffer())
    await bob.setRemoteDescription(alice.localDescription)
    await bob.setLocalDescription(await bob.createAnswer())
    await alice.setRemoteDescription(bob.localDescription)

    track = await incoming.get()
    for _ in range(5):
        frame = await track.recv()
        assert isinstance(frame, VideoFrame)
        print(f"received {frame.width}x{frame.height}, pts {frame.pts}")
    for entry in (await alice.getStats()).values():
        if entry.type == "outbound-rtp":
            print(f"sent {entry.framesEncoded} frames in {entry.packetsSent} packets")
    await bob.close()
    await alice.close()
    aiortc_plugin.uninstall()


asyncio.run(main())
