# from_port.py SOURCE HOST PORT...: connections from one local port (SO_REUSEADDR), as FTP's data
# connections, to each of PORT. All are open at the same time; "go" on standard input is to
# come before they speak.
import socket, sys

source, host, ports = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
conns = []
for port in ports:
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.settimeout(10)
    s.bind(("", source))
    conns.append(s)
for s, port in zip(conns, ports):
    s.connect((host, int(port)))
print("connected", flush=True)
sys.stdin.readline()
for s in conns:
    assert s.getsockname()[1] == source
    s.sendall(b"hello\n")
    assert s.recv(100) == b"hello\n"
print("done", flush=True)
