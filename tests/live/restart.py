# restart.py HOST PORT COUNT CMD... -- FIRST...: starts a server COUNT times, one after the other,
# by CMD (the first time by FIRST, if there is one), and is their client. Connections
# to each go on while the next ones run, and the same source port has a connection to each, that
# the server closes. In the end nobody listens.
import signal, socket, struct, subprocess, sys

host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
command, _, first = " ".join(sys.argv[4:]).partition(" -- ")
signal.alarm(100)


def connect(source=0):
    s = socket.socket()
    s.settimeout(5)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("", source))
    s.connect((host, port))
    return s


def echo(s, data):
    s.sendall(data)
    got = b""
    while len(got) < len(data):
        more = s.recv(4096)
        assert more, "closed"
        got += more
    assert got == data


old = []
for i in range(count):
    words = (first if first and i == 0 else command).split()
    server = subprocess.Popen(words, stdout=subprocess.PIPE)
    assert server.stdout.readline() == b"ready\n", "generation %d did not start" % i
    server.stdout.close()
    old.append(connect())
    for n, s in enumerate(old):
        echo(s, b"%d to %d" % (i, n))
    fixed = connect(40000)
    echo(fixed, b"x" * 3000)
    fixed.sendall(b"close")
    assert fixed.recv(1) == b""
    fixed.close()
    server.terminate()
    assert server.wait(5) == 0
    for n, s in enumerate(old):
        echo(s, b"%d to %d, alone" % (i, n))
# Their stacks share the port, and none listens.
try:
    connect()
    sys.exit("connected to nobody")
except ConnectionRefusedError:
    pass
for s in old:
    s.shutdown(socket.SHUT_WR)
    assert s.recv(1) == b""
