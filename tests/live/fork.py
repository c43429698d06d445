#!/usr/bin/env python3
"""fork.py CASE [PORT] - one process's sockets in the hands of others.

Server and client are both here, on the loopback, so that it runs on the kernel's TCP
as well and must do the same there.
"""
import array
import ctypes
import errno
import os
import resource
import select
import signal
import socket
import socketserver
import subprocess
import sys
import time

PORT = 9000
ADDR = ("127.0.0.1", PORT)


def child(function, *args):
    """Runs it in a forked child; the pid."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        function(*args)
        status = 0
    except BaseException:  # noqa: B902 # it must not return into the parent's code
        sys.excepthook(*sys.exc_info())
    os._exit(status)


def join(pid):
    status = os.waitpid(pid, 0)[1]
    assert status == 0, status


def in_child(function, *args):
    join(child(function, *args))


def bound(port=PORT, **options):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", port))
    return s


def listener(backlog=16):
    s = bound()
    s.listen(backlog)
    return s


def pair():
    """A connected pair: the accepted one, the one that connected."""
    with listener() as l:
        c = socket.create_connection(ADDR)
        return l.accept()[0], c


def receive(s, n):
    data = b""
    while len(data) < n:
        part = s.recv(n - len(data))
        assert part, f"end of file after {len(data)} bytes"
        data += part
    return data


def fails(want, function, *args):
    try:
        function(*args)
    except OSError as e:
        assert e.errno == want, e
    else:
        raise AssertionError(f"no {errno.errorcode[want]}")


def tcp_state(s):
    return s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)[0]


# ---- calls on sockets of the parent -------------------------------------------------


def listens():
    """bind() in the parent, listen() and accept() in the child, as daemons do."""
    l = bound()

    def serve():
        l.listen(4)
        assert l.getsockname() == ADDR
        assert l.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
        assert tcp_state(l) == 10
        os.write(ready, b"x")
        s, peer = l.accept()
        assert s.getpeername() == peer and s.getsockname() == ADDR
        s.sendall(receive(s, 5))

    done, ready = os.pipe()
    pid = child(serve)
    l.close()
    os.read(done, 1)
    c = socket.create_connection(ADDR)
    c.sendall(b"hello")
    assert receive(c, 5) == b"hello"
    join(pid)
    assert c.recv(1) == b""
    c.close()
    time.sleep(1)  # the last copy of the listener is closed
    fails(errno.ECONNREFUSED, socket.create_connection, ADDR)


def connects():
    """A bound socket connects in the child; refused, then again."""
    l = listener()
    c = bound(PORT + 1)

    def connect():
        fails(errno.ECONNREFUSED, c.connect, ("127.0.0.1", 9))
        c.connect(ADDR)
        assert c.getsockname() == ("127.0.0.1", PORT + 1) and c.getpeername() == ADDR
        fails(errno.EISCONN, c.connect, ADDR)
        c.sendall(b"hello")

    pid = child(connect)
    s, peer = l.accept()
    assert peer == ("127.0.0.1", PORT + 1)
    assert receive(s, 5) == b"hello"
    join(pid)


def finishes_connect():
    """A non-blocking connect() that the parent has begun."""
    l = listener()
    c = socket.socket()
    c.setblocking(False)
    assert c.connect_ex(ADDR) == errno.EINPROGRESS

    def finish():
        assert select.select([], [c], [], 10)[1]
        assert c.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        assert c.getpeername() == ADDR
        c.setblocking(True)
        c.sendall(b"x" * 1000000)

    pid = child(finish)
    s = l.accept()[0]
    receive(s, 1000000)
    join(pid)
    c = socket.socket()
    c.setblocking(False)
    assert c.connect_ex(("127.0.0.1", 9)) == errno.EINPROGRESS

    def refused():
        assert select.select([], [c], [], 10)[1]
        error = c.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        assert error == errno.ECONNREFUSED, error
        assert c.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        fails(errno.ENOTCONN, c.getpeername)

    in_child(refused)


def options():
    """Options, names, errors: what one process sets the other sees."""
    s, c = pair()

    def look():
        for level, name, value in (
            (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
            (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77),
            (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 7777),
        ):
            assert s.getsockopt(level, name) != value
            s.setsockopt(level, name, value)
            assert s.getsockopt(level, name) == value
        assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        assert tcp_state(s) == 1
        fails(errno.ENOPROTOOPT, s.setsockopt, socket.IPPROTO_TCP, 9999, 1)
        fails(errno.EINVAL, s.setsockopt, socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, -1)

    in_child(look)
    assert s.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 77
    assert s.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 7777
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    c.close()

    def broken():
        select.select([s], [], [], 10)
        assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNRESET
        assert s.recv(1) == b""
        fails(errno.ENOTCONN, s.getpeername)
        fails(errno.ENOTCONN, s.shutdown, socket.SHUT_RD)
        assert tcp_state(s) == 7

    in_child(broken)


def shuts_down():
    """SHUT_WR in the child, and both ways; the parent's copy stays open or not."""
    for parent_keeps in True, False:
        s, c = pair()

        def half():
            s.sendall(b"hello")
            s.shutdown(socket.SHUT_WR)
            fails(errno.EPIPE, s.send, b"x")
            assert receive(s, 3) == b"bye"
            assert s.recv(1) == b""

        pid = child(half)
        if not parent_keeps:
            s.close()
        assert receive(c, 5) == b"hello" and c.recv(1) == b""
        c.sendall(b"bye")
        c.shutdown(socket.SHUT_WR)
        join(pid)
        c.close()
        # The other order: SHUT_WR comes when the end of file is there.
        s, c = pair()

        def last():
            assert receive(s, 3) == b"bye" and s.recv(1) == b""
            s.sendall(b"hello")
            s.shutdown(socket.SHUT_WR)
            time.sleep(0.5)

        pid = child(last)
        if not parent_keeps:
            s.close()
        c.sendall(b"bye")
        c.shutdown(socket.SHUT_WR)
        assert receive(c, 5) == b"hello" and c.recv(1) == b""
        join(pid)


