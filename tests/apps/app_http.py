"""HTTP clients and servers: curl, wget, aria2, wrk, ab; nginx, apache2, lighttpd."""
import re
import subprocess

from lab import Failed
from matrix import program, test

program("curl", "curl", "HTTP/1.1, HTTP/2, HTTPS, parallel, upload")
program("wget", "wget", "HTTP, HTTPS, recursive")
program("aria2", "aria2", "16 connections for one file")
program("wrk", "wrk", "50 connections, 2 threads")
program("ab", "apache2-utils", "HTTP, HTTPS, keep-alive")
program("lighttpd", "lighttpd", "static files, ranges")
program("nginx", "nginx-light", "master and workers, reload, upgrade, TLS, proxy", forks=True)
program("apache2 prefork", "apache2-bin", "static files, CGI, graceful restart", forks=True)
program("apache2 event", "apache2-bin", "static files, TLS, proxy", forks=True)


def certificate(lab):
    """cert.pem and key.pem for the server's address."""
    subprocess.run(("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-keyout",
                    lab.dir / "key.pem", "-out", lab.dir / "cert.pem", "-subj", "/CN=server",
                    "-addext", f"subjectAltName=IP:{lab.addr}"), check=True, capture_output=True)
    lab.own(lab.dir / "key.pem")
    lab.own(lab.dir / "cert.pem")


def lighttpd(lab):
    conf = lab.write("lighttpd.conf", f"""
server.document-root = "{lab.dir}/www"
server.bind = "{'[::]' if lab.family == 6 else '0.0.0.0'}"
server.port = 8080
server.errorlog = "{lab.dir}/error.log"
index-file.names = ( "index.html" )
mimetype.assign = ( ".html" => "text/html" )
""")
    lab.mkdir("www")
    lab.server("lighttpd", "-D", "-f", conf)
    lab.ready(8080)
    return f"http://{lab.host}:8080"


@test(client="curl", server="lighttpd")
def curl_http(lab):
    url = lighttpd(lab)
    lab.data("www/one", 3 << 20)
    lab.data("www/two", 70000)
    lab.client("curl", "-sS", "-f", "-v", "-o", "1", f"{url}/one", "-o", "2", f"{url}/two")
    lab.same("www/one", "1")
    lab.same("www/two", "2")
    lab.client("curl", "-sS", "-f", "-r", "1000-69999", "-o", "part", f"{url}/two")
    lab.expect(lab.dir.joinpath("www/two").read_bytes()[1000:],
               lab.dir.joinpath("part").read_bytes(), "a range")
    lab.client("curl", "-sS", "-f", f"{url}/nothing", status=22)


@test(client="wget", server="lighttpd")
def wget_recursive(lab):
    url = lighttpd(lab)
    for i in range(5):
        lab.data(f"www/file{i}", 300000 * i + 1)
    links = "".join(f'<a href="file{i}">{i}</a>' for i in range(5))
    lab.write("www/index.html", f"<html><body>{links}</body></html>")
    lab.client("wget", "-nv", "-r", "-nH", "-P", "got", url + "/")
    for i in range(5):
        lab.same(f"www/file{i}", f"got/file{i}")


@test(client="aria2", server="lighttpd")
def aria2_split(lab):
    url = lighttpd(lab)
    lab.data("www/file", 40 << 20)
    lab.client("aria2c", "-x", "16", "-s", "16", "-k", "1M", "--no-conf", "-o", "got",
               "--summary-interval=0", f"{url}/file")
    lab.same("www/file", "got")


# ---- nginx ----------------------------------------------------------------------


