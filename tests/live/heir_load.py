"""heir_load.py ADDRESS - connects to the server of heir.py again and again, until its standard
input ends, and keeps every tenth connection open; all must get their answers. Prints how many
there were."""
import socket
import sys
import threading

ended = threading.Event()


def wait():
    sys.stdin.read()
    ended.set()


def ask(s, text):
    s.sendall(text + b"\n")
    answer = b""
    while not answer.endswith(b"\n"):
        part = s.recv(100)
        assert part, "an end of file"
        answer += part
    assert answer.startswith(text + b" "), answer


def main():
    n, kept = 0, []
    threading.Thread(target=wait, daemon=True).start()
    while not ended.is_set():
        s = socket.create_connection((sys.argv[1], 9000), 10)
        ask(s, b"%d" % n)
        n += 1
        if n % 10 == 0 and len(kept) < 50:
            kept.append(s)
        else:
            s.close()
    for s in kept:
        ask(s, b"again")
    print(n)


main()
