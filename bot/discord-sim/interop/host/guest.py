"""A library's program, asked by lines of JSON."""

import json
import os
import queue
import subprocess
import threading
import time

READY_TIMEOUT = 60


class GuestError(Exception):
    """The library could not do what was asked. What it said is the evidence."""


class Guest:
    def __init__(self, command: list[str], sim, log, bot: dict | None = None) -> None:
        token, user = (bot["token"], bot["id"]) if bot else (sim.at["token"], sim.bot)
        self.user = user
        environment = os.environ | {
            "SIM_URL": sim.at["http_url"], "SIM_GATEWAY": sim.at["gateway_url"], "SIM_TOKEN": token,
            "SIM_GUILD": sim.at["guild"], "SIM_APPLICATION": user, "SSL_CERT_FILE": sim.at["ca_pem_path"],
            "NODE_EXTRA_CA_CERTS": sim.at["ca_pem_path"], "PYTHONUNBUFFERED": "1",
        }
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
        self.answers: queue.Queue = queue.Queue()
        self.crashed: str | None = None
        self.number = 0
        threading.Thread(target=self.read, args=(log,), daemon=True).start()
        self.receive(lambda message: message.get("ready"), READY_TIMEOUT, "log in")

    def read(self, log) -> None:
        for line in self.process.stdout:
            if line.startswith("@"):
                message = json.loads(line[1:])
                if "crashed" in message:
                    self.crashed = message["crashed"]
                if "crashed" in message or "rejected" in message:
                    log.write(line)
                self.answers.put(message)
            else:
                log.write(line)
        self.answers.put({"ended": True})

    def receive(self, fits, seconds: float, what: str) -> dict:
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            try:
                message = self.answers.get(timeout=max(left, 0.001))
            except queue.Empty:
                raise GuestError(f"{what}: no answer within {seconds:.0f} s") from None
            if fits(message):
                return message
            if message.get("ended"):
                self.answers.put(message)
                raise GuestError(f"{what}: the program ended: {last_line(self.crashed or '')}")

    def ask(self, what: str, seconds: float = 30, **more) -> dict:
        self.number += 1
        number = self.number
        try:
            self.process.stdin.write(json.dumps({"id": number, "do": what, **more}) + "\n")
            self.process.stdin.flush()
        except OSError as error:
            raise GuestError(f"{what}: the program ended: {last_line(self.crashed or str(error))}") from error
        answer = self.receive(lambda message: message.get("id") == number, seconds, what)
        if "error" in answer:
            raise GuestError(f"{what}: {last_line(answer['error'])}")
        return answer

    def end(self) -> None:
        try:
            self.process.stdin.close()
            self.process.wait(8)
        except (OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()


def last_line(text: str) -> str:
    """What an error says, without its trace: the first line in JavaScript, the last one in Python."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    if not lines:
        return "it said nothing"
    return (lines[-1] if lines[0].startswith("Traceback") else lines[0])[:240]
