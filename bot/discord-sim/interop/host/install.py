"""Installs pinned libraries into a cache folder outside of the checkout, each into a folder of its own."""

import os
import pathlib
import platform
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent.parent
CRATE = HERE.parent
NODE_VERSION = "22.23.3"
INSTALL_TIMEOUT = 600


class NotInstalled(Exception):
    """A library could not be installed; the run goes on without it."""


def cache() -> pathlib.Path:
    named = os.environ.get("ANTIPHON_INTEROP_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(named or os.path.join(base, "antiphon-interop"))


def run(command: list, folder: pathlib.Path, what: str) -> None:
    try:
        done = subprocess.run(
            [str(part) for part in command], cwd=folder, capture_output=True, text=True, timeout=INSTALL_TIMEOUT
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(f"{what}: {error}") from error
    if done.returncode != 0:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise NotInstalled(f"{what}: {' / '.join(lines[-3:])}")


def node() -> str:
    """Node 22.12 or later: the system's when it is new enough, else the one that npm has as a package."""
    found = shutil.which("node")
    if found:
        version = subprocess.run([found, "--version"], capture_output=True, text=True).stdout.strip()
        if tuple(int(part) for part in version.lstrip("v").split(".")[:2]) >= (22, 12):
            return found
    arch = "arm64" if platform.machine() in ("aarch64", "arm64") else "x64"
    folder = cache() / "node"
    binary = folder / "node_modules" / f"node-linux-{arch}" / "bin" / "node"
    if not binary.exists():
        folder.mkdir(parents=True, exist_ok=True)
        package = f"node-linux-{arch}@{NODE_VERSION}"
        run(["npm", "install", "--silent", "--no-save", "--ignore-scripts", package], folder, "Node")
    return str(binary)


def command_for(name: str, library: dict) -> list[str]:
    """What starts the library's guest, after installing what it needs."""
    folder = cache() / name
    stamp, wanted = folder / ".installed", "\n".join(library["packages"])
    ready = stamp.exists() and stamp.read_text() == wanted
    match library["language"]:
        case "node":
            program = node()
            if not ready:
                folder.mkdir(parents=True, exist_ok=True)
                (folder / "package.json").write_text('{"private": true}')
                options = ["--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--save-exact"]
                run(["npm", "install", *options, *library["packages"]], folder, name)
            for file in (HERE / "guests" / "js").glob("*.mjs"):
                shutil.copy(file, folder)
            command = [program, str(folder / library["guest"])]
        case "python":
            python = folder / "bin" / "python"
            if not ready:
                run([sys.executable, "-m", "venv", folder], HERE, name)
                run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *library["packages"]], HERE, name)
            command = [str(python), "-B", str(HERE / "guests" / "py" / library["guest"])]
        case "rust":
            return [example(library["guest"])]
        case other:
            raise NotInstalled(f"{name}: no way to install {other}")
    if not ready:
        stamp.write_text(wanted)
    return command


def example(name: str) -> str:
    """One of the crate's examples, built."""
    target = os.environ.get("CARGO_TARGET_DIR") or str(CRATE.parent.parent / "target")
    binary = pathlib.Path(target) / "debug" / "examples" / name
    command = ["cargo", "build", "--quiet", "--workspace", "--example", name]
    done = subprocess.run(command, cwd=CRATE, capture_output=True, text=True)
    if done.returncode != 0:
        raise NotInstalled(f"{name}: {done.stderr.strip()[-400:]}")
    return str(binary)
