"""guard.py SERVER_HOST... - sockets that are bound and do not listen, or do so no more:
who says LISTEN at their port, and what a SYN gets. One line for each step."""
import os
import socket
import subprocess
import sys

PORT = 9000
PLAIN = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
DIAL = f"""
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
s.settimeout(5)
print(s.connect_ex((sys.argv[1], {PORT})))
"""


def seen(dial):
    """On the kernel's TCP: LISTEN in ss, and the errno of connect()."""
    ss = subprocess.run(["ss", "-Hltn", f"sport = :{PORT}"], env=PLAIN, capture_output=True, text=True)
    said = subprocess.run([sys.executable, "-c", DIAL, dial], env=PLAIN, capture_output=True, text=True)
    states = [line.split()[0] for line in ss.stdout.splitlines()]
    errno = int(said.stdout)
    return f"{states} {os.strerror(errno) if errno else 'connected'}"


def steps(family, address, dial, v6only=None):
    s = socket.socket(family)
    if v6only is not None:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, PORT))
    print(address, v6only, "bound:", seen(dial))
    other = socket.socket(family)
    if v6only is not None:
        other.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
    other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    other.bind((address, PORT))
    print("bound twice:", seen(dial))
    s.listen(5)
    print("listens:", seen(dial))
    try:
        other.listen(5)
    except OSError as e:
        print("second:", os.strerror(e.errno))
    s.close()
    print("bound, was listening:", seen(dial).split("]")[1])
    other.close()


steps(socket.AF_INET, "0.0.0.0", "127.0.0.1")
steps(socket.AF_INET, "127.0.0.1", "127.0.0.1")
steps(socket.AF_INET6, "::1", "::1", 1)
steps(socket.AF_INET6, "::", "::1", 0)
steps(socket.AF_INET6, "::", "127.0.0.1", 0)
