"""hikari, which has no voice of its own."""

import asyncio

import hikari

import protocol

bot = hikari.GatewayBot(
    protocol.TOKEN, intents=hikari.Intents.GUILDS, rest_url=f"{protocol.URL}/api/v10", banner=None,
    logs="DEBUG" if protocol.DEBUG else "WARNING",
)


async def chat(interaction: hikari.CommandInteraction) -> None:
    if interaction.command_name == "ping":
        await interaction.create_initial_response(hikari.ResponseType.MESSAGE_CREATE, "pong")
    elif interaction.command_name == "later":
        await interaction.create_initial_response(hikari.ResponseType.DEFERRED_MESSAGE_CREATE)
        await interaction.execute("here it is", attachment=hikari.Bytes(protocol.FILE, protocol.FILE_NAME))
    elif interaction.command_name == "buttons":
        row = bot.rest.build_message_action_row()
        row.add_interactive_button(hikari.ButtonStyle.PRIMARY, "go", label="Go")
        await interaction.create_initial_response(hikari.ResponseType.MESSAGE_CREATE, "press", component=row)
    elif interaction.command_name == "find":
        await interaction.create_initial_response(
            hikari.ResponseType.MESSAGE_CREATE, f"found {interaction.options[0].value}"
        )


@bot.listen()
async def on_interaction(event: hikari.InteractionCreateEvent) -> None:
    interaction = event.interaction
    if isinstance(interaction, hikari.AutocompleteInteraction):
        typed = str(interaction.options[0].value)
        choices = [choice for choice in protocol.CHOICES if choice.startswith(typed)]
        await interaction.create_response([hikari.impl.AutocompleteChoiceBuilder(name=c, value=c) for c in choices])
    elif isinstance(interaction, hikari.ComponentInteraction):
        await interaction.create_initial_response(hikari.ResponseType.MESSAGE_CREATE, "pressed")
    elif isinstance(interaction, hikari.CommandInteraction):
        if interaction.command_type is hikari.CommandType.USER:
            text = f"who: {interaction.target_id}"
        elif interaction.command_type is hikari.CommandType.MESSAGE:
            text = f"quote: {interaction.resolved.messages[interaction.target_id].content}"
        else:
            return await chat(interaction)
        await interaction.create_initial_response(hikari.ResponseType.MESSAGE_CREATE, text)


async def register(request: dict) -> dict:
    me = bot.get_me()
    slash = bot.rest.slash_command_builder
    query = hikari.CommandOption(
        type=hikari.OptionType.STRING, name="query", description="What to find", is_required=True, autocomplete=True
    )
    made = await bot.rest.set_application_commands(
        me.id,
        [
            slash("ping", "Answers"),
            slash("later", "Answers later, with a file"),
            slash("buttons", "Shows a button"),
            slash("find", "Completes what is typed").add_option(query),
            bot.rest.context_menu_command_builder(hikari.CommandType.USER, "Who"),
            bot.rest.context_menu_command_builder(hikari.CommandType.MESSAGE, "Quote"),
        ],
        guild=protocol.GUILD,
    )
    return {"commands": [command.name for command in made]}


def there(request: dict) -> dict:
    known = bot.cache.get_guild(protocol.GUILD)
    return {"name": known.name, "channels": [channel.name for channel in known.get_channels().values()]}


started = False


@bot.listen()
async def on_guild(event: hikari.GuildAvailableEvent) -> None:
    global started
    if not started:
        started = True
        bot.serving = asyncio.create_task(protocol.serve({"guild": there, "register": register}, bot.close))


bot.run(check_for_updates=False)
