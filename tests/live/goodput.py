#!/usr/bin/python3
"""goodput.py receive PORT SECONDS
goodput.py send HOST PORT SECONDS [CONGESTION_CONTROL]

One connection, as full as it can be. The receiver says when it is ready, counts for
SECONDS from accept(2) on, compares every byte with what must come, prints the bytes
and resets the connection. The sender writes until then, and prints the algorithm it
runs with."""
import random
import signal
import socket
import struct
import sys
import time

# A prime length, so that no misplaced segment looks right.
BLOCK = random.Random(1).randbytes(1000003)
STREAM = memoryview(BLOCK + BLOCK)
PIECE = 1 << 18


def receive(port, seconds):
    listener = socket.create_server(("", port))
    listener.settimeout(60)
    print("ready", flush=True)
    peer, _ = listener.accept()
    end = time.monotonic() + seconds
    piece, total = bytearray(PIECE), 0
    while (left := end - time.monotonic()) > 0:
        peer.settimeout(left)
        try:
            n = peer.recv_into(piece)
        except TimeoutError:
            break
        if n == 0:
            sys.exit("the sender has ended the connection")
        at = total % len(BLOCK)
        if piece[:n] != STREAM[at:at + n]:
            sys.exit(f"wrong bytes after {total}")
        total += n
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    print(total)


def send(host, port, seconds, algorithm):
    signal.alarm(int(seconds) + 30)
    s = socket.socket()
    if algorithm:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, algorithm.encode())
    print(s.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0").decode(),
          flush=True)
    s.connect((host, port))
    total = 0
    try:
        while True:
            at = total % len(BLOCK)
            total += s.send(STREAM[at:at + PIECE])
    except (ConnectionResetError, BrokenPipeError):
        return


if sys.argv[1] == "receive":
    receive(int(sys.argv[2]), float(sys.argv[3]))
else:
    send(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), "".join(sys.argv[5:6]))
