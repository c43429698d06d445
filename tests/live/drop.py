# drop.py ORDER ROLE HOST PORT: gives up root's privileges in a certain order with
# respect to the first TCP socket, then is an echo server's client, or the server of
# one client. The order is a comma separated list of: uid, caps, chroot, fork (the
# parent waits), daemon (the parent ends), loop and range (close all other fds),
# socket (makes one that is not used), listen (another, which exec hands on), exec (this
# program again, for the rest of the list), nproc (no more processes and threads).
import ctypes, encodings.idna, os, resource, signal, socket, struct, sys

order, role, host, port = sys.argv[1].split(","), sys.argv[2], sys.argv[3], int(sys.argv[4])
libc = ctypes.CDLL(None, use_errno=True)
signal.alarm(20)


def drop_caps():
    header, none = struct.pack("=Ii", 0x20080522, 0), bytes(24)
    if libc.capset(header, none) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def close_one_by_one():
    for fd in range(3, 2048):
        try:
            os.close(fd)
        except OSError:
            pass


def fork(wait):
    pid = os.fork()
    if pid and wait:
        os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    if pid:
        os._exit(0)


def execute(rest):
    os.execv(sys.executable, [sys.executable, sys.argv[0], ",".join(rest), *sys.argv[2:]])


def listen():
    unused.append(socket.create_server(("", 9999)))
    unused[-1].set_inheritable(True)


unused = []
steps = {
    "uid": lambda: (os.setgroups([]), os.setgid(65534), os.setuid(65534)),
    "euid": lambda: os.seteuid(65534),
    "caps": drop_caps,
    "chroot": lambda: (os.chroot("."), os.chdir("/")),
    "fork": lambda: fork(True),
    "daemon": lambda: (fork(False), os.setsid()),
    "loop": close_one_by_one,
    "range": lambda: os.closerange(3, 1 << 20),
    "socket": lambda: unused.append(socket.socket()),
    "listen": listen,
    "nproc": lambda: resource.setrlimit(resource.RLIMIT_NPROC, (0, 0)),
}
for number, step in enumerate(order):
    if step == "exec":
        execute(order[number + 1:])
    steps[step]()

probe = None
try:
    probe = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
except PermissionError:
    pass
if probe and order != ["chroot"]:
    sys.exit("still privileged")

data = bytes(range(256)) * 4096
if role == "client":
    s = socket.create_connection((host, port))
    s.sendall(data)
    s.shutdown(socket.SHUT_WR)
    got = b""
    while len(got) < len(data):
        got += s.recv(65536) or sys.exit("cut")
    sys.exit(0 if got == data else "garbled")
l = socket.create_server((host, port))
c = l.accept()[0]
while True:
    got = c.recv(65536)
    if not got:
        break
    c.sendall(got)
