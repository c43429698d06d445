"""Files from here to there: ftp, ssh, rsync, git."""
import os
import subprocess

from app_http import apache
from matrix import program, test

program("tnftp", "tnftp", "active, passive")
program("vsftpd", "vsftpd", "active, passive, sandboxed processes", forks=True)
program("ssh", "openssh-client", "shell, terminal, scp, sftp, port forwarding, 1 GB")
program("sshd", "openssh-server", "shell, terminal, scp, sftp, port forwarding, 1 GB", forks=True)
program("rsync", "rsync", "daemon, both directions, deltas", forks=True)
program("git", "git", "clone and push, git:// and http://", forks=True)

# ---- ftp ------------------------------------------------------------------------


def ftp(lab, mode, *options):
    """One session: a file back and forth. tnftp reads commands from its input."""
    ipv6 = lab.family == 6
    config = {"listen": "NO" if ipv6 else "YES", "listen_ipv6": "YES" if ipv6 else "NO",
              "listen_address6" if ipv6 else "listen_address": lab.addr, "listen_port": 2121,
              "background": "NO", "anonymous_enable": "YES", "no_anon_password": "YES",
              "anon_root": lab.mkdir("root"), "write_enable": "YES", "anon_upload_enable": "YES",
              "anon_umask": "022", "secure_chroot_dir": lab.mkdir("empty"),
              "ftp_data_port": 2120, "vsftpd_log_file": lab.dir / "vsftpd.log",
              "xferlog_enable": "YES", "log_ftp_protocol": "YES", **dict(options)}
    lab.write("vsftpd.conf", "".join(f"{k}={v}\n" for k, v in config.items()))
    lab.mkdir("root/pub", "ftp")
    lab.data("root/file", 3 << 20)
    lab.server("vsftpd", lab.dir / "vsftpd.conf")
    lab.ready(2121)
    lab.write("commands", "user anonymous me@here\nbinary\nls\nget file got\ncd pub\n"
              "put root/file sent\nget sent back\nquit\n")
    for _ in range(2):
        said = lab.text("tnftp", mode, "-n", "-v", lab.addr, 2121, stdin="commands")
        lab.expect(4, said.count("226 "), "transfers: " + said)
        lab.same("root/file", "got", "root/pub/sent", "back")
        os.unlink(lab.dir / "root/pub/sent")


@test(client="tnftp", server="vsftpd", root=True, forks=True, fast=True)
def ftp_passive(lab):
    ftp(lab, "-p")


@test(client="tnftp", server="vsftpd", root=True, forks=True)
def ftp_active(lab):
    """Every data connection comes from one port of the server's."""
    ftp(lab, "-A", ("connect_from_port_20", "YES"))


@test(client="tnftp", server="vsftpd", root=True, forks=True)
def ftp_plain(lab):
    """Without vsftpd's sandbox of namespaces; a new port for each data connection."""
    ftp(lab, "-A", ("isolate", "NO"), ("isolate_network", "NO"), ("one_process_model", "YES"))


# ---- ssh ------------------------------------------------------------------------


def sshd(lab):
    """What ssh, scp and sftp are given to get there."""
    os.makedirs("/run/sshd", exist_ok=True)
    for key in ("host", "user"):
        subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", lab.dir / key),
                       check=True, stdin=subprocess.DEVNULL)
    lab.write("authorized_keys", (lab.dir / "user.pub").read_text())
    conf = lab.write("sshd_config", f"""
ListenAddress {lab.host}:2222
HostKey {lab.dir}/host
PidFile none
AuthorizedKeysFile {lab.dir}/authorized_keys
StrictModes no
UsePAM no
PermitRootLogin yes
Subsystem sftp internal-sftp
Match User nobody
ForceCommand internal-sftp
""")
    lab.server("/usr/sbin/sshd", "-D", "-e", "-f", conf)
    lab.ready(2222)
    return ("-F", "none", "-i", "user", "-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR",
            "-o", "UserKnownHostsFile=/dev/null", "-o", "Port=2222")


