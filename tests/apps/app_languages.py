"""Programming languages: python, node, perl, ruby, java. Each has a small HTTP server
and a client in scripts/:

    server ADDRESS PORT FILE   GET gives the file, POST the SHA-256 of what came
    client URL FILE OUT        four times at once: GET into OUTi, POST of FILE;
                               prints each hash on a line"""
import subprocess

from lab import SCRIPTS
from matrix import program, test

LIVE = SCRIPTS.parent.parent / "live"

program("python", "python3", "http.server, asyncio, socketserver, requests", forks=True)
program("node", "nodejs", "http server and client")
program("perl", "perl", "LWP, a server that forks", forks=True)
program("ruby", "ruby3.1", "WEBrick, Net::HTTP")
program("java", "openjdk-17-jre-headless", "HttpServer, HttpClient")


def pair(lab, server, client):
    lab.data("www/file", 3 << 20)
    running = lab.server(*server, lab.addr, 8000, "www/file")
    lab.ready(8000)
    said = lab.text(*client, f"http://{lab.host}:8000/file", "www/file", "got")
    lab.expect([lab.hash("www/file")] * 4, said.split(), "hashes")
    lab.same("www/file", *(f"got{i}" for i in range(4)))
    lab.client("curl", "-sS", "-f", "-o", "got", f"http://{lab.host}:8000/file")
    lab.same("www/file", "got")
    return running


@test(client="node", server="node")
def node_http(lab):
    node = ("node", SCRIPTS / "http.js")
    pair(lab, (*node, "server"), (*node, "client"))


@test(client="perl", server="perl", forks=True)
def perl_http(lab):
    pair(lab, ("perl", SCRIPTS / "server.pl"), ("perl", SCRIPTS / "client.pl"))


@test(client="ruby", server="ruby")
def ruby_http(lab):
    pair(lab, ("ruby", SCRIPTS / "server.rb"), ("ruby", SCRIPTS / "client.rb"))


@test(client="java", server="java", seconds=120)
def java_http(lab):
    """Compiled beforehand: the compiler needs no TCP."""
    subprocess.run(("javac", "-d", lab.dir, SCRIPTS / "Http.java"), check=True, timeout=60)
    java = ("java", "-XX:TieredStopAtLevel=1", "-cp", lab.dir, "Http")
    pair(lab, (*java, "server"), (*java, "client"))


@test(client="python", server="python")
def python_requests(lab):
    """http.server is threading; requests uses urllib3."""
    pair(lab, ("python3", SCRIPTS / "server.py"), ("python3", SCRIPTS / "client.py"))


@test(client="python", server="python")
def python_http_server(lab):
    lab.data("www/file", 3 << 20)
    lab.server("python3", "-m", "http.server", "--bind", lab.any, "--directory", "www", 8000)
    lab.ready(8000)
    lab.client("python3", "-c", "import sys, urllib.request as r; r.urlretrieve(*sys.argv[1:])",
               f"http://{lab.host}:8000/file", "got")
    lab.same("www/file", "got")


@test(client="python", server="python")
def python_asyncio(lab):
    lab.server("python3", LIVE / "aecho.py", "server", 9000, lab.any)
    lab.ready(9000)
    lab.client("python3", LIVE / "aecho.py", "client", lab.addr, 9000, 50, 300000)


def socketserver(lab, kind):
    lab.server("python3", SCRIPTS / "socketserver_echo.py", kind, lab.addr, 9000)
    lab.ready(9000)
    for _ in range(2):
        lab.client("python3", LIVE / "aecho.py", "client", lab.addr, 9000, 20, 300000)


@test(client="python", server="python")
def python_threading(lab):
    socketserver(lab, "Threading")


@test(client="python", server="python", forks=True, fast=True)
def python_forking(lab):
    socketserver(lab, "Forking")
