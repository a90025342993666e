"""The plain ends as processes: `receiver HOST PORT` until it is ended, `sender URL` says hello and prints the echo."""

from __future__ import annotations

import asyncio
import sys

from grace_transport.signalling import SignallingServer

from .relay_peers import TOKEN, Receiver, calling


async def receive(host: str, port: int) -> None:
    server = SignallingServer(Receiver(), TOKEN)
    await server.start(host, port)
    print("ready", flush=True)
    await asyncio.Event().wait()


async def send(url: str) -> None:
    async with calling(url) as sender:
        await sender.call()
        print(await sender.say("hello"), flush=True)


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    asyncio.run(receive(rest[0], int(rest[1])) if what == "receiver" else send(rest[0]))
