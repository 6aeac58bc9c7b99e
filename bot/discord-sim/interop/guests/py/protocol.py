"""What every guest in Python shares: its variables, the lines it is asked by and answers with, and what it heard."""

import array
import asyncio
import hashlib
import json
import os
import sys
import threading
import traceback
import wave

URL = os.environ["SIM_URL"]
GATEWAY = os.environ["SIM_GATEWAY"]
TOKEN = os.environ["SIM_TOKEN"]
GUILD = int(os.environ["SIM_GUILD"])
DEBUG = bool(os.environ.get("SIM_DEBUG"))

CHOICES = ["alpha", "beta"]
FILE_NAME, FILE = "report.txt", b"a report"
SILENCE = b"\xf8\xff\xfe"


def report(**message) -> None:
    """Lines that begin with @ are for the host; libraries may print others."""
    sys.stdout.write("@" + json.dumps(message) + "\n")
    sys.stdout.flush()


class Heard:
    """What arrived, by user: the first bytes of each frame's SHA-256, as the speaker names its own."""

    def __init__(self) -> None:
        self.frames: dict[int, list[str]] = {}
        self.failures = 0

    def add(self, user: int, opus: bytes) -> None:
        self.frames.setdefault(int(user), []).append(hashlib.sha256(opus).hexdigest()[:8])

    def clear(self) -> None:
        self.frames, self.failures = {}, 0

    def of(self, user: str) -> dict:
        return {"frames": self.frames.get(int(user), []), "failures": self.failures}


def stereo(path: str) -> bytes:
    """A WAV file as raw 48 kHz stereo, which is what the libraries encode."""
    with wave.open(path) as file:
        mono = array.array("h", file.readframes(file.getnframes()))
    both = array.array("h", bytes(len(mono) * 4))
    both[0::2] = mono
    both[1::2] = mono
    return both.tobytes()


async def serve(handlers: dict, end) -> None:
    """Answers the host's requests with `handlers` until the host goes away."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue = asyncio.Queue()

    def read() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(lines.put_nowait, line)
        loop.call_soon_threadsafe(lines.put_nowait, None)

    async def answer(request: dict) -> None:
        try:
            handler = handlers.get(request["do"])
            if handler is None:
                raise LookupError(f"no such request: {request['do']}")
            result = handler(request)
            if asyncio.iscoroutine(result):
                result = await result
            report(id=request["id"], ok=True, **(result or {}))
        except BaseException:
            report(id=request["id"], error=traceback.format_exc())

    threading.Thread(target=read, daemon=True).start()
    report(ready=True)
    running = set()
    while (line := await lines.get()) is not None:
        task = asyncio.create_task(answer(json.loads(line)))
        running.add(task)
        task.add_done_callback(running.discard)
    try:
        await asyncio.wait_for(end(), 3)
    finally:
        os._exit(0)
