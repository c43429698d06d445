#!/usr/bin/python3
"""udp.py sink PORT SECONDS         for so long; then the numbers that came, and the
                                    seconds between the first and the last
udp.py burst HOST PORT N SIZE       N datagrams of SIZE bytes, numbered, at once
udp.py echo PORT                    sends back whatever comes
udp.py ping HOST PORT N             the shortest and the median round trip in ms
udp.py probe HOST PORT SIZE         one that must not be fragmented; then the path
                                    MTU, after a moment for whoever answers"""
import socket
import statistics
import struct
import sys
import time

# Of linux/in.h.
IP_MTU_DISCOVER, IP_PMTUDISC_DO, IP_MTU = 10, 2, 14


def bound(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    s.bind(("", port))
    return s


def connected(host, port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect((host, port))
    return s


def sink(port, seconds):
    s, end, came, times = bound(port), time.monotonic() + seconds, [], []
    while (left := end - time.monotonic()) > 0:
        s.settimeout(left)
        try:
            data = s.recv(65536)
        except TimeoutError:
            break
        times.append(time.monotonic())
        came.append(struct.unpack("!I", data[:4])[0])
    print(*came)
    print(times[-1] - times[0] if times else 0)


def burst(host, port, n, size):
    s = connected(host, port)
    for i in range(n):
        s.send(struct.pack("!I", i).ljust(size, b"x"))
        if i % 50 == 49:
            time.sleep(0.001)  # the device's reader gets a turn


def echo(port):
    s = bound(port)
    while True:
        data, address = s.recvfrom(65536)
        s.sendto(data, address)


def ping(host, port, n):
    s, times = connected(host, port), []
    s.settimeout(5)
    for _ in range(n):
        begin = time.monotonic()
        s.send(b"ping")
        s.recv(100)
        times.append((time.monotonic() - begin) * 1000)
    print(min(times), statistics.median(times))


def probe(host, port, size):
    s = connected(host, port)
    s.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
    s.send(b"x" * size)
    time.sleep(0.5)
    print(s.getsockopt(socket.IPPROTO_IP, IP_MTU))


{"sink": lambda a: sink(int(a[0]), float(a[1])),
 "burst": lambda a: burst(a[0], int(a[1]), int(a[2]), int(a[3])),
 "echo": lambda a: echo(int(a[0])),
 "ping": lambda a: ping(a[0], int(a[1]), int(a[2])),
 "probe": lambda a: probe(a[0], int(a[1]), int(a[2]))}[sys.argv[1]](sys.argv[2:])
