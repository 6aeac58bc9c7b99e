"""py-cord with davey: packets come from its socket listener, keys from its DAVE session."""

import logging

import davey
import discord
from discord.http import HTTPClient, Route

import dpy_commands
import dpy_voice
import protocol

Route.API_BASE_URL = protocol.URL + "/api/v{API_VERSION}"
HTTPClient.API_BASE_URL = Route.API_BASE_URL
logging.basicConfig(level=logging.DEBUG if protocol.DEBUG else logging.WARNING)

client = discord.Bot(
    intents=discord.Intents(guilds=True, voice_states=True),
    auto_sync_commands=False,
    debug_guilds=[protocol.GUILD],
)


@client.slash_command(description="Answers")
async def ping(context: discord.ApplicationContext) -> None:
    await context.respond("pong")


@client.slash_command(description="Answers later, with a file")
async def later(context: discord.ApplicationContext) -> None:
    await context.defer()
    await context.followup.send("here it is", file=dpy_commands.file_of(discord))


class Buttons(discord.ui.View):
    @discord.ui.button(label="Go", custom_id="go")
    async def go(self, button: discord.ui.Button, interaction: discord.Interaction) -> None:
        await interaction.response.send_message("pressed")


@client.slash_command(description="Shows a button")
async def buttons(context: discord.ApplicationContext) -> None:
    await context.respond("press", view=Buttons())


async def complete(context: discord.AutocompleteContext) -> list[str]:
    return dpy_commands.completed(context.value)


@client.slash_command(description="Completes what is typed")
@discord.option("query", str, autocomplete=complete)
async def find(context: discord.ApplicationContext, query: str) -> None:
    await context.respond(f"found {query}")


@client.user_command(name="Who")
async def who(context: discord.ApplicationContext, member: discord.Member) -> None:
    await context.respond(f"who: {member.id}")


@client.message_command(name="Quote")
async def quote(context: discord.ApplicationContext, message: discord.Message) -> None:
    await context.respond(f"quote: {message.content}")


def open_frame(voice, user: int, payload: bytes):
    session = voice._connection.dave_session
    return session.decrypt(user, davey.MediaType.audio, payload) if session else None


async def register(request: dict) -> dict:
    await client.sync_commands(guild_ids=[protocol.GUILD])
    return {"commands": [command.name for command in client.application_commands]}


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


client.run(protocol.TOKEN)
