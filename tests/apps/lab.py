"""lab.py - where one cell of the matrix happens: two hosts, a server and a client.

The hosts are network namespaces joined by a veth pair, with an IPv4 and an IPv6
address each; the client's is a, the server's b. Each host is one side: all its
programs run on our TCP or all on the kernel's. A test gets a Lab and calls

    lab.server(CMD...)            starts it on b, returns a Proc
    lab.client(CMD...)            runs it on a, returns what it printed
    lab.start("client", CMD...)   starts it on a
    lab.ready(PORT)               waits until b listens there

lab.addr is the server's address, lab.host the same as in an URL. The current
directory of every program is lab.dir, a new one. A test fails by an exception;
a program that exits with another status than wanted is one. Everything is ended
with the namespaces, by pid."""
import hashlib
import itertools
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

ADDRESSES = {4: {"a": "10.78.0.1", "b": "10.78.0.2"}, 6: {"a": "fd78::1", "b": "fd78::2"}}
PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/15/bin"
SCRIPTS = Path(__file__).resolve().parent / "scripts"
HOST_OF = {"client": "a", "server": "b"}
NOBODY = "nobody"  # who runs everything in an unprivileged cell

numbers = itertools.count(1)
stopping = threading.Event()  # no test goes on


class Failed(Exception):
    """A test found something other than it must be."""


def ip(*words):
    subprocess.run(("ip",) + words, check=True, stdin=subprocess.DEVNULL, capture_output=True)


class Proc:
    """A program that was started. out and err are the files of its output."""

    def __init__(self, lab, argv, words, env, stdin, out, merged):
        number = next(numbers)
        self.lab, self.name = lab, shlex.join(argv)
        self.out = lab.dir / (out or f".out-{number}")
        self.err = self.out if merged else lab.dir / f".err-{number}"
        with open(self.out, "wb") as o, open(self.err, "ab") as e:
            self.popen = subprocess.Popen(words, stdin=stdin, stdout=o, stderr=e, cwd=lab.dir,
                                          env=env, start_new_session=True)
        self.pid = self.popen.pid

    def say(self, text):
        """Writes to its standard input, which was started as a pipe."""
        self.popen.stdin.write(text.encode())
        self.popen.stdin.flush()

    def until(self, pattern, seconds=20):
        """Waits for the regular expression in what it prints."""
        def seen():
            if re.search(pattern.encode(), self.out.read_bytes() + self.err.read_bytes()):
                return True
            if self.popen.poll() is not None:
                raise Failed(f"ended without '{pattern}': {self.name}\n{self.tail()}")
            return False
        self.lab.wait(seen, f"'{pattern}' of {self.name}", seconds, self.tail)

    def finish(self, status=0):
        """Waits for its end and returns its standard output."""
        if self.popen.stdin:
            self.popen.stdin.close()
        self.lab.wait(lambda: self.popen.poll() is not None, f"the end of {self.name}",
                      self.lab.left(), self.tail)
        got = self.popen.returncode
        self.lab.log(f"exit status {got}: {self.name}")
        if status is not None and got != status:
            raise Failed(f"exit status {got}, not {status}: {self.name}\n{self.tail()}")
        return self.out.read_bytes()

    def stop(self, number=signal.SIGTERM):
        self.popen.send_signal(number)
        self.lab.wait(lambda: self.popen.poll() is not None,
                      f"the end of {self.name} by signal {number}", 15, self.tail)

    def tail(self):
        texts = [p.read_bytes()[-1500:] for p in {self.out, self.err} if p.exists()]
        text = b"\n".join(t for t in texts if t).decode(errors="replace")
        return "".join(c if c.isprintable() or c in "\t\n" else "?" for c in text)


