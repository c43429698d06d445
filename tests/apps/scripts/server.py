"""server.py ADDRESS PORT FILE: see app_languages.py."""
import hashlib
import http.server
import shutil
import socket
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, length):
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def do_GET(self):
        with open(sys.argv[3], "rb") as f:
            self.answer(f.seek(0, 2))
            f.seek(0)
            shutil.copyfileobj(f, self.wfile)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(64)
        self.wfile.write(hashlib.sha256(body).hexdigest().encode())


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET


Server((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
