"""nextcord. It has no end-to-end encryption, and offers no receiving: packets come from its UDP socket."""

import logging

import nextcord
from nextcord.http import Route

import dpy_commands
import dpy_voice
import protocol

Route.BASE = f"{protocol.URL}/api/v10"
logging.basicConfig(level=logging.DEBUG if protocol.DEBUG else logging.WARNING)

client = nextcord.Client(
    intents=nextcord.Intents(guilds=True, voice_states=True), rollout_all_guilds=False,
    rollout_associate_known=False, rollout_register_new=False, rollout_update_known=False, rollout_delete_unknown=False,
)
guilds = [protocol.GUILD]


@client.slash_command(guild_ids=guilds, description="Answers")
async def ping(interaction: nextcord.Interaction) -> None:
    await interaction.response.send_message("pong")


@client.slash_command(guild_ids=guilds, description="Answers later, with a file")
async def later(interaction: nextcord.Interaction) -> None:
    await interaction.response.defer()
    await interaction.followup.send("here it is", file=dpy_commands.file_of(nextcord))


class Buttons(nextcord.ui.View):
    @nextcord.ui.button(label="Go", custom_id="go")
    async def go(self, button: nextcord.ui.Button, interaction: nextcord.Interaction) -> None:
        await interaction.response.send_message("pressed")


@client.slash_command(guild_ids=guilds, description="Shows a button")
async def buttons(interaction: nextcord.Interaction) -> None:
    await interaction.response.send_message("press", view=Buttons())


@client.slash_command(guild_ids=guilds, description="Completes what is typed")
async def find(interaction: nextcord.Interaction, query: str) -> None:
    await interaction.response.send_message(f"found {query}")


@find.on_autocomplete("query")
async def complete(interaction: nextcord.Interaction, query: str) -> None:
    await interaction.response.send_autocomplete(dpy_commands.completed(query))


@client.user_command(guild_ids=guilds, name="Who")
async def who(interaction: nextcord.Interaction, member: nextcord.Member) -> None:
    await interaction.response.send_message(f"who: {member.id}")


@client.message_command(guild_ids=guilds, name="Quote")
async def quote(interaction: nextcord.Interaction, message: nextcord.Message) -> None:
    await interaction.response.send_message(f"quote: {message.content}")


class PortKeepingVoiceClient(nextcord.VoiceClient):
    """nextcord throws the endpoint's port away, as if every voice server were at 443."""

    async def on_voice_server_update(self, data) -> None:
        await super().on_voice_server_update(data)
        if data.get("endpoint"):
            self.endpoint = data["endpoint"]


async def register(request: dict) -> dict:
    client.add_all_application_commands()
    await client.sync_application_commands(guild_id=protocol.GUILD)
    return {"commands": [command.name for command in client.get_all_application_commands()]}


def there(request: dict) -> dict:
    known = client.get_guild(protocol.GUILD)
    return {"name": known.name, "channels": [channel.name for channel in known.channels]}


voice = dpy_voice.Voice(nextcord, client, dpy_voice.tap_socket, lambda voice, user, payload: payload, cls=PortKeepingVoiceClient)
started = False


@client.event
async def on_ready() -> None:
    global started
    if not started:
        started = True
        await protocol.serve({"guild": there, "register": register, **voice.handlers()}, client.close)


client.run(protocol.TOKEN)
