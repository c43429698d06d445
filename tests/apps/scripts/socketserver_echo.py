"""socketserver_echo.py Forking|Threading ADDRESS PORT - what comes in goes out again."""
import socket
import socketserver
import sys

kind, address, port = sys.argv[1:]


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        while piece := self.request.recv(65536):
            self.request.sendall(piece)


class Server(getattr(socketserver, kind + "TCPServer")):
    address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
    allow_reuse_address = True
    request_queue_size = 50


Server((address, int(port)), Handler).serve_forever()
