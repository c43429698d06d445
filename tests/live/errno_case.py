"""errno_case.py CASE [ARGS] - provokes one error of a TCP socket and prints its
name, as the program sees it."""
import errno
import os
import resource
import socket
import sys


def tcp(address=""):
    """A socket of the address's family."""
    return socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)


def bind(address, port):
    tcp(address).bind((address, int(port)))


def connect(address, port):
    tcp(address).connect((address, int(port)))


def listen_twice(port):
    """Two sockets may bind with SO_REUSEADDR; only one may listen."""
    one, two = tcp(), tcp()
    for s in one, two:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("", int(port)))
    one.listen()
    two.listen()


def nonblocking_connect(address, port):
    """The error comes through poll() and SO_ERROR, once."""
    import select
    s = tcp(address)
    s.setblocking(False)
    e = s.connect_ex((address, int(port)))
    assert e == errno.EINPROGRESS, errno.errorcode[e]
    poll = select.poll()
    poll.register(s, select.POLLOUT)
    (_, bits), = poll.poll(20000)
    assert bits & select.POLLERR and bits & select.POLLHUP, bits
    # The kernel wakes us before it empties the pair, so POLLOUT may be microseconds late.
    while not bits & select.POLLOUT:
        (_, bits), = poll.poll(20000)
    e = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    raise OSError(e, "")


def fd_limit():
    resource.setrlimit(resource.RLIMIT_NOFILE, (30, 30))
    held = []
    try:
        while True:
            held.append(tcp())
    except OSError:
        print(len(held), end=" ")
        raise


def fd_limit_accept(port):
    """The connection waits until there is an fd for it again."""
    listener = socket.create_server(("", int(port)))
    clients = [socket.create_connection(("127.0.0.1", int(port))) for _ in range(2)]
    held = [os.open("/dev/null", os.O_RDONLY) for _ in range(5)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (held[-1] + 1, 1024))
    try:
        listener.accept()
    except OSError as e:
        for fd in held:
            os.close(fd)
        accepted = [listener.accept()[0] for _ in clients]
        clients[0].sendall(b"a")
        assert accepted[0].recv(1) == b"a"
        raise e


def not_connected():
    tcp().recv(1)


def send_unconnected():
    tcp().send(b"x")


def broken_pipe(address, port):
    """The peer resets: the first send fails with ECONNRESET, the next with EPIPE."""
    s = tcp()
    s.connect((address, int(port)))
    s.recv(1)
    try:
        for _ in range(100):
            s.send(b"x")
            import time
            time.sleep(0.01)
    except OSError as e:
        print(errno.errorcode[e.errno], end=" ")
    s.send(b"x")


try:
    globals()[sys.argv[1]](*sys.argv[2:])
    print("no error")
except OSError as e:
    print(errno.errorcode[e.errno])
