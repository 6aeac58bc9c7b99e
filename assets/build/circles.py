#!/usr/bin/env python3
"""Finds circles of files: a file that takes something from another, which, by some way, takes something from the first.

Reads `use` lines and paths as text, follows `pub use` to where a name is defined, and leaves test code out. A module's
parent file and its children may name each other: that is nesting, not a circle. Exits with 1 and names the files of each circle.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PATH = re.compile(r"(?<![\w:$])(crate|super|self)((?:::(?:[A-Za-z_]\w*))+)(::\{|)")
ITEM = re.compile(r"^(?:pub(?:\([^)]*\))? )?(?:async |const |unsafe )*(?:fn|struct|enum|trait|type|const|static|union)\s+(\w+)", re.M)
USE = re.compile(r"^[ ]*pub(?:\([^)]*\))? use ([^;]+);", re.M)


def modules(src):
    """Module path -> file, for one crate."""
    found = {}
    for file in src.rglob("*.rs"):
        parts = file.relative_to(src).with_suffix("").parts
        if parts[-1] in ("tests", "testing", "properties", "scenarios") or parts[-1].endswith("_tests") or "tests" in parts:
            continue
        if parts[-1] == "mod":
            parts = parts[:-1]
        found[() if parts in (("lib",), ("main",)) else parts] = file
    return found


def flatten(tree, prefix=()):
    """`a::{b, c::d}` -> [(a, b), (a, c, d)]; renamed ones by what they are."""
    tree = tree.strip()
    depth, start, parts = 0, 0, []
    brace = tree.find("{")
    if brace < 0:
        path = re.split(r"\s+as\s+", tree)[0]
        return [prefix + tuple(part for part in path.split("::") if part)]
    head = tuple(part for part in tree[:brace].split("::") if part)
    body = tree[brace + 1 : tree.rfind("}")]
    for at, char in enumerate(body):
        depth += (char == "{") - (char == "}")
        if char == "," and depth == 0:
            parts.append(body[start:at])
            start = at + 1
    parts.append(body[start:])
    return [path for part in parts if part.strip() for path in flatten(part, prefix + head)]


class Crate:
    def __init__(self, src):
        self.files = modules(src)
        self.text = {module: re.split(r"(?m)^#\[cfg\((?:all\()?test", file.read_text())[0] for module, file in self.files.items()}
        self.items = {module: set(ITEM.findall(text)) for module, text in self.text.items()}
        self.reexports = {}
        for module, text in self.text.items():
            for tree in USE.findall(text):
                for path in flatten(tree):
                    self.reexports.setdefault((module, path[-1]), self.absolute(module, path))

    def absolute(self, module, path):
        if path[0] == "crate":
            return path[1:]
        if path[0] == "self":
            return module + path[1:]
        while path and path[0] == "super":
            module, path = module[:-1], path[1:]
            if path and path[0] != "super":
                return module + path
        return module + path

    def owner(self, path, seen=()):
        """The module that defines what a path names."""
        for cut in range(len(path), -1, -1):
            module = path[:cut]
            if module not in self.files:
                continue
            if cut == len(path):
                return module
            name = path[cut]
            if name in self.items[module] or (module, name) in seen:
                return module
            if (module, name) in self.reexports:
                return self.owner(self.reexports[(module, name)] + path[cut + 1 :], seen + ((module, name),))
            return module
        return None

    def edges(self):
        edges = {module: set() for module in self.files}
        for module, text in self.text.items():
            text = re.sub(r"//[^\n]*", "", text)
            uses = re.findall(r"(?:^|\n)[ ]*use ((?:crate|super|self)[^;]+);", text)
            paths = [path for tree in uses for path in flatten(" ".join(tree.split()))]
            rest = re.sub(r"(?:^|\n)[ ]*(?:pub(?:\([^)]*\))? )?use [^;]+;", "\n", text)
            paths += [(root,) + tuple(part for part in tail.split("::") if part) for root, tail, _ in PATH.findall(rest)]
            for path in paths:
                owner = self.owner(self.absolute(module, path))
                nested = owner is None or owner == module[: len(owner)] or module == owner[: len(module)]
                if not nested:
                    edges[module].add(owner)
        return edges


def circles(edges):
    """Strongly connected components of more than one file (Tarjan, without recursion)."""
    index, low, stack, on, found, count = {}, {}, [], set(), [], 0
    for root in edges:
        if root in index:
            continue
        work = [(root, iter(sorted(edges[root])))]
        index[root] = low[root] = count
        count += 1
        stack.append(root)
        on.add(root)
        while work:
            node, children = work[-1]
            for child in children:
                if child not in index:
                    index[child] = low[child] = count
                    count += 1
                    stack.append(child)
                    on.add(child)
                    work.append((child, iter(sorted(edges[child]))))
                    break
                if child in on:
                    low[node] = min(low[node], index[child])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    part = []
                    while True:
                        part.append(stack.pop())
                        on.discard(part[-1])
                        if part[-1] == node:
                            break
                    if len(part) > 1:
                        found.append(sorted(part))
    return found


def main():
    count = 0
    for manifest in sorted(ROOT.glob("**/Cargo.toml")):
        src = manifest.parent / "src"
        if not src.is_dir() or "target" in manifest.parts or "fuzz" in manifest.parts:
            continue
        crate = Crate(src)
        edges = crate.edges()
        for circle in circles(edges):
            count += 1
            print(f"circle in {src.relative_to(ROOT)}:", file=sys.stderr)
            for module in circle:
                inside = sorted("::".join(to) for to in edges[module] & set(circle))
                print(f"  {crate.files[module].relative_to(ROOT)} takes from {', '.join(inside)}", file=sys.stderr)
    print(f"{count} circles of files")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
