"""Bytes from here to there: nc, ncat, socat, telnet, iperf3, stunnel, dig."""
import json
import os
import subprocess

from app_http import certificate
from lab import Failed
from matrix import program, test

program("nc.openbsd", "netcat-openbsd", "both directions, -z")
program("nc.traditional", "netcat-traditional", "both directions, -e; knows IPv4 only")
program("ncat", "ncat", "both directions, --exec, --ssl", forks=True)
program("socat", "socat", "half-close, fork, EXEC", forks=True)
program("telnet", "inetutils-telnet", "a session")
program("telnetd", "inetutils-telnetd", "socket as standard input", forks=True)
program("iperf3", "iperf3", "1 and 4 streams, both directions")
program("stunnel", "stunnel4", "TLS before a plain service")
program("dig", "bind9-dnsutils", "+tcp")
program("dnsmasq", "dnsmasq-base", "DNS over TCP", forks=True)

SIZE = 3 << 20


def dash(lab):
    return f"-{lab.family}"


@test(client="nc.openbsd", server="nc.openbsd")
def nc_openbsd(lab):
    lab.data("file", SIZE)
    server = lab.server("nc.openbsd", dash(lab), "-l", 9000, out="got")
    lab.ready(9000)
    lab.client("nc.openbsd", "-N", lab.addr, 9000, stdin="file")
    server.finish()
    server = lab.server("nc.openbsd", dash(lab), "-N", "-l", 9001, stdin="file")
    lab.ready(9001)
    lab.client("nc.openbsd", "-d", lab.addr, 9001, out="back")
    server.finish()
    lab.same("file", "got", "back")
    lab.server("nc.openbsd", dash(lab), "-k", "-l", 9002)
    lab.ready(9002)
    lab.client("nc.openbsd", "-z", lab.addr, 9002)


@test(client="nc.traditional", server="nc.traditional", families=(4,))
def nc_traditional(lab):
    lab.data("file", SIZE)
    server = lab.server("nc.traditional", "-l", "-p", 9000, out="got")
    lab.ready(9000)
    lab.client("nc.traditional", "-q", "0", lab.addr, 9000, stdin="file")
    server.finish()
    server = lab.server("nc.traditional", "-l", "-p", 9001, "-q", "0", stdin="file")
    lab.ready(9001)
    lab.client("nc.traditional", lab.addr, 9001, out="back")
    server.finish()
    lab.same("file", "got", "back")
    lab.server("nc.traditional", "-l", "-p", 9002, "-e", "/usr/bin/id")
    lab.ready(9002)
    lab.match("uid=", lab.text("nc.traditional", "-w", "5", lab.addr, 9002))


@test(client="ncat", server="ncat")
def ncat_plain(lab):
    lab.data("file", SIZE)
    server = lab.server("ncat", dash(lab), "-l", 9000, "--recv-only", out="got")
    lab.ready(9000)
    lab.client("ncat", "--send-only", lab.addr, 9000, stdin="file")
    server.finish()
    server = lab.server("ncat", dash(lab), "-l", 9001, "--send-only", "--ssl",
                        stdin="file")
    lab.ready(9001)
    lab.client("ncat", "--recv-only", "--ssl", lab.addr, 9001, out="back")
    server.finish()
    lab.same("file", "got", "back")


@test(client="ncat", server="ncat", forks=True)
def ncat_exec(lab):
    lab.data("file", SIZE)
    lab.server("ncat", dash(lab), "-l", 9000, "--keep-open", "--sh-exec",
               f"head -c {SIZE} | sha256sum")
    lab.ready(9000)
    for _ in range(3):
        said = lab.text("ncat", "--no-shutdown", lab.addr, 9000, stdin="file")
        lab.expect(lab.hash("file"), said.split()[0], "hash by exec")


@test(client="socat", server="socat")
def socat_echo(lab):
    lab.data("file", SIZE)
    lab.server("socat", "-b", "4096", "-t", "20", f"TCP{lab.family}-LISTEN:9000,reuseaddr", "PIPE")
    lab.ready(9000)
    lab.client("socat", "-t", "20", "STDIO", f"TCP:{lab.host}:9000", stdin="file",
               out="got")
    lab.same("file", "got")


@test(client="socat", server="socat", forks=True, fast=True)
def socat_fork(lab):
    """A process for each connection, and a program with the socket as its own."""
    lab.data("file", SIZE)
    for port, what in ((9000, "EXEC:/bin/cat,nofork"), (9001, "SYSTEM:sha256sum")):
        lab.server("socat", f"TCP{lab.family}-LISTEN:{port},reuseaddr,fork", what)
    lab.ready(9000, 9001)
    several = [lab.start("client", "socat", "-t", "20", "STDIO", f"TCP:{lab.host}:9000",
                         stdin="file", out=f"got{i}") for i in range(4)]
    for p in several:
        p.finish()
    lab.same("file", *(f"got{i}" for i in range(4)))
    said = lab.text("socat", "-t", "20", "STDIO", f"TCP:{lab.host}:9001", stdin="file")
    lab.expect(lab.hash("file"), said.split()[0], "hash by a child")


