"""discord.py with davey. It offers no receiving: packets come from its socket listener, keys from its DAVE session."""

import logging

import davey
import discord
import yarl
from discord import app_commands
from discord.gateway import DiscordWebSocket
from discord.http import Route

import dpy_commands
import dpy_voice
import protocol

Route.BASE = f"{protocol.URL}/api/v10"
DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(protocol.GATEWAY)

client = discord.Client(intents=discord.Intents(guilds=True, voice_states=True))
tree = app_commands.CommandTree(client)
guild = discord.Object(protocol.GUILD)


@tree.command(guild=guild, description="Answers")
async def ping(interaction: discord.Interaction) -> None:
    await interaction.response.send_message("pong")


@tree.command(guild=guild, description="Answers later, with a file")
async def later(interaction: discord.Interaction) -> None:
    await interaction.response.defer()
    await interaction.followup.send("here it is", file=dpy_commands.file_of(discord))


class Buttons(discord.ui.View):
    @discord.ui.button(label="Go", custom_id="go")
    async def go(self, interaction: discord.Interaction, button: discord.ui.Button) -> None:
        await interaction.response.send_message("pressed")


@tree.command(guild=guild, description="Shows a button")
async def buttons(interaction: discord.Interaction) -> None:
    await interaction.response.send_message("press", view=Buttons())


@tree.command(guild=guild, description="Completes what is typed")
async def find(interaction: discord.Interaction, query: str) -> None:
    await interaction.response.send_message(f"found {query}")


@find.autocomplete("query")
async def complete(interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
    return [app_commands.Choice(name=choice, value=choice) for choice in dpy_commands.completed(typed)]


@tree.context_menu(guild=guild, name="Who")
async def who(interaction: discord.Interaction, member: discord.Member) -> None:
    await interaction.response.send_message(f"who: {member.id}")


@tree.context_menu(guild=guild, name="Quote")
async def quote(interaction: discord.Interaction, message: discord.Message) -> None:
    await interaction.response.send_message(f"quote: {message.content}")


def open_frame(voice, user: int, payload: bytes):
    session = voice._connection.dave_session
    return session.decrypt(user, davey.MediaType.audio, payload) if session else None


async def register(request: dict) -> dict:
    return {"commands": [command.name for command in await tree.sync(guild=guild)]}


def there(request: dict) -> dict:
    known = client.get_guild(protocol.GUILD)
    return {"name": known.name, "channels": [channel.name for channel in known.channels]}


voice = dpy_voice.Voice(discord, client, lambda it, callback: it._connection.add_socket_listener(callback), open_frame)
started = False


@client.event
async def on_ready() -> None:
    global started
    if not started:
        started = True
        await protocol.serve({"guild": there, "register": register, **voice.handlers()}, client.close)


client.run(protocol.TOKEN, log_level=logging.DEBUG if protocol.DEBUG else logging.WARNING)
