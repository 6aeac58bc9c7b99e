"""A simulated Discord in a process of its own, driven by its control API."""

import json
import subprocess
import urllib.error
import urllib.request


class SimError(Exception):
    """The simulation refused, or something did not happen in time."""


class Sim:
    def __init__(self, binary: str) -> None:
        self.process = subprocess.Popen([binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise SimError("the simulation did not start")
        self.at = json.loads(line)
        self.bot, self.channel = self.at["bot"], self.at["voice_channel"]

    def __enter__(self) -> "Sim":
        return self

    def __exit__(self, *_) -> None:
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def ask(self, method: str, path: str, body: dict | None = None, timeout: float = 60) -> dict:
        request = urllib.request.Request(self.at["http_url"] + path, method=method)
        if path.startswith("/api"):
            request.add_header("Authorization", f"Bot {self.at['token']}")
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, data, timeout) as answer:
                return json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            raise SimError(f"{method} {path}: {error.read().decode(errors='replace')[:300]}") from error
        except (OSError, TimeoutError) as error:
            raise SimError(f"{method} {path}: {error}") from error

    def post(self, route: str, **body) -> dict:
        return self.ask("POST", "/sim" + route, body, timeout=130)

    def cursor(self) -> int:
        return self.ask("GET", "/sim/state")["next_event"]

    def events(self, since: int, kind: str | None = None) -> list[dict]:
        query = f"/sim/events?from={since}" + (f"&event={kind}" if kind else "")
        return self.ask("GET", query)["events"]

    def wait_event(self, since: int, kind: str, fits=lambda event: True, seconds: float = 15) -> dict:
        position, left = since, seconds
        while left > 0:
            query = f"/sim/events?from={position}&event={kind}&wait_ms=1000"
            answer = self.ask("GET", query)
            for event in answer["events"]:
                if fits(event):
                    return event
            position = answer["next"]
            left -= 1 if not answer["events"] else 0.05
        raise SimError(f"no {kind} within {seconds} s")


class Speaker:
    """A scripted speaker in a call."""

    def __init__(self, sim: Sim, name: str, channel: str | None = None) -> None:
        self.sim = sim
        body = {"name": name, "channel": channel} if channel else {"name": name}
        self.user = sim.post("/speakers", **body)["user"]

    def say(self, text: str, **more) -> list[str]:
        return self.sim.post(f"/speakers/{self.user}/say", text=text, **more)["frames"]

    def wait_keys(self, *users: str, seconds: float = 20) -> None:
        self.sim.post(f"/speakers/{self.user}/wait", keys_with=list(users), wait_ms=int(seconds * 1000))

    def show(self) -> dict:
        return self.sim.ask("GET", f"/sim/speakers/{self.user}")

    def heard(self, user: str) -> dict:
        """Counts of what was heard of a user, and for how long it was audible."""
        for person in self.show()["heard"]:
            if person["user"] == user:
                audible = sum(end - start for start, end in person["audible_ms"])
                return person["stats"] | {"audible_ms": audible}
        return {"frames": 0, "plain": 0, "silence": 0, "undecodable": 0, "lost": 0, "audible_ms": 0}

    def leave(self) -> None:
        self.sim.ask("DELETE", f"/sim/speakers/{self.user}")
