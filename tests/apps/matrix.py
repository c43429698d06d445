"""matrix.py - programs, tests and cells, and the table of results.

A family of programs is a file app_*.py. It says what its programs are,

    program("wget", "wget", "HTTP")             name, Debian package, what is done
    program("nginx", "nginx", "…", forks=True)  the program forks in its tests

and has tests: functions of a Lab, marked with the programs they are of.

    @test(client="wget", server="nginx")
    def wget_download(lab): ...

A test is run in cells: every combination of sides that has us in it, over IPv4
and IPv6, and once unprivileged unless it says root=True. A program's column of
the table says yes if every cell that has the program on our TCP and belongs to
that column has passed."""
import collections
import dataclasses
import re
import subprocess

SIDES = (("ours", "kernel"), ("kernel", "ours"), ("ours", "ours"))
COLUMNS = ("client", "server", "IPv4", "IPv6", "peer kernel", "peer ours", "forks",
           "unprivileged")
FIRST, LAST = "<!-- the programs: made by make apps UPDATE=1 -->", "<!-- the programs end -->"


@dataclasses.dataclass(frozen=True)
class Program:
    name: str
    package: str
    does: str
    forks: bool


@dataclasses.dataclass(frozen=True)
class Test:
    name: str
    run: collections.abc.Callable
    clients: tuple
    servers: tuple
    seconds: int
    root: bool
    fast: bool
    forks: bool
    families: tuple


@dataclasses.dataclass(frozen=True)
class Cell:
    test: Test
    client: str
    server: str
    family: int
    unprivileged: bool = False

    def __str__(self):
        who = ", unprivileged" if self.unprivileged else ""
        return (f"{self.test.name}: client {self.client}, server {self.server}, "
                f"IPv{self.family}{who}")

    def programs(self):
        """Those that run on our TCP here, each with the column of its side."""
        found = [(p, "client") for p in self.test.clients if self.client == "ours"]
        return found + [(p, "server") for p in self.test.servers if self.server == "ours"]


programs, tests = {}, {}


def program(name, package, does, forks=False):
    assert name not in programs, name
    programs[name] = Program(name, package, does, forks)


def names(value):
    return (value,) if isinstance(value, str) else tuple(value)


def test(client=(), server=(), seconds=60, root=False, fast=False, forks=False,
         families=(4, 6)):
    """forks: in this test processes other than the first use connections."""
    def add(function):
        name = function.__name__.replace("_", " ")
        assert name not in tests, name
        tests[name] = Test(name, function, names(client), names(server), seconds, root, fast,
                           forks, families)
        return function
    return add


def cells(pattern, fast, families, kernel):
    """The cells of the tests whose name or programs the expression finds."""
    for t in tests.values():
        assert set(t.clients + t.servers) <= set(programs), t.name
        if fast and not t.fast:
            continue
        if not re.search(pattern, " ".join((t.name,) + t.clients + t.servers)):
            continue
        for family in (f for f in families if f in t.families):
            for sides in (("kernel", "kernel"),) if kernel else SIDES:
                yield Cell(t, *sides, family)
        if not t.root and not kernel and families[0] in t.families:
            yield Cell(t, "ours", "ours", families[0], unprivileged=True)


# ---- the table --------------------------------------------------------------


def version(package):
    """As upstream counts: without Debian's epoch and revision."""
    found = subprocess.run(("dpkg-query", "-W", "-f=${Version}", package), check=True,
                           capture_output=True, text=True).stdout
    return re.sub(r"([+~.](dfsg|ds|really|debian)[^-]*)?([+]\d+)?(-[^-]*)?$", "",
                  re.sub(r"^\d+:", "", found))


def columns_of(cell, side, p):
    yield side
    yield f"IPv{cell.family}"
    yield "peer ours" if cell.client == cell.server else "peer kernel"
    if cell.unprivileged:
        yield "unprivileged"
    if programs[p].forks and cell.test.forks and side == "server":
        yield "forks"


def table(results):
    """Markdown. results: whether it passed, for each cell."""
    seen = collections.defaultdict(list)
    for cell, passed in results.items():
        for p, side in cell.programs():
            for column in columns_of(cell, side, p):
                seen[p, column].append(passed)

    def mark(p, column):
        cells_seen = seen.get((p, column))
        if not cells_seen:
            return "-"
        return "yes" if all(cells_seen) else f"{sum(cells_seen)} of {len(cells_seen)}"

    lines = ["| program | version | " + " | ".join(COLUMNS) + " |",
             "|---|---|" + "---|" * len(COLUMNS)]
    used = {p for p, _ in seen}
    for p in programs.values():
        if p.name in used:
            what = f"{p.name} ({p.does})" if p.does else p.name
            marks = " | ".join(mark(p.name, c) for c in COLUMNS)
            lines.append(f"| {what} | {version(p.package)} | {marks} |")
    return "\n".join(lines) + "\n"


def update(path, text):
    """Puts the table between the two comments of a file."""
    whole = path.read_text()
    before, rest = whole.split(FIRST)
    _, after = rest.split(LAST)
    path.write_text(f"{before}{FIRST}\n{text}{LAST}{after}")
