#!/usr/bin/env python3
"""Pushes a speaker's sound to `antiphon capture --listen`. Python 3.8 or later, nothing else; copy it, change it.

As a command:
    python3 antiphon_mirror.py --to unix:/run/antiphon/mirror.sock --user 7 --name Alice talk.wav
    ANTIPHON_MIRROR_TOKEN=... python3 antiphon_mirror.py --to tcp:127.0.0.1:9470 --user 7 --name Alice talk.wav

As a module:
    mirror = Mirror("unix:/run/antiphon/mirror.sock", user=7, name="Alice", rate=48000, channels=1)
    mirror.push(pcm)        # 16-bit little-endian; from an audio callback: never waits, drops and counts
    mirror.close()          # a dict of what became of it

When the connection breaks off it is made anew, for as long as it takes.

The framing is described in docs/mirror.md.
"""
import argparse
import collections
import json
import os
import socket
import struct
import sys
import threading
import time
import wave

MAGIC, VERSION = b"APMR", 1
HELLO, DECLARE, AUDIO, MUTE, CONSENT, LEAVE, GOODBYE, PING = range(1, 9)
WELCOME, ACCEPTED, COUNTERS, ERROR, PONG, FAREWELL = range(129, 135)
COUNTED = "received taken lost late duplicate muted withheld bad dropped".split()
STREAM = 1
BUSY, IDLE, TAKEN_OVER = 4, 7, 37
# Seconds: how long a server may take to answer; how often a silent sender says that it is there; between attempts to connect
# again, at first and at the most; how often the sending thread looks for something to send.
PATIENCE, PING_EVERY, RETRY_FIRST, RETRY_MOST, POLL = 5.0, 5.0, 0.2, 5.0, 0.005


class MirrorError(Exception):
    """The mirror cannot be reached, or refused."""


class Refused(MirrorError):
    """It is there, and does not want this sender."""


def frame(kind, stream, body=b""):
    return struct.pack("<IBBH", len(body), kind, 0, stream) + body


def text(value):
    value = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<H", len(value)) + value


class Connection:
    """One connection, from its hello to its end. A thread of its own reads what the server says."""

    def __init__(self, mirror, consent):
        self.mirror, self.accepted, self.over = mirror, threading.Event(), threading.Event()
        self.counters, self.errors, self.refused = None, [], None
        kind, _, place = mirror.to.partition(":")
        if kind == "unix":
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            where = place
        else:
            host, _, port = place.rpartition(":")
            self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            where = (host.strip("[]"), int(port))
        self.socket.settimeout(PATIENCE)
        declared = struct.pack("<QBBBBI", mirror.user, 1, mirror.channels, int(consent), 0, mirror.rate)
        try:
            self.socket.connect(where)
            self.socket.sendall(
                MAGIC
                + struct.pack("<HH", VERSION, 0)
                + frame(HELLO, 0, text(mirror.token) + text("antiphon_mirror.py"))
                + frame(DECLARE, STREAM, declared + text(mirror.name))
            )
        except OSError as error:
            self.socket.close()
            raise MirrorError(f"no mirror answers on {mirror.to}: {error}") from error
        threading.Thread(target=self._read, daemon=True).start()
        until = time.monotonic() + PATIENCE
        while not self.accepted.wait(0.01):
            if self.over.is_set() or time.monotonic() > until:
                self.close()
                why = self.refused or (self.errors[-1] if self.errors else "the mirror hung up")
                raise Refused(why) if self.refused else MirrorError(why)

    def send(self, data):
        """Whether the connection took it."""
        try:
            self.socket.sendall(data)
            return not self.over.is_set()
        except OSError as error:
            self.errors.append(str(error))
            return False

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.over.wait(PATIENCE)
        self.socket.close()

    def _read(self):
        try:
            while True:
                length, kind, _, _ = struct.unpack("<IBBH", self._exactly(8))
                body = self._exactly(length)
                if kind == ACCEPTED:
                    self.accepted.set()
                elif kind == COUNTERS:
                    self.counters = dict(zip(COUNTED, struct.unpack("<9Q", body)))
                elif kind == ERROR:
                    code, fatal, size = struct.unpack_from("<HBH", body)
                    self.errors.append(body[5 : 5 + size].decode())
                    # Before it is accepted, any refusal is the end of it; so is another sender for the same speaker.
                    if code not in (BUSY, IDLE) and (fatal or code == TAKEN_OVER or not self.accepted.is_set()):
                        self.refused = self.errors[-1]
                    if fatal or self.refused:
                        return
                elif kind == FAREWELL:
                    return
        except (OSError, EOFError, struct.error):
            pass
        finally:
            self.over.set()

    def _exactly(self, size):
        found = b""
        while len(found) < size:
            try:
                piece = self.socket.recv(size - len(found))
            except socket.timeout:
                continue
            if not piece:
                raise EOFError
            found += piece
        return found


