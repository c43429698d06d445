"""heir.py HOW [PORT] - a server that goes into the background in this way after it has listened. It
answers each line with that line, the state of the connection as TCP_INFO has it, and its pid,
which is in the file "pid".

setsid: fork, setsid. orphan: fork alone. double: fork, setsid, fork. daemon: daemon(3) after
listen(); late: before, after bind(). shared: setsid, and a connection that the first process
has accepted goes on. waits: as setsid, but the first process stays until its standard input ends.
polls: as setsid, and sleeps in epoll_wait(). prefork: setsid, and two workers that are
another user. other: as another user, which does not inherit. drops: as double, and becomes another user
after that. When accept() fails, the reason is
in the file "said"."""
import ctypes
import os
import select
import socket
import sys
import threading
import time


def leave():
    if os.fork():
        os._exit(0)


def answer(s):
    with s, s.makefile("rwb", 0) as f:
        for line in f:
            state = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)[0]
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            f.write(b"%s %d %d\n" % (line.strip(), state, os.getpid()))


def begin(s):
    threading.Thread(target=answer, args=(s,)).start()


def main():
    how = sys.argv[1]
    said, pid = open("said", "w", encoding="ascii"), open("pid", "w", encoding="ascii")
    l = socket.socket()
    l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    l.bind(("", int(sys.argv[2]) if len(sys.argv) > 2 else 9000))
    old = None
    if how != "late":
        l.listen(64)
    if how == "shared":
        old = l.accept()[0]
    if how in ("daemon", "late"):
        assert ctypes.CDLL(None).daemon(1, 1) == 0
    elif how == "waits":
        if os.fork():
            sys.stdin.read()
            os._exit(0)
    elif how == "other":
        done, ready = os.pipe()
        if os.fork():
            os.read(done, 1)
            os._exit(0)
        os.setuid(65534)
        os.write(ready, b"x")
    else:
        leave()
    if how not in ("orphan", "daemon", "late"):
        os.setsid()
    if how in ("double", "drops"):
        parent = os.getpid()
        leave()
    if how == "drops":
        while os.getppid() == parent:
            time.sleep(0.01)
        os.setuid(65534)
    if how == "late":
        l.listen(64)
    pid.write(str(os.getpid()))
    pid.close()
    if how == "prefork" and os.fork() and os.fork():
        os.wait()
    if how == "prefork":
        os.setuid(65534)
    if old:
        begin(old)
    if how == "polls":
        set_ = select.epoll()
        set_.register(l, select.EPOLLIN)
        set_.poll()
    while True:
        try:
            begin(l.accept()[0])
        except OSError as e:
            said.write(e.strerror)
            said.close()
            raise


main()
