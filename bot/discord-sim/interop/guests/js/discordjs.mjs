// discord.js with @discordjs/voice.
import { ApplicationCommandType, AttachmentBuilder, Client, Events, GatewayIntentBits } from 'discord.js';
import { voice } from './discordjs-voice.mjs';
import { CHOICES, COMMANDS, FILE, SIM_GUILD, SIM_TOKEN, SIM_URL, serve } from './protocol.mjs';

const client = new Client({
  intents: [GatewayIntentBits.Guilds, GatewayIntentBits.GuildVoiceStates],
  rest: { api: `${SIM_URL}/api` },
});
client.on(Events.Error, (error) => console.error('client error', error));
client.on(Events.InteractionCreate, async (interaction) => {
  if (interaction.isAutocomplete()) {
    const typed = interaction.options.getFocused();
    await interaction.respond(CHOICES.filter((c) => c.startsWith(typed)).map((c) => ({ name: c, value: c })));
  } else if (interaction.isButton()) {
    await interaction.reply('pressed');
  } else if (interaction.isUserContextMenuCommand()) {
    await interaction.reply(`who: ${interaction.targetUser.id}`);
  } else if (interaction.isMessageContextMenuCommand()) {
    await interaction.reply(`quote: ${interaction.targetMessage.content}`);
  } else if (interaction.commandName === 'ping') {
    await interaction.reply('pong');
  } else if (interaction.commandName === 'later') {
    await interaction.deferReply();
    await interaction.followUp({ content: 'here it is', files: [new AttachmentBuilder(FILE.contents, { name: FILE.name })] });
  } else if (interaction.commandName === 'buttons') {
    await interaction.reply({
      content: 'press',
      components: [{ type: 1, components: [{ type: 2, style: 1, label: 'Go', custom_id: 'go' }] }],
    });
  } else if (interaction.commandName === 'find') {
    await interaction.reply(`found ${interaction.options.getString('query')}`);
  }
});
const ready = new Promise((resolve) => client.once(Events.ClientReady, resolve));
await client.login(SIM_TOKEN);
await ready;
const guild = () => client.guilds.cache.get(SIM_GUILD);

serve({
  guild: () => ({ name: guild().name, channels: guild().channels.cache.map((channel) => channel.name) }),
  register: async () => {
    const made = await guild().commands.set(COMMANDS);
    return { commands: made.map((command) => command.name), types: ApplicationCommandType.ChatInput };
  },
  ...voice(() => guild().voiceAdapterCreator),
  end: () => client.destroy(),
});