@test(client="ssh", server="sshd", root=True, forks=True, fast=True)
def ssh_shell(lab):
    to = sshd(lab)
    lab.data("file", 20 << 20)
    lab.expect("root", lab.text("ssh", *to, f"root@{lab.addr}", "whoami"))
    lab.client("ssh", *to, f"root@{lab.addr}", "cat", stdin="file", out="got")
    lab.same("file", "got")
    lab.client("ssh", *to, f"root@{lab.addr}", "exit 42", status=42)
    session = lab.start("client", "ssh", "-tt", *to, f"root@{lab.addr}", stdin=subprocess.PIPE,
                        merged=True)
    session.say("tty; echo $((6 * 7))\n")
    session.until(r"/dev/pts/\d+")
    session.until(r"\n42\r")
    session.say("exit\n")
    session.finish()


@test(client="ssh", server="sshd", root=True, forks=True)
def scp_sftp(lab):
    to = sshd(lab)
    lab.data("file", 10 << 20)
    there = lab.mkdir("there")
    there.chmod(0o777)
    lab.client("scp", *to, "file", f"root@{lab.host}:{there}/1")
    lab.client("scp", "-O", *to, f"root@{lab.host}:{there}/1", "got1")
    lab.write("batch", f"put file {there}/2\nget {there}/2 got2\nls {there}\nrm {there}/1\n")
    lab.client("sftp", *to, "-b", "batch", f"root@{lab.host}")
    lab.same("file", "there/2", "got1", "got2")
    lab.write("batch", "put file there/nobodys\nget there/nobodys got3\n")
    lab.client("sftp", *to, "-b", "batch", f"nobody@{lab.host}:{lab.dir}")
    lab.same("file", "got3")
    lab.expect("nobody", (there / "nobodys").owner())
    lab.expect(False, (there / "1").exists(), "after rm")


@test(client="ssh", server="sshd", root=True, forks=True)
def ssh_forwarding(lab):
    to = sshd(lab)
    lab.data("www/file", 3 << 20)
    local = "127.0.0.1" if lab.family == 4 else "[::1]"
    for side in ("server", "client"):
        lab.start(side, "python3", "-m", "http.server", "--bind", local.strip("[]"),
                  "--directory", "www", 8000)
        lab.ready(8000, side=side)
    lab.start("client", "ssh", "-N", *to, "-L", f"{local}:9001:{local}:8000", "-R",
              f"{local}:9002:{local}:8000", f"root@{lab.addr}")
    lab.ready(9001, side="client")
    lab.ready(9002, side="server")
    for side, port in (("client", 9001), ("server", 9002)):
        lab.start(side, "curl", "-sS", "-f", "--parallel", "-o", side + "#1",
                  f"http://{local}:{port}/file?[1-6]").finish()
        lab.same("www/file", *(f"{side}{i}" for i in range(1, 7)))


@test(client="ssh", server="sshd", root=True, forks=True, seconds=300)
def ssh_gigabyte(lab):
    to = sshd(lab)
    lab.data("file", 1 << 30)
    said = lab.text("ssh", *to, f"root@{lab.addr}", "sha256sum", stdin="file")
    lab.expect(lab.hash("file"), said.split()[0], "hash of 1 GB sent")
    lab.client("ssh", *to, f"root@{lab.addr}", f"cat {lab.dir}/file", out="got")
    lab.same("file", "got")


# ---- rsync ----------------------------------------------------------------------


def tree(lab, name):
    for i in range(20):
        lab.data(f"{name}/{i % 4}/file{i}", 20000 * i)
    lab.data(f"{name}/large", 10 << 20)


def same_trees(lab, first, second):
    found = subprocess.run(("diff", "-r", first, second), cwd=lab.dir, capture_output=True,
                           text=True, check=False)
    lab.expect("", found.stdout + found.stderr, "differences")


