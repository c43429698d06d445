"""Connections all at once, to a listener whose backlog is much shorter.

burst.py server PORT BACKLOG         echoes
burst.py client HOST PORT COUNT      opens COUNT at once, sends a byte on each when it is
                                     open, and wants it back, on every one of them
"""
import asyncio
import collections
import select
import socket
import sys


async def echo(reader, writer):
    while data := await reader.read(4096):
        writer.write(data)
        await writer.drain()
    writer.close()


async def serve(port, backlog):
    listener = socket.create_server(("::", port), family=socket.AF_INET6, backlog=backlog,
                                    dualstack_ipv6=True)
    server = await asyncio.start_server(echo, sock=listener, backlog=backlog)
    await server.serve_forever()


def outcome(s):
    try:
        return s.recv(10)
    except OSError as e:
        return e.strerror


def burst(host, port, count):
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    ep = select.epoll()
    by_fd = {}
    for _ in range(count):
        s = socket.socket(family)
        s.setblocking(False)
        s.connect_ex(address)
        by_fd[s.fileno()] = s
        ep.register(s, select.EPOLLOUT)
    got = collections.Counter()
    while got.total() < count:
        for fd, events in ep.poll():
            if events & select.EPOLLOUT and not events & select.EPOLLERR:
                by_fd[fd].send(b"x")
                ep.modify(fd, select.EPOLLIN)
            else:
                got[outcome(by_fd[fd])] += 1
                ep.unregister(fd)
    assert got == {b"x": count}, got


if sys.argv[1] == "server":
    asyncio.run(serve(int(sys.argv[2]), int(sys.argv[3])))
else:
    burst(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
