"""besieged.py waits|polls ADDR PORT: a server of three processes and three users on one
listener: root, whose stack it is, and two workers, which make requests of the stack for each
connection. They wait in accept(), or poll, by level or by edges. Answers "hello"."""
import os
import select
import signal
import socket
import sys

how, addr, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # there is a door
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind((addr, port))
listener.listen(64)
listener.setblocking(how == "waits")


def answer(conn):
    conn.setblocking(True)
    conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    assert conn.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) > 0
    conn.recv(100)
    conn.sendall(b"hello\n")
    conn.close()


def waits(_):
    while True:
        answer(listener.accept()[0])


def polls(edges):
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN | edges)
    while True:
        poll.poll()
        try:
            while True:
                answer(listener.accept()[0])
                if not edges:
                    break
        except BlockingIOError:
            pass


signal.signal(signal.SIGCHLD, lambda *_: os._exit(1))
for uid in 33, 34:
    if os.fork() == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setgid(uid)
        os.setuid(uid)
        globals()[how](select.EPOLLET if uid == 33 else 0)
globals()[how](select.EPOLLET)
