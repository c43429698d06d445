"""ends.py HOST PORT: the clients of ends.c; prints all that they are told."""
import socket
import sys
import time

HOST, PORT = sys.argv[1], int(sys.argv[2])


def connect():
    while True:
        try:
            return socket.create_connection((HOST, PORT), timeout=20)
        except ConnectionRefusedError:
            if time.monotonic() > end:
                return None
            time.sleep(0.02)


def rest(s):
    text = ""
    try:
        while data := s.recv(100):
            text += data.decode()
            if text.endswith("still "):
                return text
    except OSError as e:
        return text + type(e).__name__
    return text + "end"


end = time.monotonic() + 10
first = connect()
said = rest(first)
if said.endswith("still "):
    end = time.monotonic() + 1
    second = connect()
    said += (rest(second) if second else "refused") + " " + rest(first)
print(said)
