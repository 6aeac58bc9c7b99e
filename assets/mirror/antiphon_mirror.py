#!/usr/bin/env python3
"""Pushes a speaker's sound to `antiphon capture --listen`. Python 3.8 or later, nothing else; copy it, change it.

As a command:
    python3 antiphon_mirror.py --to unix:/run/antiphon/mirror.sock --user 7 --name Alice talk.wav
    ANTIPHON_MIRROR_TOKEN=... python3 antiphon_mirror.py --to tcp:127.0.0.1:9470 --user 7 --name Alice talk.wav

As a module:
    mirror = Mirror("unix:/run/antiphon/mirror.sock", user=7, name="Alice", rate=48000, channels=1)
    mirror.push(pcm)        # 16-bit little-endian; from an audio callback: never waits, drops and counts
    mirror.close()          # a dict of what became of it

The framing is described in docs/mirror.md.
"""
import argparse
import json
import os
import queue
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


class MirrorError(Exception):
    """The mirror cannot be reached, or refused."""


def frame(kind, stream, body=b""):
    return struct.pack("<IBBH", len(body), kind, 0, stream) + body


def text(value):
    value = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<H", len(value)) + value


class Mirror:
    """One speaker's way to a mirror. `push` may be called from an audio callback."""

    def __init__(self, to, user, name, rate, channels=1, token="", consent=True, waiting=50):
        kind, _, place = to.partition(":")
        if kind == "unix":
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            where = place
        else:
            host, _, port = place.rpartition(":")
            self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            where = (host.strip("[]"), int(port))
        self.socket.settimeout(5)
        self.block = rate // 50 * channels * 2
        self.sample_frame = channels * 2
        self.sequence = self.timestamp = self.dropped = 0
        self.counters, self.errors = dict.fromkeys(COUNTED, 0), []
        self.accepted, self.over = threading.Event(), threading.Event()
        self.queue = queue.Queue(waiting)
        try:
            self.socket.connect(where)
            declared = struct.pack("<QBBBBI", user, 1, channels, int(consent), 0, rate) + text(name)
            self.socket.sendall(
                MAGIC
                + struct.pack("<HH", VERSION, 0)
                + frame(HELLO, 0, text(token) + text("antiphon_mirror.py"))
                + frame(DECLARE, STREAM, declared)
            )
        except OSError as error:
            raise MirrorError(f"no mirror answers on {to}: {error}") from error
        threading.Thread(target=self._read, daemon=True).start()
        while not self.accepted.wait(0.01):
            if self.over.is_set():
                raise MirrorError(self.errors[-1] if self.errors else "the mirror hung up")
        self.writer = threading.Thread(target=self._write, daemon=True)
        self.writer.start()

    def push(self, pcm):
        """Sends whole sample frames of 16-bit PCM. Never waits: what finds no room is dropped and counted."""
        for start in range(0, len(pcm), self.block):
            piece = bytes(pcm[start : start + self.block])
            # A number that is used up although nothing is sent tells the mirror that something is missing.
            body = struct.pack("<IQ", self.sequence & 0xFFFFFFFF, self.timestamp) + piece
            self.sequence += 1
            self.timestamp += len(piece) // self.sample_frame
            try:
                self.queue.put_nowait(frame(AUDIO, STREAM, body))
            except queue.Full:
                self.dropped += 1

    def skip(self, samples):
        """The speaker is silent for so many samples, and that is not sent."""
        self.timestamp += samples

    def mute(self, on):
        self.queue.put(frame(MUTE, STREAM, bytes([on])))

    def consent(self, given):
        self.queue.put(frame(CONSENT, STREAM, bytes([given])))

    def close(self):
        """Sends what waits, leaves, and gives what became of it all."""
        self.queue.put(frame(GOODBYE, 0))
        self.queue.put(None)
        self.writer.join(5)
        self.over.wait(5)
        self.socket.close()
        return dict(self.counters, dropped_here=self.dropped, errors=self.errors)

    def _write(self):
        while True:
            try:
                waiting = self.queue.get(timeout=5)
            except queue.Empty:
                waiting = frame(PING, 0, bytes(8))
            if waiting is None:
                return
            try:
                self.socket.sendall(waiting)
            except OSError as error:
                self.errors.append(str(error))
                return

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
                    _, fatal, size = struct.unpack_from("<HBH", body)
                    self.errors.append(body[5 : 5 + size].decode())
                    # Before it is accepted, any refusal is the end of it.
                    if fatal or not self.accepted.is_set():
                        return
                elif kind == FAREWELL:
                    return
        except (OSError, EOFError):
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
