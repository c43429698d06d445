# generation.py PORT: one of many servers that follow each other on a port. A child for each
# connection echoes what comes, "close" ends the connection from this side. On SIGTERM the
# server ends at once, whatever its children have open.
import os, signal, socket, sys


def serve(c):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    while True:
        got = c.recv(4096)
        if not got or got == b"close":
            os._exit(0)
        c.sendall(got)


signal.signal(signal.SIGCHLD, signal.SIG_IGN)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
l = socket.socket()
l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
l.bind(("", int(sys.argv[1])))
l.listen(64)
print("ready", flush=True)
while True:
    c = l.accept()[0]
    if os.fork() == 0:
        l.close()
        serve(c)
    c.close()