class Mirror:
    """One speaker's way to a mirror. `push` may be called from an audio callback: it takes no lock and never waits.

    A thread sends what was pushed. When the connection breaks off it connects again, after 0.2 s, then ever less often, 5 s
    at the most. What is pushed meanwhile, and what finds more than `waiting` blocks before it, is dropped and counted; its
    numbers are used up, so that the mirror knows how much is missing.
    """

    def __init__(self, to, user, name, rate, channels=1, token="", consent=True, waiting=50):
        self.to, self.user, self.name, self.rate, self.channels, self.token = to, user, name, rate, channels, token
        self.block = rate // 50 * channels * 2
        self.sample_frame = channels * 2
        self.sequence = self.timestamp = self.reconnects = 0
        self.counters, self.errors, self.refused = dict.fromkeys(COUNTED, 0), [], None
        # Each is counted by one thread only: here what found no room, there what was pushed while nobody listened.
        self._crowded = self._away = 0
        # Adding to one end and taking from the other needs no lock.
        self._ring, self._waiting = collections.deque(), waiting
        self._consent, self._muted = consent, False
        self._closing = threading.Event()
        self._connection = Connection(self, consent)
        self._sender = threading.Thread(target=self._send, daemon=True)
        self._sender.start()

    @property
    def dropped(self):
        """Blocks of sound that were not sent."""
        return self._crowded + self._away

    def push(self, pcm):
        """Sends whole sample frames of 16-bit PCM. Never waits: what finds no room is dropped and counted."""
        for start in range(0, len(pcm), self.block):
            piece = bytes(pcm[start : start + self.block])
            numbers = struct.pack("<IQ", self.sequence & 0xFFFFFFFF, self.timestamp)
            self.sequence += 1
            self.timestamp += len(piece) // self.sample_frame
            if len(self._ring) < self._waiting:
                self._ring.append((AUDIO, numbers + piece))
            else:
                self._crowded += 1

    def skip(self, samples):
        """The speaker is silent for so many samples, and that is not sent."""
        self.timestamp += samples

    def mute(self, on):
        self._ring.append((MUTE, bytes([on])))

    def consent(self, given):
        self._ring.append((CONSENT, bytes([given])))

    def close(self):
        """Sends what waits, leaves, and gives what became of it all."""
        self._closing.set()
        self._sender.join(2 * PATIENCE)
        return dict(
            self.counters,
            dropped_here=self.dropped,
            reconnects=self.reconnects,
            errors=self.errors,
            refused=self.refused,
        )

    def _send(self):
        quiet = 0.0
        while True:
            connection = self._connection
            try:
                kind, body = self._ring.popleft()
                data, quiet = frame(kind, STREAM, body), 0.0
            except IndexError:
                if self._closing.is_set():
                    break
                if not connection.over.is_set() and quiet < PING_EVERY:
                    time.sleep(POLL)
                    quiet += POLL
                    continue
                kind, body, data, quiet = PING, b"", frame(PING, 0, bytes(8)), 0.0
            self._remember(kind, body)
            if not connection.send(data):
                self._away += kind == AUDIO
                if not self._again():
                    return
        connection.send(frame(GOODBYE, 0))
        connection.over.wait(PATIENCE)
        self._part()

    def _remember(self, kind, body):
        if kind == MUTE:
            self._muted = bool(body[0])
        elif kind == CONSENT:
            self._consent = bool(body[0])

    def _part(self):
        """Keeps what the connection learned. Counters are the last connection's that had any."""
        connection = self._connection
        connection.close()
        self.counters = connection.counters or self.counters
        self.errors.extend(connection.errors)
        del self.errors[:-20]
        self.refused = connection.refused

    def _again(self):
        """Makes the connection anew; False when the mirror refuses, or nobody wants it any more."""
        self._part()
        wait = RETRY_FIRST
        while self.refused is None:
            if self._closing.wait(wait):
                return False
            wait = min(2 * wait, RETRY_MOST)
            self._forget()
            try:
                connection = Connection(self, self._consent)
            except Refused as refused:
                self.refused = str(refused)
                return False
            except MirrorError:
                continue
            self._connection = connection
            # What came while it was made is old, too.
            self._forget()
            self.reconnects += 1
            # Said once more: either may have changed while the connection was made.
            if connection.send(
                frame(CONSENT, STREAM, bytes([self._consent])) + frame(MUTE, STREAM, bytes([self._muted]))
            ):
                return True
            self._part()
        return False

    def _forget(self):
        """What waits is too old to be sent; what it says beside sound is kept."""
        while self._ring:
            kind, body = self._ring.popleft()
            self._remember(kind, body)
            self._away += kind == AUDIO


def main():
    parser = argparse.ArgumentParser(description="Push a WAV file (16-bit) to a mirror, at the pace it was spoken.")
    parser.add_argument("--to", required=True, help="unix:PATH or tcp:HOST:PORT")
    parser.add_argument("--user", type=int, required=True, help="the speaker's id")
    parser.add_argument("--name", required=True)
    parser.add_argument("--no-consent", action="store_true")
    parser.add_argument("wav")
    args = parser.parse_args()
    with wave.open(args.wav) as sound:
        if sound.getsampwidth() != 2:
            sys.exit(f"{args.wav} does not hold 16-bit samples")
        rate, channels = sound.getframerate(), sound.getnchannels()
        try:
            token = os.environ.get("ANTIPHON_MIRROR_TOKEN", "")
            mirror = Mirror(args.to, args.user, args.name, rate, channels, token, not args.no_consent)
        except MirrorError as error:
            sys.exit(f"antiphon_mirror.py: {error}")
        began, sent = time.monotonic(), 0.0
        while pcm := sound.readframes(rate // 50):
            mirror.push(pcm)
            sent += 0.02
            time.sleep(max(0.0, began + sent - time.monotonic()))
        print(json.dumps(mirror.close()))


if __name__ == "__main__":
    main()