# ---- servers ---------------------------------------------------------------------------


def ask(n):
    """n connections, each answered with what it said."""
    pids = set()
    for i in range(n):
        with socket.create_connection(ADDR) as c:
            text = b"%08d" % i
            c.sendall(text)
            answer = receive(c, 16)
            assert answer[:8] == text
            pids.add(answer[8:])
            assert c.recv(1) == b""
    return len(pids)


def answer(s):
    s.sendall(receive(s, 8) + b"%08d" % os.getpid())


def per_connection():
    """A child for each connection."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            assert self.request.getpeername() == self.client_address
            answer(self.request)

    class Server(socketserver.ForkingMixIn, socketserver.TCPServer):
        allow_reuse_address = True

    server = Server(ADDR, Handler)
    pid = child(ask, 50)
    for _ in range(50):
        server.handle_request()
    join(pid)
    server.server_close()


def prefork():
    """Workers accept on the inherited listener, which the parent closes."""
    l = listener(5)

    def work():
        while True:
            s, peer = l.accept()
            with s:
                answer(s)

    workers = [child(work) for _ in range(4)]
    l.close()
    clients = [child(ask, 100) for _ in range(4)]
    for pid in clients:
        join(pid)
    assert ask(200) > 1
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    time.sleep(0.5)
    fails(errno.ECONNREFUSED, socket.create_connection, ADDR)
    with listener():  # the port is free
        pass


CLONE_NEWNET = 0x40000000


def cloned():
    """fork() without libc's knowing; in a network namespace of its own, too, as some
    servers do with each session."""
    libc = ctypes.CDLL(None)
    for flags in 0, CLONE_NEWNET:
        s, c = pair()
        pid = libc.syscall(56, flags | signal.SIGCHLD, 0, 0, 0, 0)
        if not pid:
            status = 1
            try:
                os.dup2(s.fileno(), 20)
                t = socket.socket(fileno=20)
                assert t.family == socket.AF_INET and t.getsockname() == ADDR
                t.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                assert t.getpeername() == c.getsockname()
                t.sendall(receive(t, 5))
                if not flags:
                    with bound(PORT + 1) as own:
                        own.listen(1)
                        socket.create_connection(own.getsockname()).close()
                status = 0
            except BaseException:  # noqa: B902 # as in child()
                sys.excepthook(*sys.exc_info())
            os._exit(status)
        s.close()
        c.sendall(b"hello")
        assert receive(c, 5) == b"hello" and c.recv(1) == b""
        join(pid)


def daemon():
    """The process that made the listener exits, before or after listen()."""
    for late in False, True:
        l = bound(PORT + 1 + late)

        def serve():
            if late:
                l.listen(5)
            while True:
                with l.accept()[0] as s:
                    text = receive(s, 8)
                    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
                    s.sendall(text + b"%08d" % os.getpid())
                    if text == b"the last":
                        return

        def parent():
            if not late:
                l.listen(5)
            child(serve)

        in_child(parent)
        l.close()
        time.sleep(0.3)
        for text in b"number 1", b"number 2", b"the last":
            with socket.create_connection(("127.0.0.1", PORT + 1 + late)) as c:
                c.sendall(text)
                assert receive(c, 16)[:8] == text and c.recv(1) == b""


def shared():
    """SO_REUSEPORT: within a process, and by processes that know nothing of each other;
    each connection is answered by exactly one."""

    def listen():
        l = socket.socket()
        l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        l.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77)
        l.bind(ADDR)
        l.listen(64)
        return l

    def serve(listeners):
        os.write(ready, b"x" * len(listeners))
        while True:
            for l in select.select(listeners, [], [])[0]:
                s = l.accept()[0]
                assert s.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 77
                text = receive(s, 8)
                s.sendall(text + b"%08d" % (l.fileno() + 1000 * os.getpid()))
                s.close()

    done, ready = os.pipe()
    servers = [child(lambda: serve([listen()])), child(lambda: serve([listen(), listen()]))]
    for _ in range(3):
        assert os.read(done, 1)
    clients = [child(ask, 500) for _ in range(2)]
    for pid in clients:
        join(pid)
    assert ask(300) == 3
    with socket.socket() as other:  # who does not ask for it is kept out
        fails(errno.EADDRINUSE, other.bind, ADDR)
    for pid in servers:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def freed():
    """When the last process that holds a listener dies, its port is free at once."""
    for _ in range(5):
        says, ready = os.pipe()

        def parent():
            l = listener()
            pid = child(lambda: (l.fileno(), time.sleep(60)))
            os.write(ready, b"%d" % pid)

        in_child(parent)
        holder = int(os.read(says, 10))
        time.sleep(0.1)

        def rival():
            with socket.socket() as s:
                fails(errno.EADDRINUSE, s.bind, ADDR)

        in_child(rival)
        os.kill(holder, signal.SIGKILL)
        while os.path.exists(f"/proc/{holder}/fd/0"):
            time.sleep(0.001)
        in_child(lambda: listener().close())


def without_privileges():
    """A child that has lost what raw sockets need uses its parent's stack."""
    l = listener()

    def poor():
        os.setgroups([])
        os.setresuid(65534, 65534, 65534)
        c = socket.socket()
        c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 50000)
        assert c.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 100000
        c.connect(ADDR)
        assert c.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 100000
        assert c.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        c.sendall(b"hello")
        assert receive(c, 5) == b"hello" and c.recv(1) == b""
        own = bound(PORT + 1)
        own.listen(1)
        c = socket.create_connection(own.getsockname())
        own.accept()[0].sendall(b"x")
        receive(c, 1)
        fails(errno.EACCES, bound, 80)
        fails(errno.ECONNREFUSED, socket.create_connection, ("127.0.0.1", 9))

    pid = child(poor)
    s = l.accept()[0]
    s.sendall(receive(s, 5))
    s.close()
    join(pid)