def nginx(lab, servers, daemon=False):
    """servers: server blocks of the configuration. daemon: goes into the background
    by itself, after listen()."""
    user = "" if lab.unprivileged else "user www-data;"
    temp = "".join(f"{kind}_temp_path {lab.mkdir('temp')}/{kind};\n" for kind in
                   ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    conf = lab.write("nginx.conf", f"""
{user} worker_processes 2; daemon {"on" if daemon else "off"};
pid {lab.dir}/nginx.pid; error_log {lab.dir}/error.log;
events {{ worker_connections 1024; }}
http {{ access_log off; {temp} sendfile on; {servers} }}
""")
    lab.mkdir("www")
    proc = lab.server("/usr/sbin/nginx", "-c", conf)
    if daemon:
        proc.finish()
    lab.ready(*map(int, re.findall(r"listen \S+:(\d+)", servers)))


def static(lab):
    return f"server {{ listen {lab.host}:8080; root {lab.dir}/www; }}"


def tls(lab):
    certificate(lab)
    return (f"server {{ listen {lab.host}:8443 ssl http2; root {lab.dir}/www; "
            f"ssl_certificate {lab.dir}/cert.pem; ssl_certificate_key {lab.dir}/key.pem; }}")


@test(client="curl", server="nginx", forks=True, fast=True)
def curl_https_http2(lab):
    nginx(lab, tls(lab))
    lab.data("www/file", 5 << 20)
    url = f"https://{lab.host}:8443/file"
    for number, kind in (("1.1", "--http1.1"), ("2", "--http2")):
        said = lab.text("curl", "-sS", "-f", kind, "--cacert", "cert.pem", "-w", "%{http_version}",
                        "-o", "got" + number, url)
        lab.expect(number, said, "version of HTTP")
        lab.same("www/file", "got" + number)
    lab.client("curl", "-sS", "-f", "--http2", "--parallel", "--cacert", "cert.pem", "-o", "many#1",
               f"{url}?[1-30]")
    lab.same("www/file", *(f"many{i}" for i in range(1, 31)))


@test(client="curl", server="nginx", forks=True)
def curl_parallel(lab):
    nginx(lab, static(lab))
    lab.data("www/file", 200000)
    lab.client("curl", "-sS", "-f", "--parallel", "--parallel-max", "40", "-o", "got#1",
               f"http://{lab.host}:8080/file?[1-120]")
    lab.same("www/file", *(f"got{i}" for i in range(1, 121)))


@test(client="wget", server="nginx", forks=True)
def wget_https(lab):
    nginx(lab, tls(lab))
    lab.data("www/file", 5 << 20)
    lab.client("wget", "-nv", "--ca-certificate=cert.pem", "-O", "got",
               f"https://{lab.host}:8443/file")
    lab.same("www/file", "got")


@test(client="wrk", server="nginx", forks=True)
def wrk_nginx(lab):
    nginx(lab, static(lab))
    lab.data("www/file", 10000)
    said = lab.text("wrk", "-t", "2", "-c", "50", "-d", "3s", f"http://{lab.host}:8080/file")
    if "Socket errors" in said or "Non-2xx" in said:
        raise Failed(said)
    if int(lab.match(r"(\d+) requests in", said)[1]) < 100:
        raise Failed(said)


def slow_download(lab, name):
    """A client that takes seconds for the file."""
    return lab.start("client", "curl", "-sS", "-f", "--limit-rate", "2M", "-o", name,
                     f"http://{lab.host}:8080/file")


def pid_of(lab, name="nginx.pid"):
    """0: nginx is just writing it."""
    return int(lab.dir.joinpath(name).read_text() or 0)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return set(f.read().split())


def signalled(number, pid):
    subprocess.run(("kill", f"-{number}", str(pid)), check=True)


@test(client="curl", server="nginx", forks=True, fast=True)
def nginx_reload(lab):
    nginx(lab, static(lab))
    lab.data("www/file", 5 << 20)
    slow = [slow_download(lab, f"slow{i}") for i in range(2)]
    lab.wait(lambda: (lab.dir / "slow0").exists(), "the first bytes")
    before = children(pid_of(lab))
    signalled("HUP", pid_of(lab))
    lab.wait(lambda: len(children(pid_of(lab)) - before) == 2, "new workers")
    for i in range(20):
        lab.client("curl", "-sS", "-f", "-o", f"new{i}", f"http://{lab.host}:8080/file")
    for p in slow:
        p.finish()
    lab.same("www/file", "slow0", "slow1", *(f"new{i}" for i in range(20)))
    lab.wait(lambda: not before & children(pid_of(lab)), "the end of the old workers")


@test(client="curl", server="nginx", forks=True)
def nginx_upgrade(lab):
    nginx(lab, static(lab), daemon=True)
    lab.data("www/file", 5 << 20)
    slow = slow_download(lab, "slow")
    lab.wait(lambda: (lab.dir / "slow").exists(), "the first bytes")
    old = pid_of(lab)
    signalled("USR2", old)
    lab.wait(lambda: (lab.dir / "nginx.pid.oldbin").exists() and
             (lab.dir / "nginx.pid").exists() and pid_of(lab) not in (0, old) and
             len(children(pid_of(lab))) == 2, "the new master and its workers")
    lab.client("curl", "-sS", "-f", "-o", "both", f"http://{lab.host}:8080/file")
    signalled("QUIT", old)
    slow.finish()
    lab.wait(lambda: not (lab.dir / "nginx.pid.oldbin").exists(), "the end of the old master")
    for i in range(10):
        lab.client("curl", "-sS", "-f", "-o", f"new{i}", f"http://{lab.host}:8080/file")
    lab.same("www/file", "slow", "both", *(f"new{i}" for i in range(10)))
    signalled("QUIT", pid_of(lab))


@test(client="curl", server=("nginx", "lighttpd"), forks=True)
def nginx_proxy(lab):
    lighttpd(lab)
    lab.data("www/file", 5 << 20)
    nginx(lab, f"upstream u {{ server {lab.host}:8080; keepalive 4; }} server {{ listen "
          f"{lab.host}:8081; location / {{ proxy_pass http://u; proxy_http_version 1.1; "
          'proxy_set_header Connection ""; } }')
    lab.client("curl", "-sS", "-f", "--parallel", "-o", "got#1",
               f"http://{lab.host}:8081/file?[1-10]")
    lab.same("www/file", *(f"got{i}" for i in range(1, 11)))
    lab.expect("404", lab.text("curl", "-s", "-o", "none", "-w", "%{http_code}",
                               f"http://{lab.host}:8081/nothing"))


# ---- apache2 ----------------------------------------------------------------------


def apache(lab, mpm, listen, config=""):
    modules = ["authz_core", "dir", "mime", *re.findall(r"#use (\S+)", config)]
    loads = "".join(f"LoadModule {m}_module /usr/lib/apache2/modules/mod_{m}.so\n"
                    for m in [f"mpm_{mpm}", *modules])
    user = "" if lab.unprivileged else "User www-data\nGroup www-data\n"
    conf = lab.write("apache.conf", f"""
{loads}{user}
ServerName server
ServerRoot {lab.dir}
DefaultRuntimeDir {lab.dir}
PidFile {lab.dir}/apache.pid
ErrorLog {lab.dir}/error.log
TypesConfig /dev/null
Listen {lab.host}:{listen}
DocumentRoot {lab.mkdir('www')}
StartServers 2
{config}
<Directory {lab.dir}>
Require all granted
</Directory>
""")
    lab.server("apache2", "-D", "FOREGROUND", "-f", conf)
    lab.ready(listen)


def ab(lab, url, *options):
    said = lab.text("ab", "-q", "-n", "400", "-c", "10", *options, url)
    lab.expect("400", lab.match(r"Complete requests: +(\d+)", said)[1], "requests")
    lab.expect("0", lab.match(r"Failed requests: +(\d+)", said)[1], "failed requests")
    if "Non-2xx" in said:
        raise Failed(said)


@test(client=("ab", "curl"), server="apache2 prefork", forks=True, fast=True)
def apache_prefork(lab):
    apache(lab, "prefork", 8080, f"""
#use alias
#use cgi
ScriptAlias /cgi {lab.dir}/cgi.sh
""")
    lab.write("cgi.sh", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nsha256sum\n", 0o755)
    lab.data("www/file", 1 << 20)
    url = f"http://{lab.host}:8080"
    ab(lab, url + "/file")
    ab(lab, url + "/file", "-k")
    lab.client("curl", "-sS", "-f", "-o", "got", url + "/file")
    lab.same("www/file", "got")
    said = lab.text("curl", "-sS", "-f", "--data-binary", "@www/file", url + "/cgi")
    lab.expect(lab.hash("www/file"), said.split()[0], "hash by CGI")


@test(client="curl", server="apache2 prefork", forks=True)
def apache_graceful(lab):
    apache(lab, "prefork", 8080)
    lab.data("www/file", 5 << 20)
    slow = slow_download(lab, "slow")
    lab.wait(lambda: (lab.dir / "slow").exists(), "the first bytes")
    signalled("USR1", pid_of(lab, "apache.pid"))
    for i in range(10):
        lab.client("curl", "-sS", "-f", "-o", f"new{i}", f"http://{lab.host}:8080/file")
    slow.finish()
    lab.same("www/file", "slow", *(f"new{i}" for i in range(10)))


@test(client=("ab", "curl"), server="apache2 event", forks=True)
def apache_event(lab):
    """ab closes before it has read what TLS says last: FIN, RST, and the server's FIN may
    cross these."""
    lab.late = True
    certificate(lab)
    apache(lab, "event", 8443, f"""
#use ssl
#use socache_shmcb
SSLEngine on
SSLCertificateFile {lab.dir}/cert.pem
SSLCertificateKeyFile {lab.dir}/key.pem
""")
    lab.data("www/file", 1 << 20)
    url = f"https://{lab.host}:8443/file"
    ab(lab, url, "-k")
    ab(lab, url)
    lab.client("curl", "-sS", "-f", "--cacert", "cert.pem", "--parallel", "-o", "got#1",
               url + "?[1-20]")
    lab.same("www/file", *(f"got{i}" for i in range(1, 21)))


@test(client="curl", server=("apache2 event", "lighttpd"), forks=True)
def apache_proxy(lab):
    upstream = lighttpd(lab)
    lab.data("www/file", 5 << 20)
    apache(lab, "event", 8081, f"""
#use proxy
#use proxy_http
ProxyPass / {upstream}/
""")
    lab.client("curl", "-sS", "-f", "--parallel", "-o", "got#1",
               f"http://{lab.host}:8081/file?[1-10]")
    lab.same("www/file", *(f"got{i}" for i in range(1, 11)))
