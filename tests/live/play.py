"""play.py [--settings] SCRIPT - plays a script of tests/engine/scripts (the
format is in tests/engine/script.h) in real time, over a TUN device of this
network namespace, against whatever TCP this process gets: ours when preloaded,
else the kernel's. The other end of the device is the peer.

Only what a socket shows is checked: segments, times, states, errors; the
engine's insides are not. --settings prints the script's settings as NAME=VALUE,
or exits with 77 if the script needs what cannot be had here: virtual time, ICMP,
the engine alone.
"""
import errno
import fcntl
import os
import select
import socket
import struct
import subprocess
import sys
import time

HERE, THERE = "192.0.2.1", "198.51.100.2"
PORT = 4000
LETTERS = "FSRPAUECN"
ECN = ("", "ect1", "ect0", "ce")
EARLY_S, LATE_S = 0.010, 0.060  # other processes run here too
TOO_LONG_S = 3
STATES = ("", "ESTABLISHED", "SYN-SENT", "SYN-RECEIVED", "FIN-WAIT-1", "FIN-WAIT-2",
          "TIME-WAIT", "CLOSED", "CLOSE-WAIT", "LAST-ACK", "LISTEN", "CLOSING")
# What the kernel calls our settings, and in which unit.
SYSCTLS = {"sack": "sack", "timestamps": "timestamps", "window_scaling": "window_scaling",
           "syn_retries": "syn_retries", "synack_retries": "synack_retries",
           "retries": "retries2", "cc": "congestion_control", "ecn": "ecn",
           "fastopen": "fastopen", "syncookies": "syncookies", "dsack": "dsack"}
