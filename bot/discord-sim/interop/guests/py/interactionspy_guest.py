"""interactions.py. Its voice has no end-to-end encryption; frames come from its recorder."""

import asyncio
import io
import logging

import interactions
from interactions.api.http.route import Route
from interactions.api.voice.audio import BaseAudio

import protocol

Route.BASE = f"{protocol.URL}/api/v10"
logging.basicConfig(level=logging.DEBUG if protocol.DEBUG else logging.WARNING)

client = interactions.Client(
    token=protocol.TOKEN, sync_interactions=False, debug_scope=protocol.GUILD, disable_dm_commands=True,
    intents=interactions.Intents.GUILDS | interactions.Intents.GUILD_VOICE_STATES,
)
heard = protocol.Heard()


@interactions.slash_command("ping", description="Answers")
async def ping(context: interactions.SlashContext) -> None:
    await context.send("pong")


@interactions.slash_command("later", description="Answers later, with a file")
async def later(context: interactions.SlashContext) -> None:
    await context.defer()
    await context.send("here it is", files=interactions.File(io.BytesIO(protocol.FILE), file_name=protocol.FILE_NAME))


@interactions.slash_command("buttons", description="Shows a button")
async def buttons(context: interactions.SlashContext) -> None:
    await context.send("press", components=interactions.Button(style=1, label="Go", custom_id="go"))


@interactions.component_callback("go")
async def go(context: interactions.ComponentContext) -> None:
    await context.send("pressed")


@interactions.slash_command("find", description="Completes what is typed")
@interactions.slash_option("query", "What to find", interactions.OptionType.STRING, required=True, autocomplete=True)
async def find(context: interactions.SlashContext, query: str) -> None:
    await context.send(f"found {query}")


@find.autocomplete("query")
async def complete(context: interactions.AutocompleteContext) -> None:
    await context.send([choice for choice in protocol.CHOICES if choice.startswith(context.input_text)])


@interactions.user_context_menu("Who")
async def who(context: interactions.ContextMenuContext) -> None:
    await context.send(f"who: {context.target.id}")


@interactions.message_context_menu("Quote")
async def quote(context: interactions.ContextMenuContext) -> None:
    await context.send(f"quote: {context.target.content}")


async def register(request: dict) -> dict:
    await client.synchronise_interactions(scopes=[protocol.GUILD])
    return {"commands": [str(command.name) for command in client.application_commands]}


async def there(request: dict) -> dict:
    known = client.get_guild(protocol.GUILD)
    return {"name": known.name, "channels": [channel.name for channel in known.channels]}


class Ear:
    """Stands where the recorder's Opus decoder does, and notes what would be decoded."""

    sample_rate = 48000

    def __init__(self, voice, ssrc: int) -> None:
        self.voice, self.ssrc = voice, ssrc

    def decode(self, opus: bytes) -> bytes:
        known = self.voice.ws.user_ssrc_map.get(self.ssrc)
        if known and bytes(opus) != protocol.SILENCE:
            heard.add(known["user_id"], bytes(opus))
        return b""


class Call:
    voice = None
    recorder = None
    recorded = None

    async def join(self, request: dict) -> None:
        channel = client.get_channel(int(request["channel"]))
        self.voice = await channel.connect()

    async def leave(self, request: dict) -> None:
        if self.recorder is not None:
            self.recorder.recording = False
            self.recorder = None
        voice, self.voice = self.voice, None
        if voice is not None:
            await voice.disconnect()

    async def wait_connected(self, request: dict) -> None:
        for _ in range(400):
            if self.voice is not None and self.voice.connected:
                return
            await asyncio.sleep(0.05)
        raise TimeoutError("the voice state never became connected again")

    def state(self, request: dict) -> dict:
        return {"state": "connected" if self.voice and self.voice.connected else "not connected"}

    async def listen(self, request: dict) -> None:
        heard.clear()
        # A recorder reads the socket that was there when it began.
        if self.recorder is not None and self.recorded is not self.voice.ws.socket:
            self.recorder.recording = False
            self.recorder = None
        if self.recorder is None:
            self.recorded = self.voice.ws.socket
            self.voice.recorder = None
            self.recorder = self.voice.create_recorder()
            self.recorder.process_data = lambda audio: None
            self.recorder.get_decoder = lambda ssrc: Ear(self.voice, ssrc)
            await self.recorder.start_recording()

    async def say(self, request: dict) -> None:
        await asyncio.wait_for(self.voice.play(Sound(protocol.stereo(request["file"]))), 30)


class Sound(BaseAudio):
    """Raw 48 kHz stereo."""

    locked_stream = False
    needs_encode = True
    bitrate = 64

    def __init__(self, pcm: bytes) -> None:
        self.buffer = io.BytesIO(pcm)

    @property
    def audio_complete(self) -> bool:
        return self.buffer.tell() >= self.buffer.getbuffer().nbytes

    def cleanup(self, *_) -> None:
        pass

    def read(self, frame_size: int) -> bytes:
        data = self.buffer.read(frame_size)
        return data.ljust(frame_size, b"\x00") if data else b""


call = Call()
handlers = {
    "guild": there, "register": register, "join": call.join, "leave": call.leave, "wait_connected": call.wait_connected,
    "state": call.state, "listen": call.listen, "heard": lambda request: heard.of(request["user"]), "say": call.say,
}
started = False


@interactions.listen(interactions.api.events.Startup)
async def on_startup() -> None:
    global started
    if not started:
        started = True
        client.serving = asyncio.create_task(protocol.serve(handlers, client.stop))


client.start()
