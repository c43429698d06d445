# options.py ADDR PORT CASE...: what socket options do to connections to a peer that
# accepts and stays silent; one line per case. "drop" has the shell beside us make
# the network silent: it says so in a line on standard output and waits for one.
import errno
import socket
import sys
import time

addr = (sys.argv[1], int(sys.argv[2]))
TCP, SOL = socket.IPPROTO_TCP, socket.SOL_SOCKET
began = 0.0


def joined(*options):
    s = socket.socket()
    for level, name, value in options:
        s.setsockopt(level, name, value)
    s.connect(addr)
    return s


def drop():
    global began
    print("drop", flush=True)
    sys.stdin.readline()
    began = time.monotonic()


def outcome(call):
    """The errno of the call and after how many seconds since the network was cut."""
    try:
        call()
        what = "success"
    except OSError as e:
        what = errno.errorcode[e.errno]
    return f"{what} after {time.monotonic() - began:.0f} s"


def keepalive():  # its times come from the sysctls
    s = joined((SOL, socket.SO_KEEPALIVE, 1))
    drop()
    return outcome(lambda: s.recv(1))


def user_timeout():
    s = joined((TCP, socket.TCP_USER_TIMEOUT, 2000))
    drop()
    s.send(b"x")
    return outcome(lambda: s.recv(1))


def syncnt():
    drop()
    return outcome(lambda: joined((TCP, socket.TCP_SYNCNT, 1)))


def pacing():
    global began
    s = joined((SOL, 47, 1000000))  # SO_MAX_PACING_RATE
    s.setsockopt(SOL, socket.SO_SNDBUF, 65536)
    began = time.monotonic()
    return outcome(lambda: s.sendall(bytes(3000000)))


for case in sys.argv[3:]:
    print(case, globals()[case](), flush=True)
