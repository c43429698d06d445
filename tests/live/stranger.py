"""stranger.py WHAT SECONDS, squat UID PORT..., or inherit: a local user who means no good, at every AF_UNIX name of ours in
this network namespace, which sock_diag shows to all.

loop     connects and closes, again and again
garbage  sends 4 kB to whoever lets it
linger   sends kernel sockets along whose last close() waits a minute
hold     500 connections stay, silent
inherit  takes the name of a listener that is closed, and waits for connections
squat    binds the names that can be guessed before others do

Prints how often it got through, by kind of name, after so many seconds, and stays."""
import array
import collections
import os
import signal
import socket
import struct
import sys
import time

NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST_DUMP = 4, 20, 0x301
UDIAG_SHOW_NAME, UNIX_DIAG_NAME, NLMSG_DONE, NLMSG_ERROR = 1, 0, 3, 2


def messages(data):
    while len(data) >= 16:
        size, kind = struct.unpack_from("=IH", data)
        yield kind, data[16:size]
        data = data[(size + 3) & ~3:]


def attributes(data):
    while len(data) >= 4:
        size, kind = struct.unpack_from("=HH", data)
        yield kind, data[4:size]
        data = data[(size + 3) & ~3:]


def names():
    """Of ours: {(type, name)}."""
    found = set()
    query = struct.pack("=BBHIIIII", socket.AF_UNIX, 0, 0, ~0 & 0xFFFFFFFF, 0, UDIAG_SHOW_NAME,
                        0xFFFFFFFF, 0xFFFFFFFF)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_SOCK_DIAG) as s:
        s.send(struct.pack("=IHHII", 16 + len(query), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST_DUMP,
                           0, 0) + query)
        while True:
            for kind, body in messages(s.recv(1 << 20)):
                if kind == NLMSG_DONE:
                    return found
                assert kind != NLMSG_ERROR, body
                for attr, value in attributes(body[16:]):
                    if attr == UNIX_DIAG_NAME and value.startswith(b"\0mytcp"):
                        found.add((body[1], value))


def connected(kind, name):
    """A connection or None."""
    s = socket.socket(socket.AF_UNIX, kind | socket.SOCK_NONBLOCK)
    try:
        s.connect(name)
        return s
    except OSError:
        s.close()
        return None


through = collections.Counter()


def loop(kind, name):
    s = connected(kind, name)
    if s:
        s.close()
        return True
    return False


def garbage(kind, name):
    s = connected(kind, name)
    if not s:
        return False
    try:
        s.send(os.urandom(4096))
        return True
    except OSError:
        return False
    finally:
        s.close()


kept = []


def let_linger(kind, name, listener):
    """Ends where the socket's last copy is closed: here only if the other was faster."""
    s = connected(kind, name)
    t = socket.create_connection(listener.getsockname())
    t.setblocking(False)
    try:
        while True:
            t.send(b"x" * 65536)
    except BlockingIOError:
        pass
    t.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 60))
    try:
        s.sendmsg([b"8 bytes."], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                   array.array("i", [t.fileno()]))])
    except OSError:  # kept out
        return False
    t.setblocking(True)
    t.close()
    return True


children = []
nobody_reads = []


def linger(kind, name):
    """A child that has ended has got through, and does not wait itself."""
    if not nobody_reads:
        nobody_reads.append(socket.create_server(("127.0.0.1", 0), backlog=4000))
        nobody_reads[0].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    pid = os.fork()
    if pid == 0:
        os._exit(not (connected(kind, name) and let_linger(kind, name, nobody_reads[0])))
    children.append((pid, chr(name[6])))
    return 0


def count_children():
    for pid, kind in children:
        done, status = os.waitpid(pid, os.WNOHANG)
        if not done:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        through[kind] += done and status == 0


def hold(kind, name):
    for _ in range(500):
        s = connected(kind, name)
        if not s:
            break
        kept.append(s)
    return True


def siege(what, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for kind, name in names():
            through[chr(name[6])] += what(kind, name)
            for _ in range(50 if what is loop else 0):
                loop(kind, name)
        if what is hold or len(children) > 1000:
            break
    time.sleep(max(0, end - time.monotonic()))
    count_children()


def guessed(kind, sock_id):
    """A name of no stack, as names.c makes it."""
    return b"\0mytcp" + kind + bytes(16) + bytes(8) + struct.pack("=QB", sock_id, 0)


def squat(uid, *ports):
    for name in [guessed(b"k", uid)] + [guessed(b"p", uid << 16 | p) for p in ports]:
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.bind(name)
        s.listen(1)
        kept.append(s)
    print("squats", flush=True)
    signal.pause()


def inherit():
    """Listens by the name of the only listener, as soon as that is closed."""
    (kind, name), = ((k, n) for k, n in names() if chr(n[6]) == "a")
    print("waits", flush=True)
    s = socket.socket(socket.AF_UNIX, kind)
    while True:
        try:
            s.bind(name)
            break
        except OSError:
            pass
    s.listen(100)
    print("listens", flush=True)
    while True:
        stolen = s.accept()[0].recv(100)
        print("stole", stolen, flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "squat":
        squat(*map(int, sys.argv[2:]))
    elif sys.argv[1] == "inherit":
        inherit()
    else:
        siege(globals()[sys.argv[1]], float(sys.argv[2]))
        print(" ".join(f"{kind}:{n}" for kind, n in sorted(through.items())), flush=True)
        signal.pause()  # what lingers, or is held, does so until this ends