# ---- other programs --------------------------------------------------------------------

LOOK = """
import socket, sys
s = socket.socket(fileno=int(sys.argv[1]))
assert s.family == socket.AF_INET and s.type == socket.SOCK_STREAM
assert s.getsockname()[1] == 9000 and s.getpeername()[0] == "127.0.0.1"
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
assert s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
assert s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)[0] == 1
s.sendall(s.recv(100))
"""


def without_us():
    return {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}


def executed():
    """exec() with the connection: known as TCP there, or at least usable."""
    s, c = pair()
    for i, run in enumerate((
        lambda fd: subprocess.run([sys.executable, "-c", LOOK, str(fd)],
                                  pass_fds=[fd], check=True),
        lambda fd: in_child(lambda: (os.set_inheritable(fd, True),
                                     os.execv(sys.executable, [sys.executable, "-c", LOOK,
                                                               str(fd)]))),
        lambda fd: spawned(["sh", "-c", f"head -c 5 <&{fd} >&{fd}"], fd, os.environ),
        lambda fd: spawned(["sh", "-c", f"head -c 5 <&{fd} >&{fd}"], fd, without_us()),
    )):
        c.sendall(b"hello")
        run(s.fileno())
        assert receive(c, 5) == b"hello", i
    s.close()
    assert c.recv(1) == b""


def spawned(argv, fd, env):
    os.set_inheritable(fd, True)
    join(os.posix_spawnp(argv[0], argv, env))


TAKE = """
import socket, sys
way = socket.socket(fileno=int(sys.argv[1]))
_, fds, flags, _ = socket.recv_fds(way, 10, 4)
l, s = socket.socket(fileno=fds[0]), socket.socket(fileno=fds[1])
if len(sys.argv) > 2:
    assert s.family == socket.AF_INET
    assert s.getsockname()[1] == 9000 and s.getpeername()[0] == "127.0.0.1"
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    assert l.getsockname() == ("127.0.0.1", 9000)
    n, peer = l.accept()
    assert n.getpeername() == peer
else:
    n = socket.socket(fileno=l._accept()[0])
n.sendall(n.recv(100))
s.sendall(s.recv(100))
"""


