"""disnake with dave.py (Discord's own libdave). It offers no receiving: packets come from its UDP socket, keys from its
DAVE session, decryption from libdave."""

import logging

import dave
import disnake
from disnake.ext import commands
from disnake.http import Route

import dpy_commands
import dpy_voice
import protocol

Route.BASE = f"{protocol.URL}/api/v10"
logging.basicConfig(level=logging.DEBUG if protocol.DEBUG else logging.WARNING)

client = commands.InteractionBot(
    intents=disnake.Intents(guilds=True, voice_states=True),
    test_guilds=[protocol.GUILD],
    command_sync_flags=commands.CommandSyncFlags.none(),
)


@client.slash_command(description="Answers")
async def ping(interaction: disnake.ApplicationCommandInteraction) -> None:
    await interaction.response.send_message("pong")


@client.slash_command(description="Answers later, with a file")
async def later(interaction: disnake.ApplicationCommandInteraction) -> None:
    await interaction.response.defer()
    await interaction.followup.send("here it is", file=dpy_commands.file_of(disnake))


class Buttons(disnake.ui.View):
    @disnake.ui.button(label="Go", custom_id="go")
    async def go(self, button: disnake.ui.Button, interaction: disnake.MessageInteraction) -> None:
        await interaction.response.send_message("pressed")


@client.slash_command(description="Shows a button")
async def buttons(interaction: disnake.ApplicationCommandInteraction) -> None:
    await interaction.response.send_message("press", view=Buttons())


@client.slash_command(description="Completes what is typed")
async def find(interaction: disnake.ApplicationCommandInteraction, query: str) -> None:
    await interaction.response.send_message(f"found {query}")


@find.autocomplete("query")
async def complete(interaction: disnake.ApplicationCommandInteraction, typed: str) -> list[str]:
    return dpy_commands.completed(typed)


@client.user_command(name="Who")
async def who(interaction: disnake.UserCommandInteraction) -> None:
    await interaction.response.send_message(f"who: {interaction.target.id}")


@client.message_command(name="Quote")
async def quote(interaction: disnake.MessageCommandInteraction) -> None:
    await interaction.response.send_message(f"quote: {interaction.target.content}")


opener, epoch = dave.Decryptor(), None


def open_frame(voice, user: int, payload: bytes):
    global epoch
    if voice.dave is None:
        return None
    session = voice.dave._session
    now = (user, session.get_last_epoch_authenticator())
    if now != epoch and session.has_established_group():
        epoch = now
        opener.transition_to_key_ratchet(session.get_key_ratchet(str(user)))
    frame = opener.decrypt(dave.MediaType.audio, payload)
    if frame is None:
        raise ValueError("libdave cannot open the frame")
    return frame


async def register(request: dict) -> dict:
    made = await client.bulk_overwrite_guild_commands(
        protocol.GUILD, [command.body for command in client.application_commands_iterator()]
    )
    return {"commands": [command.name for command in made]}


def there(request: dict) -> dict:
    known = client.get_guild(protocol.GUILD)
    return {"name": known.name, "channels": [channel.name for channel in known.channels]}


voice = dpy_voice.Voice(disnake, client, dpy_voice.tap_socket, open_frame)
started = False


@client.event
async def on_ready() -> None:
    global started
    if not started:
        started = True
        await protocol.serve({"guild": there, "register": register, **voice.handlers()}, client.close)


client.run(protocol.TOKEN)
