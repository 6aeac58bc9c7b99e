// oceanic.js, whose voice is @discordjs/voice.
import { Client } from 'oceanic.js';
import { voice } from './discordjs-voice.mjs';
import { CHOICES, COMMANDS, FILE, SIM_GUILD, SIM_TOKEN, SIM_URL, serve } from './protocol.mjs';

const client = new Client({
  auth: `Bot ${SIM_TOKEN}`,
  rest: { baseURL: `${SIM_URL}/api/v10` },
  gateway: { intents: ['GUILDS', 'GUILD_VOICE_STATES'] },
});
client.on('error', (error) => console.error('client error', error));
client.on('interactionCreate', async (interaction) => {
  if (interaction.type === 4) {
    const typed = interaction.data.options.getFocused().value;
    await interaction.result(CHOICES.filter((c) => c.startsWith(typed)).map((c) => ({ name: c, value: c })));
  } else if (interaction.type === 3) {
    await interaction.createMessage({ content: 'pressed' });
  } else if (interaction.data.type === 2) {
    await interaction.createMessage({ content: `who: ${interaction.data.targetID}` });
  } else if (interaction.data.type === 3) {
    await interaction.createMessage({ content: `quote: ${interaction.data.target.content}` });
  } else if (interaction.data.name === 'ping') {
    await interaction.createMessage({ content: 'pong' });
  } else if (interaction.data.name === 'later') {
    await interaction.defer();
    await interaction.createFollowup({ content: 'here it is', files: [FILE] });
  } else if (interaction.data.name === 'buttons') {
    await interaction.createMessage({
      content: 'press',
      components: [{ type: 1, components: [{ type: 2, style: 1, label: 'Go', customID: 'go' }] }],
    });
  } else if (interaction.data.name === 'find') {
    await interaction.createMessage({ content: `found ${interaction.data.options.getString('query')}` });
  }
});
const ready = new Promise((resolve) => client.once('ready', resolve));
const there = new Promise((resolve) => client.once('guildCreate', resolve).once('guildAvailable', resolve));
await client.connect();
await ready;
const guild = () => client.guilds.get(SIM_GUILD);
if (!guild()) await Promise.race([there, new Promise((resolve) => setTimeout(resolve, 5000))]);

serve({
  guild: () => ({ name: guild().name, channels: guild().channels.map((channel) => channel.name) }),
  register: async () => {
    const made = await client.application.bulkEditGuildCommands(SIM_GUILD, COMMANDS);
    return { commands: made.map((command) => command.name) };
  },
  ...voice(() => guild().voiceAdapterCreator),
  end: () => client.disconnect(false),
});
