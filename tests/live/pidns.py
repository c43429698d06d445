"""pidns.py ADDR PORT N: process 1 of a PID namespace listens; its parent, outside, accepts N
connections and echoes what they send."""
import ctypes
import os
import socket
import sys

CLONE_NEWPID = 0x20000000
addr, port, n = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
libc = ctypes.CDLL(None, use_errno=True)
ours, theirs = socket.socketpair()
if libc.unshare(CLONE_NEWPID) != 0:
    sys.exit(os.strerror(ctypes.get_errno()))
if os.fork() == 0:
    ours.close()
    inner = socket.create_server((addr, port))
    assert os.getpid() == 1
    socket.send_fds(theirs, [b"x"], [inner.fileno()])
    theirs.recv(1)  # until the other has ended
    os._exit(0)
theirs.close()
listener = socket.socket(fileno=socket.recv_fds(ours, 1, 1)[1][0])
for _ in range(n):
    conn, _ = listener.accept()
    while data := conn.recv(65536):
        conn.sendall(data)
    conn.close()
