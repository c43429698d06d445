# fastopen.py server PORT [KEY] | client HOST PORT msg|connect [CONNECTIONS]
# The server, for both families, answers each request with as many bytes, reversed. The
# client makes three connections or so many, one after the other.
import socket, sys

TCP_FASTOPEN, TCP_FASTOPEN_CONNECT, TCP_FASTOPEN_KEY, MSG_FASTOPEN = 23, 30, 33, 0x20000000


def read(s, n):
    got = b""
    while len(got) < n:
        more = s.recv(n - len(got))
        if not more:
            break
        got += more
    return got


def serve(port, key):
    listener = socket.socket(socket.AF_INET6)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN, 16)
    listener.bind(("::", port))
    listener.listen(16)
    if key:
        listener.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_KEY, bytes.fromhex(key))
    while True:
        s, _ = listener.accept()
        s.sendall(read(s, 400)[::-1])
        s.close()


def ask(address, how, request):
    s = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
    if how == "msg":
        sent = s.sendto(request, MSG_FASTOPEN, address)
        assert sent == len(request), sent
    else:
        s.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1)
        s.connect(address)
        s.sendall(request)
    answer = read(s, 1000)
    assert answer == request[::-1], (len(answer), answer[:20])
    s.close()


if sys.argv[1] == "server":
    serve(int(sys.argv[2]), "".join(sys.argv[3:]))
for i in range(int(sys.argv[5]) if len(sys.argv) > 5 else 3):
    ask((sys.argv[2], int(sys.argv[3])), sys.argv[4], bytes((i + j) % 256 for j in range(400)))
