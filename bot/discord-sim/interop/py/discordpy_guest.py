"""discord.py and davey in a call of the simulated Discord: listens to one speaker, then answers.

Started by the example `interop`, which sets the variables and judges the sound. discord.py offers no receiving of its
own: the packets come from its socket listener, the keys from its DAVE session.
"""

import asyncio
import io
import logging
import os
import time

import davey
import discord
from discord.gateway import DiscordWebSocket
from discord.http import Route
import yarl

import call

Route.BASE = f"{call.URL}/api/v10"
DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(call.GATEWAY)
discord.opus._load_default() if not discord.opus.is_loaded() else None

client = discord.Client(intents=discord.Intents(guilds=True, voice_states=True))


async def listen(voice: discord.VoiceClient) -> None:
    decoder = discord.opus.Decoder()
    pieces: list[bytes] = []
    last = time.monotonic()

    def heard(packet: bytes) -> None:
        nonlocal last
        payload = call.open_packet(packet, voice.secret_key)
        session = voice._connection.dave_session
        if payload is None or payload == call.SILENCE or session is None:
            return
        try:
            frame = session.decrypt(call.SPEAKER, davey.MediaType.audio, payload)
        except Exception as error:  # another speaker's, or the keys changed
            logging.warning("undecryptable: %s", error)
            return
        pieces.append(decoder.decode(frame, fec=False))
        last = time.monotonic()

    voice._connection.add_socket_listener(heard)
    while not pieces or time.monotonic() - last < 1.0:
        await asyncio.sleep(0.05)
    voice._connection.remove_socket_listener(heard)
    call.write_heard(pieces)
    print(f"discord.py heard {len(pieces)} packets")


async def speak(voice: discord.VoiceClient) -> None:
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    source = discord.PCMAudio(io.BytesIO(call.stereo()))
    voice.play(source, after=lambda error: loop.call_soon_threadsafe(done.set))
    await done.wait()


@client.event
async def on_ready() -> None:
    try:
        channel = client.get_channel(call.CHANNEL)
        voice = await channel.connect(timeout=30, reconnect=True)
        await listen(voice)
        await speak(voice)
        await voice.disconnect()
    except BaseException:
        logging.exception("the guest failed")
        os._exit(1)
    await client.close()


client.run(call.TOKEN, log_level=logging.DEBUG if os.environ.get("SIM_DEBUG") else logging.WARNING)