@test(client="telnet", server="telnetd", root=True, forks=True)
def telnet_session(lab):
    """telnetd gets the socket as its standard input, from socat as an inetd."""
    login = lab.write("login", "#!/bin/sh\necho ready\nread line\necho \"line: $line\"\n"
                      "sleep 1\n", 0o755)
    lab.server("socat", f"TCP{lab.family}-LISTEN:2323,reuseaddr,fork",
               f"EXEC:/usr/sbin/telnetd -n -h -E {login},nofork")
    lab.ready(2323)
    session = lab.start("client", "telnet", dash(lab), lab.addr, 2323, stdin=subprocess.PIPE,
                        merged=True)
    session.until("ready")
    session.say("who goes there\n")
    session.until("line: who goes there")
    session.until("closed by foreign host")
    session.finish(None)


@test(client="iperf3", server="iperf3")
def iperf3_streams(lab):
    """Each time a port that nobody has had."""
    for number, options in enumerate(((), ("-R",), ("-P", "4"), ("-P", "4", "-R"))):
        port = 5201 + number
        server = lab.server("iperf3", "-s", "-1", "-p", port)
        lab.ready(port)
        said = json.loads(lab.client("iperf3", "-J", "-c", lab.addr, "-p", port, "-n", "60M",
                                     *options))
        if "error" in said:
            raise Failed(said["error"])
        server.finish()
        end = said["end"]
        lab.expect(4 if "-P" in options else 1, len(end["streams"]), "streams")
        # What is under way when the sender has sent all is not counted.
        if end["sum_sent"]["bytes"] < 60 << 20 or not end["sum_received"]["bytes"]:
            raise Failed(json.dumps(end))


def stunnel(lab, side, config):
    name = f"stunnel-{side}.conf"
    lab.write(name, f"foreground = yes\npid =\nsyslog = no\n{config}")
    lab.start(side, "stunnel", lab.dir / name)


@test(client="stunnel", server="stunnel")
def stunnel_both(lab):
    """curl - stunnel - the net - stunnel - python, all but the net on one host."""
    certificate(lab)
    lab.data("www/file", 5 << 20)
    local = lab.url_host("127.0.0.1" if lab.family == 4 else "::1")
    lab.server("python3", "-m", "http.server", "--bind", local.strip("[]"), "--directory", "www",
               8000)
    lab.ready(8000)
    stunnel(lab, "server", f"cert = {lab.dir}/cert.pem\nkey = {lab.dir}/key.pem\n[s]\naccept = "
            f"{lab.addr}:8443\nconnect = {local.strip('[]')}:8000\n")
    stunnel(lab, "client", f"client = yes\nCAfile = {lab.dir}/cert.pem\nverifyChain = yes\n[c]\n"
            f"accept = {local.strip('[]')}:8001\nconnect = {lab.addr}:8443\n")
    lab.ready(8443)
    lab.ready(8001, side="client")
    lab.client("curl", "-sS", "-f", "--parallel", "-o", "got#1", f"http://{local}:8001/file?[1-6]")
    lab.same("www/file", *(f"got{i}" for i in range(1, 7)))


@test(client="dig", server="dnsmasq", root=True, forks=True)
def dig_tcp(lab):
    """dnsmasq makes a process for each question that comes over TCP."""
    hosts = "".join(f"192.0.2.{i} many.test\n" for i in range(1, 255))
    lab.write("hosts", "192.0.2.77 one.test\n" + hosts)
    lab.server("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv",
               "--no-hosts", f"--addn-hosts={lab.dir}/hosts", "--port=5353", "--user=root",
               f"--listen-address={lab.addr}", "--bind-interfaces", "--pid-file")
    lab.ready(5353)
    asked = ("dig", "+tcp", "+short", "+tries=1", "-p", "5353", f"@{lab.addr}")
    for _ in range(5):
        lab.expect("192.0.2.77", lab.text(*asked, "one.test"), "the address")
    lab.expect(254, len(set(lab.text(*asked, "many.test").split())), "addresses")


@test(client="nc.openbsd", server="socat", forks=True)
def nc_ends_with_pipe(lab):
    """The end of a program is the end of its pipe."""
    lab.server("socat", f"TCP{lab.family}-LISTEN:9000,reuseaddr,fork", "SYSTEM:echo done; cat >got")
    lab.ready(9000)
    lab.data("file", SIZE)
    words = lab.words("client", ["nc.openbsd", "-N", lab.addr, "9000"], None, True)
    with open(lab.dir / "file", "rb") as stdin:
        said = subprocess.run(words, stdin=stdin, capture_output=True, timeout=lab.left(),
                              check=True, env=os.environ).stdout
    lab.expect(b"done\n", said)
    lab.wait(lambda: (lab.dir / "got").stat().st_size == SIZE, "the file")
    lab.same("file", "got")
