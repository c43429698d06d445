"""many.py server PORT                     - an echo server on epoll
many.py client ADDRESS PORT COUNT       - COUNT connections open at once
many.py sequence ADDRESS PORT COUNT     - one after the other"""
import select
import socket
import sys

BATCH = 250


def server(port):
    listener = socket.create_server(("", int(port)), backlog=4096)
    listener.setblocking(False)
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN)
    open_ = {}
    while True:
        for fd, _ in poll.poll():
            if fd == listener.fileno():
                try:
                    while True:
                        s, _ = listener.accept()
                        s.setblocking(False)
                        open_[s.fileno()] = s
                        poll.register(s, select.EPOLLIN)
                except BlockingIOError:
                    continue
            else:
                s = open_[fd]
                piece = s.recv(4096)
                if piece:
                    s.sendall(piece)
                else:
                    del open_[fd]
                    s.close()


def opened(address, count):
    """A batch of connections, made without blocking."""
    batch = []
    poll = select.poll()
    for _ in range(count):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(address)
        poll.register(s, select.POLLOUT)
        batch.append(s)
    waiting = count
    while waiting:
        ready = poll.poll(30000)
        assert ready, f"{waiting} connections are not established after 30 s"
        for fd, _ in ready:
            poll.unregister(fd)
            waiting -= 1
    for s in batch:
        e = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        assert e == 0, e
        s.setblocking(True)
        s.settimeout(30)
    return batch


def echo(s, number):
    text = b"%08d" % number
    s.sendall(text)
    got = b""
    while len(got) < len(text):
        piece = s.recv(len(text) - len(got))
        assert piece, f"connection {number} ended"
        got += piece
    assert got == text, (got, text)


def client(address, port, count):
    held = []
    while len(held) < int(count):
        held += opened((address, int(port)), min(BATCH, int(count) - len(held)))
    for round_ in range(2):
        for i, s in enumerate(held):
            echo(s, i + round_)
    for s in held:
        s.close()
    print(len(held), "connections")


def sequence(address, port, count):
    for i in range(int(count)):
        with socket.create_connection((address, int(port)), timeout=30) as s:
            echo(s, i)


globals()[sys.argv[1]](*sys.argv[2:])
