"""memcached_client.py HOST - 20 connections at once, each stores and reads values,
small and large; says ok at the end."""
import hashlib
import random
import socket
import sys
import threading

bad = []


def one(number):
    numbers = random.Random(number)
    with socket.create_connection((sys.argv[1], 11211)) as s, s.makefile("rwb") as f:
        for i, size in enumerate((1, 100, 5000, 100000, 1000000, 10)):
            value = numbers.randbytes(size)
            key = f"key-{number}-{i}".encode()
            f.write(b"set %s 0 0 %d\r\n%s\r\n" % (key, size, value))
            f.flush()
            stored = f.readline()
            f.write(b"get %s\r\n" % key)
            f.flush()
            head = f.readline().split()
            got = f.read(size) if head[:1] == [b"VALUE"] else b""
            tail = f.read(7)
            if (stored, tail) != (b"STORED\r\n", b"\r\nEND\r\n") or got != value:
                bad.append((number, i, stored, head, hashlib.sha256(got).hexdigest()))


threads = [threading.Thread(target=one, args=(n,)) for n in range(20)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print("\n".join(map(str, bad)) or "ok")
