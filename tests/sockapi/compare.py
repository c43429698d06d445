#!/usr/bin/env python3
"""compare.py README KERNEL:OURS... - compares logs of sockapi, pair by pair.

A case's lines must be the same. A line after "allow: TEXT" may differ if TEXT is in
the "Limits" of README, and must do so in one pair at least. Prints every difference
with the two sides in a line, then how many there were; exit status 1 if any."""

import difflib
import re
import sys


def cases(path):
    """The cases of a log: {name: [line, ...]}."""
    found, name = {}, None
    with open(path, encoding="utf-8", errors="replace") as log:
        for line in log:
            line = line.rstrip("\n")
            if line.startswith("  "):
                found[name].append(line.strip())
            else:
                name = line
                found[name] = []
    return found


def differences(kernel, ours):
    """(left, right, the allow line before it or None) of each line that differs."""
    same = difflib.SequenceMatcher(None, kernel, ours, autojunk=False)
    for what, a, a_end, b, b_end in same.get_opcodes():
        for i in range(max(a_end - a, b_end - b) if what != "equal" else 0):
            left = kernel[a + i] if a + i < a_end else "-"
            right = ours[b + i] if b + i < b_end else "-"
            before = kernel[a - 1] if i == 0 and a else ""
            yield left, right, before[7:] if before.startswith("allow: ") else None


def limits(readme):
    with open(readme, encoding="utf-8") as text:
        part = re.search(r"\n## Limits\n(.*?)\n## ", text.read(), re.S).group(1)
    return re.sub(r"\s+", " ", part)


def main():
    known = limits(sys.argv[1])
    lines = bad = 0
    names, needed = set(), {}  # needed: (case, text): did it cover a difference?
    for pair in sys.argv[2:]:
        kernel, ours = (cases(path) for path in pair.split(":"))
        for name in list(kernel) + [n for n in ours if n not in kernel]:
            left, right = kernel.get(name, []), ours.get(name, [])
            names.add(name)
            lines += len(left)
            for line in left:
                if line.startswith("allow: "):
                    needed.setdefault((name, line[7:]), False)
            shown = False
            for a, b, allow in differences(left, right):
                if allow is not None:
                    needed[name, allow] = True
                    continue
                if not shown:
                    print(f"{pair} {name}")
                shown = True
                print(f"    {a:60} | {b}")
                bad += 1
    for (name, text), used in needed.items():
        if not used:
            print(f"{name}: nothing differs where it says: allow: {text}")
            bad += 1
        if text not in known:
            print(f"{name}: not in README.md's Limits: {text}")
            bad += 1
    covered = len(needed)
    print(f"note: {len(names)} cases, {lines} lines, {bad} different, {covered} allowed to be")
    sys.exit(bad != 0 or not lines)


main()
