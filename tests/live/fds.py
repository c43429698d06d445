# fds.py server PORT | client HOST PORT exit|kill | client HOST PORT NUMBER
# The client connects until it has no more fds, says a word on each connection and hears it
# again, prints how many there are, says another word on each, and ends, in one way or the
# other. Or it makes NUMBER of them, one after the other. The server prints "whole" for each
# connection that was so to its end.
import errno, os, resource, selectors, signal, socket, sys, time


def serve(port):
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    listener = socket.socket(socket.AF_INET6)
    listener.bind(("::", port))
    listener.listen(4096)
    sel = selectors.DefaultSelector()
    sel.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in sel.select():
            if key.fileobj is listener:
                sel.register(listener.accept()[0], selectors.EVENT_READ, bytearray())
                continue
            try:
                text = key.fileobj.recv(100)
            except OSError as e:
                key.data.extend(str(e).encode())
                text = b""
            if text:
                key.data.extend(text)
                if key.data == b"hello":
                    key.fileobj.send(text)
                continue
            print("whole" if key.data == b"hello bye" else bytes(key.data), flush=True)
            sel.unregister(key.fileobj)
            key.fileobj.close()


def ask(host, port, how):
    held = []
    try:
        while True:
            held.append(socket.create_connection((host, port), 10))
    except OSError as e:
        assert e.errno in (errno.ENOBUFS, errno.EMFILE), e
    for s in held:
        s.sendall(b"hello")
    for s in held:
        assert s.recv(100) == b"hello"
    print(len(held), flush=True)
    for s in held:
        s.sendall(b" bye")
    if how == "kill":
        time.sleep(0.3)  # what is under way at that very moment may be lost
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(0)


def one_by_one(host, port, number):
    for _ in range(number):
        s = socket.create_connection((host, port), 10)
        s.sendall(b"hello")
        assert s.recv(100) == b"hello"
        s.sendall(b" bye")
        s.close()


if sys.argv[1] == "server":
    serve(int(sys.argv[2]))
elif sys.argv[4].isdigit():
    one_by_one(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
else:
    ask(sys.argv[2], int(sys.argv[3]), sys.argv[4])
