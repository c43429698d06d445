"""cc.py - the algorithm of a new socket.
cc.py serve PORT FILE - FILE to everybody who connects, switching algorithms.
cc.py fetch HOST PORT NAME - what it sends, on standard output, with this one."""
import errno
import socket
import sys


def name_of(sock):
    raw = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
    return raw.split(b"\0")[0].decode()


def choose(sock, name):
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name.encode())
    assert name_of(sock) == name, name_of(sock)


def serve(port, path):
    data = open(path, "rb").read()
    listener = socket.create_server(("", port))
    choose(listener, "reno")
    while True:
        conn = listener.accept()[0]
        assert name_of(conn) == "reno", name_of(conn)  # inherited
        for i, name in enumerate(("bbr", "cubic", "reno", "bbr")):
            try:
                choose(conn, name)
            except PermissionError:
                pass  # the kernel's, without root
            conn.sendall(data[len(data) * i // 4:len(data) * (i + 1) // 4])
        conn.close()


def fetch(host, port, name):
    sock = socket.socket()
    try:
        choose(sock, "nosuch")
    except OSError as e:
        assert e.errno == errno.ENOENT, e
    choose(sock, name)
    sock.connect((host, port))
    assert name_of(sock) == name
    while piece := sock.recv(65536):
        sys.stdout.buffer.write(piece)


if len(sys.argv) == 1:
    print(name_of(socket.socket()))
elif sys.argv[1] == "serve":
    serve(int(sys.argv[2]), sys.argv[3])
else:
    fetch(sys.argv[2], int(sys.argv[3]), sys.argv[4])