@test(client="rsync", server="rsync", forks=True)
def rsync_daemon(lab):
    who = "" if lab.unprivileged else "uid = root\ngid = root\n"
    conf = lab.write("rsyncd.conf", f"{who}use chroot = no\n[data]\npath = {lab.mkdir('data')}\n"
                     "read only = no\n")
    lab.server("rsync", "--daemon", "--no-detach", f"--config={conf}", f"--address={lab.addr}",
               "--port=8730")
    lab.ready(8730)
    url = f"rsync://{lab.host}:8730/data"
    tree(lab, "tree")
    lab.client("rsync", "-a", "tree/", f"{url}/copy/")
    same_trees(lab, "tree", "data/copy")
    lab.client("rsync", "-a", f"{url}/copy/", "back/")
    same_trees(lab, "tree", "back")
    with open(lab.dir / "tree/large", "r+b") as f:
        f.seek(5 << 20)
        f.write(b"another text")
    said = lab.text("rsync", "-a", "-c", "--stats", "tree/", f"{url}/copy/")
    lab.expect("1", lab.match(r"regular files transferred: (\d+)", said)[1], "files sent")
    same_trees(lab, "tree", "data/copy")


# ---- git ------------------------------------------------------------------------


def git(lab, *words):
    """Beside the test: no TCP is used."""
    subprocess.run(("git", *words), cwd=lab.dir, check=True, capture_output=True,
                   env={"HOME": str(lab.dir), "PATH": os.environ["PATH"]})


def repository(lab):
    lab.write(".gitconfig", "[user]\nname = me\nemail = me@here\n[safe]\ndirectory = *\n"
              "[http]\nreceivepack = true\n[init]\ndefaultBranch = main\n")
    git(lab, "init", "-q", "work")
    tree(lab, "work")
    git(lab, "-C", "work", "add", ".")
    git(lab, "-C", "work", "commit", "-q", "-m", "first")
    git(lab, "clone", "-q", "--bare", "work", "repos/it.git")


def clone_and_push(lab, url):
    lab.client("git", "clone", "-q", url, "clone")
    same_trees(lab, "work/large", "clone/large")
    same_trees(lab, "work/3", "clone/3")
    lab.data("clone/new", 3 << 20)
    for words in (("add", "new"), ("commit", "-q", "-m", "second")):
        lab.client("git", "-C", "clone", *words, launched=False)
    lab.client("git", "-C", "clone", "push", "-q", "origin", "main")
    git(lab, "clone", "-q", "repos/it.git", "check")
    lab.same("clone/new", "check/new")


def owned(lab, user):
    subprocess.run(("chown", "-R", user, lab.dir / "repos"), check=True)


@test(client="git", server="git", forks=True)
def git_daemon(lab):
    repository(lab)
    owned(lab, "nobody" if lab.unprivileged else "root")
    lab.server("git", "daemon", f"--listen={lab.addr}", "--port=9418", "--reuseaddr",
               "--export-all", f"--base-path={lab.dir}/repos", "--enable=receive-pack")
    lab.ready(9418)
    clone_and_push(lab, f"git://{lab.host}/it.git")


@test(client="git", server="apache2 prefork", forks=True)
def git_http(lab):
    repository(lab)
    owned(lab, "nobody" if lab.unprivileged else "www-data")
    apache(lab, "prefork", 8080, f"""
#use alias
#use cgi
#use env
SetEnv GIT_PROJECT_ROOT {lab.dir}/repos
SetEnv GIT_HTTP_EXPORT_ALL
SetEnv HOME {lab.dir}
SetEnv REMOTE_USER me
ScriptAlias / /usr/lib/git-core/git-http-backend/
<Directory /usr/lib/git-core>
Require all granted
</Directory>
""")
    clone_and_push(lab, f"http://{lab.host}:8080/it.git")