def passed():
    """SCM_RIGHTS to a program with us and to one without."""
    for env, how in (os.environ, ["known"]), (without_us(), []):
        l = listener()
        c = socket.create_connection(ADDR)
        s = l.accept()[0]
        here, there = socket.socketpair()
        taker = subprocess.Popen([sys.executable, "-c", TAKE, str(there.fileno())] + how,
                                 pass_fds=[there.fileno()], env=env)
        socket.send_fds(here, [b"x"], [l.fileno(), s.fileno()])
        l.close()
        s.close()
        c.sendall(b"hello")
        c2 = socket.create_connection(ADDR)
        c2.sendall(b"again")
        assert receive(c2, 5) == b"again"
        assert receive(c, 5) == b"hello"
        assert taker.wait() == 0
        assert c.recv(1) == b"" and c2.recv(1) == b""


def received():
    """SCM_RIGHTS looked at first, cut short, several in one message, sent to oneself."""
    s, c = pair()
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def known(fd):
        with socket.socket(fileno=fd) as got:
            assert got.family == socket.AF_INET
            assert c.getsockname() in (got.getsockname(), got.getpeername())
            assert tcp_state(got) == 1

    def take():
        for flags in socket.MSG_PEEK, 0:
            assert take_fds(4, flags) == 2
        assert take_fds(1, 0) >= 1  # and what the padding has room for

    def take_fds(n, flags):
        room = socket.CMSG_SPACE(4 * n)
        fds = array.array("i")
        for _, _, data in there.recvmsg(10, room, flags)[1]:
            fds.frombytes(data[: len(data) - len(data) % 4])
        for fd in fds:
            known(fd)
        return len(fds)

    for run in in_child, lambda f: f():
        socket.send_fds(here, [b"x"], [s.fileno(), c.fileno()])
        socket.send_fds(here, [b"x"], [c.fileno(), s.fileno(), s.fileno()])
        run(take)
    s.sendall(b"hello")
    assert receive(c, 5) == b"hello"


def without_fds():
    """A child at its limit of open files can still ask and shut down, or is told why
    not; it loses nothing."""
    s, c = pair()

    def poor():
        resource.setrlimit(resource.RLIMIT_NOFILE, (s.fileno() + 2, 50))
        spare = []
        try:
            while True:
                spare.append(os.dup(0))
        except OSError as e:
            assert e.errno == errno.EMFILE
        try:
            s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        except OSError as e:
            assert e.errno == errno.ENOBUFS
        assert s.getpeername() == c.getsockname()
        s.sendall(receive(s, 5))
        s.shutdown(socket.SHUT_WR)

    pid = child(poor)
    s.close()
    c.sendall(b"hello")
    assert receive(c, 5) == b"hello" and c.recv(1) == b""
    join(pid)


def wait_until_quiet():
    """All other threads of this process sleep: what it had to do is done."""
    def sleeps(task):
        with open(f"/proc/self/task/{task}/stat", encoding="ascii") as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "S"

    while not all(map(sleeps, set(os.listdir("/proc/self/task")) - {str(os.getpid())})):
        time.sleep(0.001)


def killed():
    """The children of a process that was killed go on with what they share with it."""
    l = listener()

    def owner():
        c = socket.create_connection(ADDR)  # starts a stack
        c.sendall(b"x")
        child(holder, c, os.getpid())
        assert c.recv(1, socket.MSG_PEEK) == b"y"
        wait_until_quiet()
        os.kill(os.getpid(), signal.SIGKILL)

    def holder(c, parent):
        while os.getppid() == parent:
            time.sleep(0.01)
        time.sleep(1.2)  # an upkeep later
        assert c.recv(1) == b"y"
        assert c.getpeername() == ADDR
        c.sendall(b"from the child")

    pid = child(owner)
    s = l.accept()[0]
    receive(s, 1)
    s.sendall(b"y")
    os.waitpid(pid, 0)
    assert receive(s, 14) == b"from the child"
    assert s.recv(1) == b""


if __name__ == "__main__":
    signal.alarm(50)
    {f.__name__: f for f in (listens, connects, finishes_connect, options, shuts_down,
                             per_connection, prefork, cloned, daemon, shared, freed,
                             without_privileges, executed, passed, received,
                             without_fds, killed)}[sys.argv[1]]()
