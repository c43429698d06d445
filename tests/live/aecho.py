"""aecho.py server PORT [ADDRESS]
aecho.py client ADDRESS PORT CLIENTS BYTES - each client writes random bytes,
half-closes, and wants the same bytes back, then the end."""
import asyncio
import os
import sys


async def serve(reader, writer):
    while piece := await reader.read(65536):
        writer.write(piece)
        await writer.drain()
    writer.close()


async def server(port, address="0.0.0.0"):
    async with await asyncio.start_server(serve, address, port) as s:
        await s.serve_forever()


async def client(address, port, size):
    reader, writer = await asyncio.open_connection(address, port)
    sent = os.urandom(size)

    async def send():
        writer.write(sent)
        await writer.drain()
        writer.write_eof()

    _, got = await asyncio.gather(send(), reader.read(-1))
    writer.close()
    assert got == sent, f"{len(got)} of {len(sent)} bytes came back right"


async def clients(address, port, count, size):
    await asyncio.gather(*(client(address, port, size) for _ in range(count)))


if sys.argv[1] == "server":
    asyncio.run(server(int(sys.argv[2]), *sys.argv[3:]))
else:
    asyncio.run(clients(sys.argv[2], *map(int, sys.argv[3:])))
