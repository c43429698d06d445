"""Servers that go into the background by themselves, give up their privileges or hand
their listeners on, as packaged: dropbear, haproxy, varnish, mariadb, samba, exim; and a
browser of many processes."""
import os
import shutil
import subprocess

from app_http import certificate, children, lighttpd, pid_of, signalled
from lab import Failed
from matrix import program, test

program("dropbear", "dropbear-bin", "as a daemon; a process for each session", forks=True)
program("haproxy", "haproxy", "master and worker, reload, TLS", forks=True)
program("varnish", "varnish", "as a daemon, in its jail", forks=True)
program("mariadb", "mariadb-server-core", "a thread for each connection, gives up root")
program("mariadb client", "mariadb-client-core", "values of 1 MB")
program("samba", "samba", "a process for each session", forks=True)
program("smbclient", "smbclient", "both directions")
program("exim", "exim4-daemon-light", "as a daemon; a process for each message", forks=True)
program("chromium", "chromium", "headless, a page of many files")


# ---- dropbear -------------------------------------------------------------------


@test(client="ssh", server="dropbear", root=True, forks=True, fast=True)
def dropbear_daemon(lab):
    """A home of its own for root, in a namespace of mounts: dropbear asks passwd(5)."""
    subprocess.run(("dropbearkey", "-t", "ed25519", "-f", lab.dir / "host"), check=True,
                   capture_output=True)
    subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", lab.dir / "user"),
                   check=True, stdin=subprocess.DEVNULL)
    lab.mkdir("home/.ssh").chmod(0o700)
    (lab.dir / "home").chmod(0o700)
    lab.write("home/.ssh/authorized_keys", (lab.dir / "user.pub").read_text(), 0o600)
    lab.data("file", 5 << 20)
    lab.server("unshare", "--mount", "sh", "-c", f"mount --bind {lab.dir}/home /root && "
               f"exec dropbear -s -r {lab.dir}/host -P {lab.dir}/pid -p {lab.host}:2222").finish()
    lab.ready(2222)
    to = ("ssh", "-F", "none", "-i", "user", "-o", "StrictHostKeyChecking=no", "-o",
          "LogLevel=ERROR", "-o", "UserKnownHostsFile=/dev/null", "-p", 2222, f"root@{lab.addr}")
    for _ in range(3):
        said = lab.text(*to, "sha256sum", stdin="file")
        lab.expect(lab.hash("file"), said.split()[0], "hash of what was sent")
    lab.client(*to, f"cat {lab.dir}/file", out="got")
    lab.same("file", "got")
    signalled("TERM", pid_of(lab, "pid"))


# ---- haproxy --------------------------------------------------------------------


@test(client="curl", server=("haproxy", "lighttpd"), forks=True, fast=True)
def haproxy_reload(lab):
    """The worker that goes finishes what it has begun; no connection is refused.

    curl closes without having read TLS's close_notify: RST, which the FIN may cross."""
    lab.late = True
    certificate(lab)
    pem = (lab.dir / "cert.pem").read_text() + (lab.dir / "key.pem").read_text()
    lab.write("both.pem", pem, 0o600)
    lighttpd(lab)
    lab.data("www/file", 5 << 20)
    user = "" if lab.unprivileged else "user haproxy\n    group haproxy"
    conf = lab.write("haproxy.cfg", f"""
global
    {user}
    stats socket {lab.dir}/admin expose-fd listeners
    pidfile {lab.dir}/pid
defaults
    mode http
    timeout connect 10s
    timeout client 50s
    timeout server 50s
frontend front
    bind {lab.addr}:8081
    bind {lab.addr}:8443 ssl crt {lab.dir}/both.pem
    default_backend back
backend back
    server one {lab.addr}:8080
""")
    master = lab.server("haproxy", "-W", "-f", conf)
    lab.ready(8081, 8443)
    slow = lab.start("client", "curl", "-sS", "-f", "--limit-rate", "1M", "-o", "slow",
                     f"http://{lab.host}:8081/file")
    lab.wait(lambda: (lab.dir / "slow").exists(), "the first bytes")
    before = children(master.pid)
    haproxy_told(lab, master, "USR2", "Reloading")
    lab.wait(lambda: children(master.pid) - before, "a new worker")
    for i in range(10):
        lab.client("curl", "-sS", "-f", "-o", f"plain{i}", f"http://{lab.host}:8081/file")
        lab.client("curl", "-sS", "-f", "--cacert", "cert.pem", "-o", f"tls{i}",
                   f"https://{lab.host}:8443/file")
    slow.finish()
    lab.same("www/file", "slow", *(f"{kind}{i}" for kind in ("plain", "tls") for i in range(10)))
    lab.wait(lambda: not before & children(master.pid), "the end of the old worker")


