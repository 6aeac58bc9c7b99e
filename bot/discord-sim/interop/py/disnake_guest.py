"""disnake and dave.py (Discord's own libdave) in a call of the simulated Discord: listens to one speaker, then answers.

Started by the example `interop`, which sets the variables and judges the sound. disnake offers no receiving: the
packets come from its UDP socket, the keys from its DAVE session, decryption from libdave.
"""

import asyncio
import io
import logging
import os
import time

import dave
import disnake
from disnake.http import Route

import call

Route.BASE = f"{call.URL}/api/v10"
logging.basicConfig(level=logging.DEBUG if os.environ.get("SIM_DEBUG") else logging.WARNING)
disnake.opus._load_default() if not disnake.opus.is_loaded() else None

client = disnake.Client(intents=disnake.Intents(guilds=True, voice_states=True))


async def listen(voice: disnake.VoiceClient) -> None:
    loop = asyncio.get_running_loop()
    decoder = disnake.opus.Decoder()
    opener = dave.Decryptor()
    epoch = None
    pieces: list[bytes] = []
    last = time.monotonic()
    while not pieces or time.monotonic() - last < 1.0:
        try:
            packet = await asyncio.wait_for(loop.sock_recv(voice.socket, 2048), 0.2)
        except asyncio.TimeoutError:
            continue
        payload = call.open_packet(packet, voice.secret_key)
        if payload is None or payload == call.SILENCE or voice.dave is None:
            continue
        session = voice.dave._session
        now = session.get_last_epoch_authenticator()
        if now != epoch and session.has_established_group():
            epoch = now
            opener.transition_to_key_ratchet(session.get_key_ratchet(str(call.SPEAKER)))
        frame = opener.decrypt(dave.MediaType.audio, payload)
        if frame is None:
            logging.warning("undecryptable: %d bytes", len(payload))
            continue
        pieces.append(decoder.decode(frame, fec=False))
        last = time.monotonic()
    call.write_heard(pieces)
    print(f"disnake heard {len(pieces)} packets")


async def speak(voice: disnake.VoiceClient) -> None:
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    source = disnake.PCMAudio(io.BytesIO(call.stereo()))
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


client.run(call.TOKEN)
