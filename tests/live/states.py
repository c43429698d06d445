"""states.py peer      - serves connections: the first byte says what to do
states.py ADDRESS   - brings sockets into the states of RFC 9293 figure 5, looks
at TCP_INFO, and fails where it does not say so. Drops the peer's packets with
nftables where a state would be too short to see."""
import os
import socket
import subprocess
import sys
import time

PORT = 9000
NAMES = ["", "ESTABLISHED", "SYN-SENT", "SYN-RECEIVED", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT",
         "CLOSED", "CLOSE-WAIT", "LAST-ACK", "LISTEN", "CLOSING"]


def peer():
    listener = socket.create_server(("", PORT), family=socket.AF_INET6, dualstack_ipv6=True)
    held = []
    while True:
        s, _ = listener.accept()
        what = s.recv(1)
        if what == b"c":    # close
            s.close()
        elif what == b"w":  # close when the other side has
            held.append(s)
            if s.recv(1) == b"":
                s.close()
        else:               # stay
            held.append(s)


def nft(*words):
    env = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
    subprocess.run(["nft", *words], env=env, check=True)


def tcp(address):
    return socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)


def mute(rule="meta l4proto tcp drop"):
    nft("add table inet mute; add chain inet mute input "
        "{ type filter hook input priority 0; }; add rule inet mute input " + rule)


def unmute():
    nft("delete table inet mute")


def state(s):
    return NAMES[s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[0]]


def becomes(s, want):
    for _ in range(100):
        if state(s) == want:
            print(want)
            return
        time.sleep(0.05)
    raise AssertionError(f"state is {state(s)}, not {want}")


def connect(address, what):
    s = socket.create_connection((address, PORT))
    s.sendall(what)
    return s


def local(address):
    s = tcp(address)
    becomes(s, "CLOSED")
    s.bind(("", 0))
    s.listen()
    becomes(s, "LISTEN")

    s = tcp(address)
    s.setblocking(False)
    mute()
    s.connect_ex((address, PORT))
    becomes(s, "SYN-SENT")
    unmute()
    becomes(s, "ESTABLISHED")


def we_close_first(address):
    s = connect(address, b"h")
    time.sleep(0.1)
    mute()
    s.shutdown(socket.SHUT_WR)
    becomes(s, "FIN-WAIT-1")
    unmute()
    becomes(s, "FIN-WAIT-2")
    s = connect(address, b"w")
    s.shutdown(socket.SHUT_WR)
    assert s.recv(1) == b""
    assert state(s) in ("TIME-WAIT", "CLOSED"), state(s)


def peer_closes_first(address):
    s = connect(address, b"c")
    assert s.recv(1) == b""
    becomes(s, "CLOSE-WAIT")
    mute()
    s.shutdown(socket.SHUT_WR)
    becomes(s, "LAST-ACK")
    unmute()
    becomes(s, "CLOSED")


if sys.argv[1] == "peer":
    peer()
else:
    local(sys.argv[1])
    we_close_first(sys.argv[1])
    peer_closes_first(sys.argv[1])