def haproxy_told(lab, proc, number, answer):
    """haproxy loses a signal that comes while its master executes itself, as it does once
    more when it has begun; on the kernel's TCP too."""
    for _ in range(5):
        signalled(number, proc.pid)
        try:
            lab.wait(lambda: answer in proc.tail(), f"{answer} of haproxy", 2)
            return
        except Failed:
            continue
    raise Failed(f"haproxy does not hear {number}")


# ---- varnish --------------------------------------------------------------------


@test(client="curl", server=("varnish", "lighttpd"), root=True, forks=True)
def varnish_daemon(lab):
    """As a daemon in its usual jail: the manager and the worker have other users."""
    lighttpd(lab)
    lab.data("www/file", 3 << 20)
    lab.server("varnishd", "-a", f"{lab.host}:6081", "-b", f"{lab.host}:8080", "-n",
               lab.dir / "varnish", "-s", "malloc,64m", "-P", lab.dir / "pid").finish()
    lab.ready(6081)
    lab.client("curl", "-sS", "-f", "--parallel", "-o", "got#1",
               f"http://{lab.host}:6081/file?[1-10]")
    said = [lab.text("curl", "-sS", "-f", "-D", "-", "-o", "again", f"http://{lab.host}:6081/file?1")
            for _ in range(2)]
    lab.match(r"X-Varnish: \d+ \d+", said[1], "an answer from the cache")
    lab.same("www/file", "again", *(f"got{i}" for i in range(1, 11)))
    signalled("TERM", pid_of(lab, "pid"))


# ---- mariadb --------------------------------------------------------------------


@test(client="mariadb client", server="mariadb", seconds=120)
def mariadb_blobs(lab):
    data = lab.mkdir("data", "nobody")
    subprocess.run(("mariadb-install-db", "--no-defaults", f"--datadir={data}", "--user=nobody",
                    "--auth-root-authentication-method=normal", "--skip-test-db"),
                   check=True, capture_output=True)
    lab.write("init.sql", "CREATE USER 'me'@'%' IDENTIFIED BY 'secret';\n"
              "GRANT ALL ON *.* TO 'me'@'%';\n")
    lab.server("mariadbd", "--no-defaults", f"--datadir={data}", "--user=nobody",
               f"--init-file={lab.dir}/init.sql", f"--bind-address={lab.addr}", "--port=3306",
               f"--socket={data}/socket", "--skip-name-resolve", "--innodb-buffer-pool-size=16M",
               "--max-allowed-packet=64M")
    lab.ready(3306)
    value = os.urandom(1 << 20).hex()
    lab.write("fill.sql", "CREATE DATABASE d; USE d; CREATE TABLE t (i INT, v LONGBLOB);\n" +
              "".join(f"INSERT INTO t VALUES ({i}, x'{value}');\n" for i in range(5)) +
              "SELECT COUNT(*), SUM(LENGTH(v)) FROM t;\nSELECT HEX(v) FROM t WHERE i = 3;\n")
    to = ("mariadb", "--no-defaults", "-h", lab.addr, "-P", 3306, "--protocol=tcp", "-ume",
          "-psecret", "--skip-column-names", "--max-allowed-packet=64M", "--skip-ssl")
    said = lab.text(*to, stdin="fill.sql").split()
    lab.expect(["5", str(5 << 20), value.upper()], said, "what the server has")
    for _ in range(20):
        lab.expect("7", lab.text(*to, "-e", "SELECT 3 + 4"), "an answer")


# ---- samba ----------------------------------------------------------------------