OPTS = {"nodelay": (socket.IPPROTO_TCP, socket.TCP_NODELAY),
        "cork": (socket.IPPROTO_TCP, socket.TCP_CORK),
        "keepalive": (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
        "keepalive_idle_s": (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
        "keepalive_interval_s": (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
        "keepalive_probes": (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
        "user_timeout_ms": (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
        "syn_retries": (socket.IPPROTO_TCP, socket.TCP_SYNCNT),
        "tos": (socket.IPPROTO_IP, socket.IP_TOS)}


class Impossible(Exception):
    pass


def pattern(n, length):
    return bytes((i * 167 + (i >> 8) * 13 + (i >> 16)) & 255 for i in range(n, n + length))


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Tun:
    def __init__(self, name="play0"):
        self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self.fd, 0x400454ca, struct.pack("16sH", name.encode(), 0x1001))
        for args in (f"address add {HERE}/32 dev {name}", f"link set {name} up",
                     f"route add {THERE}/32 dev {name} src {HERE}"):
            subprocess.run(["ip", *args.split()], check=True)

    def send(self, tcp, tos):
        pseudo = socket.inet_aton(THERE) + socket.inet_aton(HERE) + struct.pack("!HH", 6, len(tcp))
        tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
        ip = struct.pack("!BBHHHBBH", 0x45, tos, 20 + len(tcp), 0, 0x4000, 64, 6, 0)
        ip += socket.inet_aton(THERE) + socket.inet_aton(HERE)
        os.write(self.fd, ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + tcp)

    def receive(self, until):
        """The next TCP segment to the peer, with the time; None when until is over."""
        while True:
            left = until - time.monotonic()
            if not select.select([self.fd], [], [], max(left, 0))[0]:
                return None
            packet = os.read(self.fd, 65536)
            if packet[0] >> 4 == 4 and packet[9] == 6:
                return time.monotonic(), packet[1], packet[(packet[0] & 15) * 4:]


class Segment:
    """One that was sent, its numbers relative."""

    def __init__(self, at, tos, tcp, iss, irs):
        seq, ack, flags, self.win = struct.unpack("!IIHH", tcp[4:16])
        self.at, self.tos = at, tos
        self.up = struct.unpack("!H", tcp[18:20])[0]
        self.remote_port = struct.unpack("!H", tcp[2:4])[0]
        self.flags = "".join(c for i, c in enumerate(LETTERS) if flags >> i & 1)
        self.absolute = seq
        self.seq = (seq - iss) & 0xffffffff if iss is not None else 0
        self.ack = (ack - irs) & 0xffffffff if "A" in self.flags else 0
        head = (flags >> 12) * 4
        self.data = tcp[head:]
        self.options = self.parse(tcp[20:head], irs)

    def parse(self, raw, irs):
        out = {}
        while raw and raw[0]:
            if raw[0] == 1:
                raw = raw[1:]
                continue
            body = raw[2:raw[1]]
            if raw[0] == 2:
                out["mss"] = struct.unpack("!H", body)[0]
            elif raw[0] == 3:
                out["wscale"] = body[0]
            elif raw[0] == 4:
                out["sackok"] = True
            elif raw[0] == 5:
                edges = struct.unpack(f"!{len(body) // 4}I", body)
                edges = [(e - irs) & 0xffffffff for e in edges]
                out["sack"] = list(zip(edges[::2], edges[1::2]))
            elif raw[0] == 34:
                out["fo"] = body.hex() or "request"
            elif raw[0] == 28:
                out["uto"] = struct.unpack("!H", body)[0]
            elif raw[0] in (172, 174):
                counters = [int.from_bytes(body[i:i + 3], "big") for i in (0, 3, 6)]
                out["accecn"] = tuple(counters if raw[0] == 172 else counters[::-1])
            elif raw[0] == 8:
                out["ts"] = struct.unpack("!II", body)
            else:
                out[f"kind {raw[0]}"] = body
            raw = raw[raw[1]:]
        return out

    def __str__(self):
        return (f"> {self.flags or '-'} {self.seq}+{len(self.data)} ack {self.ack} "
                f"win {self.win} up {self.up} {ECN[self.tos & 3]} {self.options}")


class Player:
    def __init__(self, path):
        self.path, self.line = path, 0
        self.port, self.irs, self.iss = 5000, 0x10203040, {}
        self.ts, self.ts_recent, self.tos = False, 0, 0
        self.syn = {"mss": 1460}
        self.settings, self.opts = {}, {}
        self.sock = self.listener = None
        self.others = []
        self.written = self.taken = 0
        self.pending = None
        self.now, self.waited = None, 0

    def fail(self, what):
        sys.exit(f"{self.path}:{self.line}: {what}")

    # ---- the peer -------------------------------------------------------------

    def options(self, wanted, with_ack):
        out = b""
        wanted = dict(wanted)
        older = wanted.pop("ts-older", 0)
        echo_older = wanted.pop("echo-older", 0)
        if self.ts:
            clock = 7000 + int(time.monotonic() * 1000) - older
            out += struct.pack("!BBBBII", 1, 1, 8, 10, clock & 0xffffffff,
                               (self.ts_recent - echo_older) & 0xffffffff if with_ack else 0)
        for name, value in wanted.items():
            if name == "mss":
                out += struct.pack("!BBH", 2, 4, value)
            elif name == "wscale":
                out += struct.pack("!BBBB", 1, 3, 3, value)
            elif name == "sackok":
                out += b"\1\1\4\2"
            elif name == "sack":
                out += struct.pack("!BBBB", 1, 1, 5, 2 + 8 * len(value))
                for a, b in value:
                    out += struct.pack("!II", (a + self.iss[self.port]) & 0xffffffff,
                                       (b + self.iss[self.port]) & 0xffffffff)
            elif name == "uto":
                out += struct.pack("!BBH", 28, 4, value)
            elif name == "accecn":
                out += struct.pack("!BB", 172, 11)
                out += b"".join(n.to_bytes(3, "big") for n in value) + b"\1"
            elif name == "fo":
                cookie = b"" if value == "request" else bytes.fromhex(value)
                out += bytes([34, 2 + len(cookie)]) + cookie + b"\1" * (-(2 + len(cookie)) % 4)
        return out

    def inject(self, seg):
        opts = seg["options"]
        if opts is None:
            opts = self.syn if "S" in seg["flags"] else {}
        raw = self.options(opts, "A" in seg["flags"])
        flags = sum(1 << LETTERS.index(c) for c in seg["flags"])
        ack = self.iss.get(self.port, 0) + (seg["ack"] or 0) if "A" in seg["flags"] else 0
        start = seg["seq"] + ("S" in seg["flags"])
        self.tun.send(struct.pack("!HHIIHHHH", self.port, PORT,
                                  (self.irs + seg["seq"]) & 0xffffffff, ack & 0xffffffff,
                                  (5 + len(raw) // 4) << 12 | flags,
                                  65535 if seg["win"] is None else seg["win"], 0, seg["up"]) +
                      raw + pattern(start, seg["len"]), ECN.index(seg["ecn"]))

    # ---- what was sent --------------------------------------------------------

    def next_segment(self, until):
        if self.pending:
            got, self.pending = self.pending, None
            return got
        raw = self.tun.receive(until)
        if not raw:
            return None
        at, tos, tcp = raw
        port = struct.unpack("!H", tcp[2:4])[0]
        if tcp[13] & 2:
            self.iss[port] = struct.unpack("!I", tcp[4:8])[0]
        got = Segment(at, tos, tcp, self.iss.get(port), self.irs)
        if "ts" in got.options:
            self.ts_recent = got.options["ts"][0]
        return got

    def expect(self, want):
        got = self.next_segment(self.now + LATE_S + self.waited / 20)
        if not got:
            self.fail("nothing was sent")
        options = {k: v for k, v in got.options.items() if k != "ts"}
        wanted = {k: v for k, v in (want["options"] or {}).items() if k != "ts"}
        if (set(got.flags) != set(want["flags"]) or ECN[got.tos & 3] != want["ecn"] or got.seq != want["seq"] or
                len(got.data) != want["len"] or got.up != want["up"] or
                (want["ack"] is not None and got.ack != want["ack"]) or
                (want["win"] is not None and got.win != want["win"])):
            self.fail(f"sent was {got}")
        if wanted.get("fo") == "any" and options.get("fo", "request") != "request":
            wanted["fo"] = options["fo"]
        if options != wanted:
            self.fail(f"options: sent was {got}")
        if got.data != pattern(got.seq + ("S" in got.flags), len(got.data)):
            self.fail(f"wrong bytes in {got}")
        if got.at < self.now - EARLY_S - self.waited / 20:
            self.fail(f"{got} came {(self.now - got.at) * 1000:.1f} ms too early")
        self.tos = got.tos
        self.now = got.at

    def until_now(self):
        got = self.next_segment(self.now)
        if got:
            self.fail(f"before this, sent was {got}")

    # ---- the user ---------------------------------------------------------------

    def apply(self, sock):
        for name, value in self.opts.items():
            sock.setsockopt(*OPTS[name], value)

    def new_socket(self):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.apply(sock)
        sock.bind((HERE, PORT))
        return sock

    def call(self, verb, words):
        if verb == "open":
            self.sock = self.new_socket()
            self.sock.setblocking(False)
            if self.sock.connect_ex((THERE, self.port)) != errno.EINPROGRESS:
                self.fail("connect() did not begin")
        elif verb == "listen":
            self.listener = self.new_socket()
            self.listener.listen(int(words[0]) if words else 8)
        elif verb == "accept":
            self.listener.settimeout(1)
            self.others.append(self.sock)  # the one before stays open
            self.sock = self.listener.accept()[0]
            self.written = self.taken = 0
        elif verb == "write":
            self.sock.settimeout(1)
            self.sock.sendall(pattern(1 + self.written, int(words[0])))
            self.written += int(words[0])
        elif verb == "read":
            self.read(int(words[0]))
        elif verb == "shutdown":
            self.sock.shutdown(socket.SHUT_WR)
        elif verb == "close":
            self.sock.close()
            self.sock = None
        elif verb == "abort":
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.sock.close()
            self.sock = None
        elif verb == "opt":
            self.opts[words[0]] = int(words[1])
            if self.sock:
                self.apply(self.sock)
        elif verb == "state":
            self.check_state(" ".join(words))
        elif verb == "tos":
            if self.tos != int(words[0]):
                self.fail(f"TOS is {self.tos}")
        elif verb == "error" and self.sock:
            err = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if errno.errorcode.get(err, "0") != words[0]:
                self.fail(f"the error is {errno.errorcode.get(err, '0')}")

    def read(self, want):
        self.sock.settimeout(1)
        while want:
            data = self.sock.recv(want)
            if data != pattern(1 + self.taken, len(data)) or not data:
                self.fail("wrong bytes read")
            want -= len(data)
            self.taken += len(data)

    def check_state(self, want):
        if not self.sock:
            return
        time.sleep(0.003)
        info = self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)
        if STATES[info[0]] != want and not (want == "TIME-WAIT" and STATES[info[0]] == "CLOSED"):
            self.fail(f"the state is {STATES[info[0]]}")

    # ---- lines --------------------------------------------------------------------

    def segment(self, words):
        seq, _, length = words[1].partition("+")
        seg = {"flags": words[0].replace(".", "A").replace("-", ""), "seq": int(seq),
               "len": int(length), "ack": None, "win": None, "options": None,
               "ecn": "", "up": 0}
        words = words[2:]
        while words:
            if words[0] == "<":
                seg["options"] = self.parse_options(words[1:words.index(">")])
                words = words[words.index(">") + 1:]
            elif words[0] in ECN:
                seg["ecn"] = words.pop(0)
            else:
                seg[words[0]] = int(words[1])
                words = words[2:]
        return seg

    @staticmethod
    def parse_options(words):
        out = {}
        while words:
            name = words.pop(0)
            if name in ("sackok", "ts"):
                out[name] = True
            elif name == "fo":
                out[name] = words.pop(0)
            elif name == "accecn":
                out[name] = tuple(int(words.pop(0)) for _ in range(3))
            elif name == "sack":
                out.setdefault("sack", []).append(tuple(map(int, words.pop(0).split("-"))))
            else:
                out[name] = int(words.pop(0))
        return out

    def before_all(self, verb, words):
        if verb == "set":
            self.settings[words[0]] = words[1]
        elif verb == "peer":
            self.ts = True
            self.settings["timestamps"] = "on"
        elif verb == "port":
            self.port = int(words[0])
        elif verb == "isn":
            self.irs = int(words[0])
        else:
            return False
        return True

    def kernel_settings(self):
        values = {"sack": "off", "timestamps": "off", "window_scaling": "off", "cc": "reno"}
        values.update(self.settings)
        for name, value in values.items():
            if name not in SYSCTLS:
                raise Impossible(f"set {name}")
            value = {"on": "1", "off": "0"}.get(value, value)
            with open(f"/proc/sys/net/ipv4/tcp_{SYSCTLS[name]}", "w") as f:
                f.write(value)

    def begin(self):
        if "libmytcp" not in os.environ.get("LD_PRELOAD", ""):
            self.kernel_settings()
        if self.settings.get("sack") == "on":
            self.syn["sackok"] = True
        self.tun = Tun()
        time.sleep(0.05)
        self.now = time.monotonic()

    def words(self, lines):
        """Yields the time in seconds, the verb and the other words of each line."""
        for self.line, text in enumerate(lines, 1):
            text = text.partition("#")[0]
            for c in "<>":
                text = text.replace(c, f" {c} ")
            words = text.replace(",", " ").split()
            if words:
                wait_s = float(words.pop(0)) / 1000 if words[0][0] == "+" else 0
                yield wait_s, words[0], words[1:]

    def check(self, lines):
        """What is asked for is possible; collects the settings."""
        for wait_s, verb, words in self.words(lines):
            if wait_s > TOO_LONG_S:
                raise Impossible(f"waits {wait_s} s")
            if verb in ("virtual", "icmp", "mtu", "gso") or (
                    verb == "opt" and words[0] not in OPTS):
                raise Impossible(verb)
            self.before_all(verb, words)

    def play(self, lines):
        for self.waited, verb, words in self.words(lines):
            if self.before_all(verb, words):
                continue
            if self.now is None:
                self.begin()
            self.now += self.waited
            if verb == ">":
                self.expect(self.segment(words))
                continue
            self.until_now()
            self.now = max(self.now, time.monotonic())
            if verb == "<":
                self.inject(self.segment(words))
            else:
                self.call(verb, words)


def main():
    path = sys.argv[-1]
    with open(path) as f:
        lines = f.read().splitlines()
    try:
        checked = Player(path)
        checked.check(lines)
        if sys.argv[1] == "--settings":
            for setting in checked.settings.items():
                print("=".join(setting))
        else:
            Player(path).play(lines)
    except Impossible as why:
        print(f"{path}:{checked.line}: not here: {why}")
        return 77
    return 0


if __name__ == "__main__":
    sys.exit(main())
