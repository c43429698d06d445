"""kills.py SEED ROUNDS ADDRESS - a server under the launcher, its forked workers and
what takes over from a program that ends or was killed, one of them killed at a random
moment under load, then all the others. What the peers have read by their end, reset or
end of file as it comes, is what was sent; when everybody is gone, nothing of ours may
be left.

Run in a network namespace; ADDRESS is of this host. The launcher is MYTCP."""
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time

SERVER = r"""
import os, socket, sys, threading
l = socket.create_server(("0.0.0.0", 9000), backlog=64)
def serve(s):
    with s:
        try:
            while b := s.recv(65536):
                s.sendall(b)
        except OSError:
            pass
if sys.argv[1] == "fork":
    for _ in range(2):
        if os.fork() == 0:
            break
if sys.argv[1] == "leave" and os.fork():
    os._exit(0)
while True:
    s, _ = l.accept()
    threading.Thread(target=serve, args=(s,), daemon=True).start()
"""


STRANGERS = set()
EOF = "an end of file"


class Load(threading.Thread):
    """Echoes against the server until that fails."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.address, self.end = address, None

    def run(self):
        try:
            with socket.create_connection((self.address, 9000), 10) as s:
                # Who has nothing to send meets no RST.
                s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
                while True:
                    text = os.urandom(20000)
                    s.sendall(text)
                    back = b""
                    while len(back) < len(text):
                        part = s.recv(65536)
                        if not part:
                            self.end = EOF if text.startswith(back) else "wrong bytes"
                            return
                        back += part
                    if back != text:
                        self.end = "wrong bytes"
                        return
        except (ConnectionResetError, BrokenPipeError, ConnectionRefusedError):
            self.end = "reset"
        except OSError as e:
            self.end = repr(e)


def pids():
    """All processes of this network namespace that were not there at the beginning."""
    here = os.readlink("/proc/self/ns/net")
    found = []
    for pid in os.listdir("/proc"):
        if not pid.isdigit() or int(pid) in STRANGERS:
            continue
        try:
            if os.readlink(f"/proc/{pid}/ns/net") == here:
                found.append(int(pid))
        except OSError:
            pass
    return found


def background():
    for pid in pids():
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                if f.read().startswith(b"mytcp: "):
                    return pid
        except OSError:
            pass
    return None


def wait_for(what, seconds=10):
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def listens():
    with open("/proc/net/tcp", encoding="ascii") as f:
        return any(line.split()[1].endswith(":2328") for line in f if ":2328" in line)


def left_behind():
    """Kernel sockets that only we make: guards; and AF_UNIX names of ours."""
    with open("/proc/net/unix", encoding="ascii", errors="replace") as f:
        names = [line for line in f if "@mytcp" in line]
    with open("/proc/net/raw", encoding="ascii") as f:
        raw = f.readlines()[1:]
    return names + raw + (["a guard"] if listens() else [])


def kill_all():
    """Returns whom it has found."""
    found = [pid for pid in pids() if not is_zombie(pid)]
    for pid in found:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return found


def is_zombie(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def one_round(rnd, address):
    way = rnd.choice(("plain", "fork", "leave"))
    server = subprocess.Popen([os.environ["MYTCP"], "python3", "-c", SERVER, way])
    if not wait_for(listens):
        return "the server does not listen"
    if way == "leave":
        server.wait()  # its child inherits, at once or from a process in the background
    loads = [Load(address) for _ in range(3)]
    for load in loads:
        load.start()
    time.sleep(rnd.uniform(0, 0.15))
    stack = server.pid if way != "leave" else background() or rnd.choice(pids())
    first = stack if rnd.random() < 0.5 else rnd.choice(pids())
    try:
        os.kill(first, signal.SIGKILL)
    except ProcessLookupError:
        pass
    time.sleep(rnd.uniform(0, 0.02))
    wait_for(lambda: not kill_all())  # some may have been taken over from meanwhile
    server.wait()
    for load in loads:
        load.join(10)
        if load.end not in ("reset", EOF):
            return f"{way}: a peer saw {load.end}"
    if not wait_for(lambda: not pids()):
        return f"{way}: processes {pids()}"
    if not wait_for(lambda: not left_behind()):
        return f"{way}: left behind {left_behind()}"
    return None


def main():
    seed, rounds, address = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    rnd = random.Random(seed)
    STRANGERS.update(pids())
    for i in range(rounds):
        wrong = one_round(rnd, address)
        if wrong:
            sys.exit(f"seed {seed}, round {i}: {wrong}")


main()
