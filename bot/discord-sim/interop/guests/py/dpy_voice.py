"""Calls with the voice of discord.py and of the libraries that came of it."""

import asyncio
import io
import socket

import protocol
import rtp


def drain(sock, callback) -> None:
    """Takes what has arrived, but for an answer to IP discovery, which the library waits for."""
    while True:
        try:
            if sock.recv(2, socket.MSG_PEEK) == b"\x00\x02":
                return
            packet = sock.recv(2048)
        except (OSError, AttributeError, TypeError):
            return
        callback(packet)


def tap_socket(voice, callback) -> None:
    """For libraries that never read their UDP socket after IP discovery. It is polled: what waits for a socket by the
    event loop would be in the library's way when it makes a new one."""

    async def read() -> None:
        while not voice.tap_ended:
            if voice.is_connected():
                drain(voice.socket, callback)
            await asyncio.sleep(0.005)

    voice.tap_ended = False
    voice.tap_task = asyncio.get_running_loop().create_task(read())


class Voice:
    """`tap(voice, callback)` lets a callback see each UDP packet; `open_frame(voice, user, payload)` opens a frame with
    the library's own end-to-end session, or raises."""

    def __init__(self, library, client, tap, open_frame, cls=None) -> None:
        self.library, self.client, self.tap, self.open_frame = library, client, tap, open_frame
        self.options = {"cls": cls} if cls else {}
        self.heard = protocol.Heard()
        self.listening_to: int | None = None
        self.voice = None
        if not library.opus.is_loaded():
            library.opus._load_default()

    def handlers(self) -> dict:
        return {
            "join": self.join,
            "leave": self.leave,
            "wait_connected": self.wait_connected,
            "state": self.state,
            "listen": self.listen,
            "heard": lambda request: self.heard.of(request["user"]),
            "say": self.say,
        }

    async def join(self, request: dict) -> None:
        channel = self.client.get_channel(int(request["channel"]))
        self.voice = await channel.connect(timeout=20, reconnect=True, **self.options)
        self.tap(self.voice, self.packet)

    async def leave(self, request: dict) -> None:
        voice, self.voice, self.listening_to = self.voice, None, None
        if voice is not None:
            voice.tap_ended = True
            await voice.disconnect(force=True)

    async def wait_connected(self, request: dict) -> None:
        for _ in range(400):
            if self.voice is not None and self.voice.is_connected():
                return
            await asyncio.sleep(0.05)
        raise TimeoutError("the voice client never became connected again")

    def state(self, request: dict) -> dict:
        return {"state": "connected" if self.voice and self.voice.is_connected() else "not connected"}

    def listen(self, request: dict) -> None:
        self.heard.clear()
        self.listening_to = int(request["user"])

    def packet(self, packet: bytes) -> None:
        if self.listening_to is None:
            return
        payload = rtp.open_packet(packet, self.voice.secret_key)
        if payload is None or payload == protocol.SILENCE:
            return
        try:
            frame = self.open_frame(self.voice, self.listening_to, payload)
        except Exception:
            self.heard.failures += 1
            return
        if frame is not None:
            self.heard.add(self.listening_to, bytes(frame))

    async def say(self, request: dict) -> None:
        done, loop = asyncio.Event(), asyncio.get_running_loop()
        source = self.library.PCMAudio(io.BytesIO(protocol.stereo(request["file"])))
        self.voice.play(source, after=lambda error: loop.call_soon_threadsafe(done.set))
        await asyncio.wait_for(done.wait(), 30)
        self.voice.stop()
