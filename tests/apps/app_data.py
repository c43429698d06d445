"""Data bases: redis, memcached, PostgreSQL."""
import random

from lab import SCRIPTS
from matrix import program, test

program("redis-server", "redis-server", "clients, replication of two")
program("redis-cli", "redis-tools", "values of 1 MB, pipe")
program("redis-benchmark", "redis-tools", "30 clients, pipelining")
program("memcached", "memcached", "4 threads, gives up root")
program("postgres", "postgresql-15", "a process for each connection", forks=True)
program("psql", "postgresql-client-15", "COPY in and out")
program("pgbench", "postgresql-15", "8 clients")


def redis_server(lab, port, *options):
    directory = lab.mkdir(f"redis{port}")
    server = lab.server("redis-server", "--port", port, "--bind", lab.addr, "--dir", directory,
                        "--save", "", "--appendonly", "no", "--protected-mode", "no", *options)
    lab.ready(port)
    return server


@test(client=("redis-cli", "redis-benchmark"), server="redis-server")
def redis(lab):
    server = redis_server(lab, 6379)
    cli = ("redis-cli", "-h", lab.addr)
    lab.expect("PONG", lab.text(*cli, "ping"))
    lab.data("value", 1 << 20)
    lab.expect("OK", lab.text(*cli, "-x", "set", "key", stdin="value"))
    lab.client(*cli, "--raw", "get", "key", out="got")
    lab.expect((lab.dir / "value").read_bytes() + b"\n", (lab.dir / "got").read_bytes())
    lab.write("commands", "".join(f"SET k{i} {i * i}\r\n" for i in range(20000)))
    lab.match("errors: 0, replies: 20000", lab.text(*cli, "--pipe", stdin="commands"))
    lab.expect(str(12345 ** 2), lab.text(*cli, "get", "k12345"))
    bench = ("redis-benchmark", "-h", lab.addr, "-q", "-n", "3000")
    said = lab.text(*bench, "-c", "30", "-t", "ping,set,get,lrange_100")
    lab.match("GET: .* requests per second", said.replace("\r", "\n"))
    lab.match("SET: .* requests per second", lab.text(*bench, "-c", "10", "-P", "16", "-t", "set"))
    lab.client(*cli, "shutdown", "nosave", status=None)
    server.finish()


@test(client="redis-cli", server="redis-server", forks=True)
def redis_replication(lab):
    redis_server(lab, 6379, "--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0")
    cli = ("redis-cli", "-h", lab.addr)
    lab.data("value", 4 << 20)
    lab.client(*cli, "-x", "set", "before", stdin="value")
    redis_server(lab, 6380, "--replicaof", f"{lab.addr} 6379")
    replica = (*cli, "-p", "6380")
    lab.wait(lambda: "master_link_status:up" in lab.text(*replica, "info", "replication"),
             "the replica", 40)
    lab.write("commands", "".join(f"SET k{i} {i}\r\n" for i in range(5000)))
    lab.client(*cli, "--pipe", stdin="commands")
    lab.expect("1", lab.text(*cli, "wait", "1", "10000"))
    lab.expect("4999", lab.text(*replica, "get", "k4999"))
    lab.client(*replica, "--raw", "get", "before", out="got")
    lab.expect((lab.dir / "value").read_bytes() + b"\n", (lab.dir / "got").read_bytes())


@test(client="python", server="memcached", root=True)
def memcached(lab):
    """It drops its privileges before it listens."""
    lab.server("memcached", "-u", "memcache", "-t", "4", "-l", lab.addr, "-p", 11211, "-I", "2m")
    lab.ready(11211)
    lab.expect("ok", lab.text("python3", SCRIPTS / "memcached_client.py", lab.addr))


@test(client="python", server="memcached")
def memcached_plain(lab):
    lab.server("memcached", "-t", "4", "-l", lab.addr, "-p", 11211, "-I", "2m", user="memcache")
    lab.ready(11211)
    lab.expect("ok", lab.text("python3", SCRIPTS / "memcached_client.py", lab.addr))


def postgres(lab):
    """A new cluster; the server refuses to be root."""
    user = None if lab.unprivileged else "postgres"
    lab.mkdir("db", "postgres" if user else None)
    lab.start("server", "initdb", "-D", lab.dir / "db", "-U", "postgres", "-A", "trust",
              "--no-sync", user=user, launched=False).finish()
    with open(lab.dir / "db/pg_hba.conf", "a", encoding="ascii") as f:
        f.write(f"host all all {lab.client_addr}/{32 if lab.family == 4 else 128} trust\n")
    server = lab.server("postgres", "-D", lab.dir / "db", "-h", lab.addr, "-p", 5432, "-k",
                        lab.dir / "db", "-c", "fsync=off", user=user)
    lab.ready(5432)
    lab.wait(lambda: lab.start("client", "pg_isready", "-h", lab.addr).popen.wait() == 0,
             "the server")
    return server


@test(client=("psql", "pgbench"), server="postgres", forks=True, seconds=120, fast=True)
def postgresql(lab):
    server = postgres(lab)
    psql = ("psql", "-h", lab.addr, "-U", "postgres", "-X", "-q", "-A", "-t", "-v",
            "ON_ERROR_STOP=1")
    numbers = random.Random(1)
    rows = "".join(f"{i}\t{numbers.randbytes(30).hex()}\n" for i in range(50000))
    lab.write("rows", rows)
    lab.client(*psql, "-c", "create table t (i int primary key, x text)", "-c",
               "\\copy t from rows", "-c", "\\copy (select * from t order by i) to back")
    lab.same("rows", "back")
    lab.expect("50000", lab.text(*psql, "-c", "select count(*) from t"))
    pgbench = ("pgbench", "-h", lab.addr, "-U", "postgres", "postgres")
    lab.client(*pgbench, "-i", "-s", "1", "-q", "-n")
    said = lab.text(*pgbench, "-c", "8", "-j", "2", "-t", "50", "-n")
    lab.match(r"actually processed: 400/400$", said)
    lab.match(r"failed transactions: 0 ", said)
    said = lab.text(*pgbench, "-S", "-C", "-c", "8", "-t", "10", "-n")  # always connects anew
    lab.match(r"actually processed: 80/80$", said)
    lab.expect("t", lab.text(*psql, "-c", "select (select sum(delta) from pgbench_history) = "
                             "(select sum(abalance) from pgbench_accounts)"), "balance")
    server.stop()