@test(client="smbclient", server="samba", root=True, forks=True)
def samba_files(lab):
    for d in ("private", "lock", "state", "cache", "pid", "ncalrpc"):
        lab.mkdir(d)
    share = lab.mkdir("share")
    share.chmod(0o777)
    conf = lab.write("smb.conf", f"""
[global]
    workgroup = TEST
    server role = standalone server
    interfaces = lo {lab.addr}
    smb ports = 4450
    disable netbios = yes
    load printers = no
    disable spoolss = yes
    map to guest = bad user
    guest account = nobody
    private dir = {lab.dir}/private
    lock directory = {lab.dir}/lock
    state directory = {lab.dir}/state
    cache directory = {lab.dir}/cache
    pid directory = {lab.dir}/pid
    ncalrpc dir = {lab.dir}/ncalrpc
    log file = {lab.dir}/smbd.log
[share]
    path = {share}
    read only = no
    guest ok = yes
""")
    lab.data("file", 10 << 20)
    lab.server("smbd", "--foreground", "--no-process-group", "-s", conf)
    lab.ready(4450)
    for i in range(2):
        lab.client("smbclient", f"//{lab.addr}/share", "-s", conf, "-p", 4450, "-N", "-U", "guest",
                   "-c", f"put file there{i}; get there{i} back{i}; ls")
        lab.same("file", f"share/there{i}", f"back{i}")


# ---- exim -----------------------------------------------------------------------


@test(client="curl", server="exim", root=True, forks=True)
def exim_daemon(lab):
    """A copy that is not setuid, which nothing could be preloaded into."""
    exim = shutil.copyfile("/usr/sbin/exim4", lab.dir / "exim4")
    exim.chmod(0o755)
    spool = lab.mkdir("spool", "Debian-exim")
    mail = lab.mkdir("mail")
    mail.chmod(0o777)
    conf = lab.write("exim.conf", f"""
primary_hostname = server
exim_path = {exim}
spool_directory = {spool}
log_file_path = {spool}/%slog
pid_file_path = {lab.dir}/pid
daemon_smtp_ports = 2525
local_interfaces = <; {lab.addr}
host_lookup =
rfc1413_query_timeout = 0s
acl_smtp_rcpt = accept
acl_smtp_data = accept
begin acl
accept:
  accept
begin routers
all:
  driver = accept
  transport = file
begin transports
file:
  driver = appendfile
  directory = {mail}
  create_directory
  user = Debian-exim
  group = Debian-exim
""")
    lab.server(exim, "-bd", "-C", conf).finish()
    lab.ready(2525)
    lines = "".join(os.urandom(30).hex() + "\r\n" for _ in range(20000))
    lab.write("letter", f"From: me@here\r\nTo: you@server\r\nSubject: bytes\r\n\r\n{lines}")
    for _ in range(3):
        lab.client("curl", "-sS", "--mail-from", "me@here", "--mail-rcpt", "you@server", "-T",
                   "letter", f"smtp://{lab.host}:2525")
    lab.wait(lambda: len(list(mail.iterdir())) == 3 and
             all(f.name.startswith("q") for f in mail.iterdir()), "three letters")
    for letter in mail.iterdir():
        text = letter.read_text().replace("\r\n", "\n")
        lab.expect(lines.replace("\r\n", "\n"), text.split("\n\n", 1)[1].strip("\n") + "\n",
                   "a letter")
    signalled("TERM", pid_of(lab, "pid"))


# ---- chromium -------------------------------------------------------------------


@test(client="chromium", server="lighttpd", seconds=120)
def chromium_page(lab):
    """Its script counts what it loads; the page's text says so when it is complete."""
    url = lighttpd(lab)
    for i in range(8):
        lab.write(f"www/part{i}.js", f"total += {i};\n" + "// " + "x" * 300000 + "\n")
    parts = "".join(f'<script src="part{i}.js"></script>' for i in range(8))
    lab.write("www/index.html", f"""<html><body><script>var total = 0;</script>{parts}
<p id="end"></p><script>document.getElementById("end").textContent = "total " + total;</script>
</body></html>""")
    said = lab.text("chromium", "--headless", "--no-sandbox", "--disable-gpu",
                    "--disable-dev-shm-usage", f"--user-data-dir={lab.mkdir('profile')}",
                    "--no-first-run", "--disable-background-networking", "--dump-dom", url + "/")
    lab.match("total 28", said, "the page")
