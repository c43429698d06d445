"""upload.py PORT FILE - an HTTP server that stores the body of each PUT in FILE."""
import http.server
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        if self.headers.get("Expect") == "100-continue":
            self.send_response_only(100)
            self.end_headers()
        left = int(self.headers["Content-Length"])
        with open(sys.argv[2], "wb") as out:
            while left:
                piece = self.rfile.read(min(left, 65536))
                if not piece:
                    return
                out.write(piece)
                left -= len(piece)
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()


http.server.HTTPServer(("", int(sys.argv[1])), Handler).serve_forever()
