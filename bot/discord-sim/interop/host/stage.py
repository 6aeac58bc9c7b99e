"""What scenarios play on: a simulation, a library's program, and speakers; and what counts as being heard."""

import array
import math
import pathlib
import tempfile
import time
import wave

from guest import Guest, GuestError
from sim import Sim, SimError, Speaker

FRAMES_PER_SECOND = 50
# The share of a speaker's frames that must arrive unchanged, and of the library's that must be heard, without faults.
HEARD_SHARE, SPOKEN_SHARE = 0.9, 0.8
ATTEMPTS = 3


class Failed(Exception):
    """The scenario did not end as it should."""


def sound(folder: pathlib.Path, seconds: float) -> str:
    """A WAV file whose 20 ms frames all differ: a tone that goes up and swells."""
    path = folder / f"sound-{seconds}.wav"
    if not path.exists():
        samples = array.array("h")
        for n in range(int(48_000 * seconds)):
            at = n / 48_000
            swell = 0.6 + 0.4 * math.sin(at * 17.0)
            samples.append(int(9000 * swell * math.sin(2 * math.pi * (220 + 90 * at) * at + math.sin(at * 31))))
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(48_000)
            file.writeframes(samples.tobytes())
    return str(path)


class Stage:
    def __init__(self, binary: str, command: list[str], library: dict, log, broken: bool) -> None:
        self.library, self.command, self.log, self.broken = library, command, log, broken
        self.dave = library["dave"]
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="interop-"))
        self.sim = Sim(binary)
        self.guest: Guest | None = None
        self.speakers: list[Speaker] = []
        self.since = 0
        if self.dave:
            self.channel, self.other = self.sim.channel, self.new_channel("Other", True)
        else:
            self.channel, self.other = self.new_channel("Plain", False), self.new_channel("Other", False)

    def new_channel(self, name: str, dave: bool) -> str:
        return self.sim.post("/channels", name=name, voice=True, dave=dave)["id"]

    def sabotage(self, do) -> None:
        """Puts the scenario's fault in, in a run that is to show that the scenario can fail."""
        if self.broken:
            do()

    def log_in(self) -> Guest:
        if self.guest is None:
            self.guest = Guest(self.command, self.sim, self.log)
        return self.guest

    def end(self) -> None:
        if self.guest is not None:
            self.guest.end()
        self.sim.__exit__()

    def speaker(self, name: str, channel: str | None = None) -> Speaker:
        speaker = Speaker(self.sim, name, channel or self.channel)
        self.speakers.append(speaker)
        return speaker

    def clean(self) -> None:
        """Leaves the call, and takes the faults back, for the next scenario."""
        self.sim.ask("DELETE", "/sim/faults")
        for speaker in self.speakers:
            try:
                speaker.leave()
            except SimError:
                pass
        self.speakers = []
        if self.guest is not None:
            self.guest.ask("leave", channel=self.channel)
            self.until(lambda: self.where() is None, "the bot is out of the call", 5)

    def where(self) -> str | None:
        """Where the bot is, by its voice state."""
        for user in self.sim.ask("GET", "/sim/state")["users"]:
            if user["id"] == self.sim.bot:
                return user["voice_channel_id"]
        return None

    def until(self, holds, what: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                raise Failed(f"not within {seconds:.0f} s: {what}")
            time.sleep(0.1)

    def call(self) -> Speaker:
        """Anna and the library in a call."""
        guest, anna = self.log_in(), self.speaker("Anna")
        guest.ask("join", channel=self.channel)
        self.share_keys(anna)
        self.introduce(anna)
        return anna

    def share_keys(self, *speakers: Speaker) -> None:
        if self.dave:
            for speaker in speakers:
                speaker.wait_keys(self.sim.bot)

    def introduce(self, *speakers: Speaker) -> None:
        """The first packets of a stream may come before its owner is known: they are not judged."""
        for speaker in speakers:
            self.guest.ask("listen", user=speaker.user)
            self.say(speaker, 0.3)

    def say(self, speaker: Speaker, seconds: float, start_only: bool = False) -> list[str]:
        file = sound(self.folder, seconds)
        return self.sim.post(f"/speakers/{speaker.user}/say", file=file, start_only=start_only)["frames"]

    def share(self, speaker: Speaker, frames: list[str]) -> float:
        """The share of these frames that the library has heard, unchanged."""
        heard = set(self.guest.ask("heard", user=speaker.user)["frames"])
        return len(heard & set(frames)) / max(len(set(frames)), 1)

    def hears(self, speaker: Speaker, seconds: float = 1.5) -> float:
        self.guest.ask("listen", user=speaker.user)
        frames = self.say(speaker, seconds)
        time.sleep(0.4)
        return self.share(speaker, frames)

    def is_heard(self, speaker: Speaker, seconds: float = 1.5) -> float:
        before = speaker.heard(self.guest.user)
        self.guest.ask("say", file=sound(self.folder, seconds))
        time.sleep(0.4)
        after = speaker.heard(self.guest.user)
        gained = {count: after[count] - before[count] for count in ("frames", "silence", "plain", "undecodable")}
        if self.dave and gained["plain"]:
            raise Failed(f"{gained['plain']} frames of the library came unencrypted")
        if gained["undecodable"]:
            raise Failed(f"{gained['undecodable']} frames of the library were no Opus")
        return (gained["frames"] - gained["silence"]) / (seconds * FRAMES_PER_SECOND)

    def talk(self, *speakers: Speaker, heard: float = HEARD_SHARE, spoken: float = SPOKEN_SHARE) -> dict:
        """Both ways, with each of them. A key that is just changing may cost an attempt; three do not fail by chance."""
        for attempt in range(1, ATTEMPTS + 1):
            shares = [self.hears(speaker) for speaker in speakers]
            voiced = [self.is_heard(speaker) for speaker in speakers]
            measured = {"heard": round(min(shares), 3), "spoken": round(min(voiced), 3), "attempts": attempt}
            if min(shares) >= heard and min(voiced) >= spoken:
                return measured
            time.sleep(1)
        raise Failed(f"heard {measured['heard']:.0%} of a speaker's frames, was heard with {measured['spoken']:.0%}")

    def back(self, since: int, seconds: float = 20) -> str:
        """Waits until the library's voice session goes on, or a new one is ready. Says which."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for event in self.sim.events(since):
                if event["event"] in ("voice_resumed", "voice_ready") and event.get("user") == self.sim.bot:
                    return event["event"]
            time.sleep(0.1)
        codes = [e["code"] for e in self.sim.events(since, "voice_closed") if e.get("user") in (self.sim.bot, None)]
        raise Failed(f"no voice session within {seconds:.0f} s; the voice gateway closed with {codes}")


__all__ = ["Failed", "GuestError", "SimError", "Stage", "sound"]