class Lab:
    def __init__(self, cell, launcher, log, seconds):
        self.cell, self.launcher, self.logfile = cell, launcher, log
        self.ours = {"client": cell.client == "ours", "server": cell.server == "ours"}
        self.family, self.unprivileged = cell.family, cell.unprivileged
        self.end = time.monotonic() + seconds
        self.addr = ADDRESSES[self.family]["b"]
        self.client_addr = ADDRESSES[self.family]["a"]
        self.host = self.url_host(self.addr)
        self.any = "0.0.0.0" if self.family == 4 else "::"
        number = next(numbers)
        self.ns = {h: f"mytcp-{os.getpid()}-{number}{h}" for h in "ab"}
        self.procs = []
        self.kernel_tcp = False  # the test says: some of it runs on the kernel's TCP
        self.late = False  # the test says: a FIN may follow a RST that ended program and port

    # ---- the hosts ------------------------------------------------------------

    def __enter__(self):
        self.dir = Path(tempfile.mkdtemp(prefix="mytcp-apps."))
        self.own(self.dir)
        self.dir.chmod(0o755)
        for name in self.ns.values():
            ip("netns", "add", name)
            # an address that is there later is a change of the network to a browser
            subprocess.run(("ip", "netns", "exec", name, "sysctl", "-qw",
                            "net.ipv6.conf.default.accept_dad=0"), check=True)
        ip("-n", self.ns["a"], "link", "add", "veth", "type", "veth", "peer", "name", "veth",
           "netns", self.ns["b"])
        for host, name in self.ns.items():
            ip("-n", name, "address", "add", ADDRESSES[4][host] + "/24", "dev", "veth")
            ip("-n", name, "address", "add", ADDRESSES[6][host] + "/64", "dev", "veth", "nodad")
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "set", "veth", "up")
        self.wait(self.carrier, "the veth pair", 5)
        return self

    def carrier(self):
        shown = self.run_plain("server", "ip", "-6", "address", "show", "dev", "veth")
        return "tentative" not in shown and "LOWER_UP" in shown

    def __exit__(self, *_):
        for name in self.ns.values():
            for _ in range(3):  # some may just be forking
                pids = subprocess.run(("ip", "netns", "pids", name), capture_output=True,
                                      text=True, check=False).stdout.split()
                for pid in pids:
                    try:
                        os.kill(int(pid), signal.SIGKILL)
                    except ProcessLookupError:
                        pass
                if not pids:
                    break
                time.sleep(0.05)
            subprocess.run(("ip", "netns", "delete", name), capture_output=True, check=False)
        for p in self.procs:
            p.popen.wait()
            if p.popen.stdin:
                p.popen.stdin.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    # ---- programs -------------------------------------------------------------

    def words(self, side, argv, user, launched):
        """How argv is run there: as whom, on which TCP."""
        user = user or (NOBODY if self.unprivileged else None)
        ours = self.ours[side] and launched
        words = ["ip", "netns", "exec", self.ns[HOST_OF[side]]]
        if user:
            words += ["setpriv", "--reuid", user, "--regid", self.group(user), "--init-groups"]
            if ours:
                words += ["--inh-caps=+net_raw", "--ambient-caps=+net_raw"]
        return words + ([self.launcher] if ours else []) + list(argv)

    @staticmethod
    def group(user):
        return subprocess.run(("id", "-g", user), check=True, capture_output=True,
                              text=True).stdout.strip()

    def own(self, path, user=None):
        """Gives the file to who will need it."""
        user = user or (NOBODY if self.unprivileged else None)
        if user:
            shutil.chown(path, user, int(self.group(user)))

    def at_hand(self, word):
        """A script of ours where every user can read it: a copy of it."""
        if not isinstance(word, Path) or SCRIPTS.parent.parent not in word.parents:
            return word
        return shutil.copy(word, self.dir)

    def start(self, side, *argv, user=None, env=None, stdin=subprocess.DEVNULL, out=None,
              launched=True, merged=False):
        argv = [str(self.at_hand(a)) for a in argv]
        words = self.words(side, argv, user, launched)
        environ = {"PATH": PATH, "HOME": str(self.dir), "LC_ALL": "C", "TERM": "dumb"}
        self.log(f"{side}: {shlex.join(argv)}")
        opened = open(self.dir / stdin, "rb") if isinstance(stdin, (str, Path)) else None
        proc = Proc(self, argv, words, {**environ, **(env or {})}, opened or stdin, out, merged)
        if opened:
            opened.close()
        self.procs.append(proc)
        return proc

    def server(self, *argv, **how):
        return self.start("server", *argv, **how)

    def client(self, *argv, status=0, **how):
        """Runs it to its end; its standard output."""
        return self.start("client", *argv, **how).finish(status)

    def text(self, *argv, **how):
        return self.client(*argv, **how).decode(errors="replace").strip()

    def run_plain(self, side, *argv):
        """On that host, beside the test: no TCP of it counts."""
        return subprocess.run(("ip", "netns", "exec", self.ns[HOST_OF[side]]) + argv,
                              check=True, capture_output=True, text=True,
                              timeout=20).stdout

    # ---- waiting --------------------------------------------------------------

    def left(self):
        return max(0.1, self.end - time.monotonic())

    def wait(self, condition, what, seconds=20, tell=str):
        end = min(time.monotonic() + seconds, self.end)
        pause = 0.002
        while not condition():
            if time.monotonic() > end or stopping.is_set():
                raise Failed(f"waited in vain for {what}\n{tell()}")
            time.sleep(pause)
            pause = min(2 * pause, 0.05)

    def ready(self, *ports, side="server"):
        """Not for a port that another program has had: its guard may still be there."""
        for port in ports:
            self.wait(lambda p=port: self.listens(p, side), f"port {port} of the {side}")

    def listens(self, port, side="server"):
        return self.run_plain(side, "ss", "-Hltn", f"sport = :{port}") != ""

    # ---- data and checks ------------------------------------------------------

    def data(self, name, size):
        """A file of random bytes."""
        path = self.dir / name
        self.mkdir(path.parent)
        with open("/dev/urandom", "rb") as source, open(path, "wb") as target:
            while size:
                size -= target.write(source.read(min(size, 1 << 20)))
        self.own(path)
        return path

    def write(self, name, text, mode=0o644):
        path = self.dir / name
        self.mkdir(path.parent)
        path.write_text(text)
        path.chmod(mode)
        self.own(path)
        return path

    def mkdir(self, path, user=None):
        path = self.dir / path
        if not path.exists():
            path.mkdir(parents=True)
            self.own(path, user)
        return path

    def same(self, first, *others):
        want = self.hash(first)
        for other in others:
            if self.hash(other) != want:
                sizes = [(self.dir / f).stat().st_size for f in (first, other)]
                raise Failed(f"{first} and {other} differ: {sizes[0]} and {sizes[1]} bytes")

    def hash(self, name):
        digest = hashlib.sha256()
        with open(self.dir / name, "rb") as f:
            while chunk := f.read(1 << 20):
                digest.update(chunk)
        return digest.hexdigest()

    @staticmethod
    def expect(want, got, what="value"):
        if want != got:
            raise Failed(f"{what}: expected {want!r}, got {got!r}")

    @staticmethod
    def match(pattern, text, what="output"):
        found = re.search(pattern, text, re.M)
        if not found:
            raise Failed(f"{what}: no '{pattern}' in:\n{text[-1500:]}")
        return found

    def log(self, text):
        self.logfile.write(f"{text}\n")
        self.logfile.flush()

    @staticmethod
    def url_host(address):
        return f"[{address}]" if ":" in address else address

    # ---- whose TCP it was -----------------------------------------------------

    def prove(self):
        """Our side must not have used the kernel's TCP, nor must the kernel have
        answered for it; nor the other way round."""
        for side, ours in self.ours.items():
            lines = [line.split()[1:] for line in self.run_plain(side, "cat", "/proc/net/snmp").
                     splitlines() if line.startswith("Tcp:")]
            count = dict(zip(lines[0], map(int, lines[1])))
            used = count["ActiveOpens"] + count["PassiveOpens"]
            if ours and not self.kernel_tcp:
                self.expect(0, used, f"connections of the kernel's TCP on the {side}'s host")
                if not self.late:
                    self.expect(0, count["OutRsts"],
                                f"resets by the kernel on the {side}'s host")
            if not ours and not used:
                raise Failed(f"the {side}'s host has not used the kernel's TCP")

    def report(self):
        """What the programs said, into the log."""
        for p in self.procs:
            self.log(f"--- {p.name} (pid {p.pid}, status {p.popen.poll()})\n{p.tail()}")
        for path in self.dir.glob("*.log"):
            self.log(f"--- {path.name}\n{path.read_bytes()[-3000:].decode(errors='replace')}")
