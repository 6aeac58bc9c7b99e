// dysnomia, with its own voice.
import { createRequire } from 'node:module';
import { answer } from './eris-commands.mjs';
import { voice } from './eris-voice.mjs';
import { COMMANDS, SIM_GUILD, SIM_TOKEN, SIM_URL, serve } from './protocol.mjs';

const { hostname, port } = new URL(SIM_URL);
const Dysnomia = createRequire(import.meta.url)('@projectdysnomia/dysnomia');
const client = new Dysnomia.Client(`Bot ${SIM_TOKEN}`, {
  gateway: { intents: ['guilds', 'guildVoiceStates'] },
  rest: { domain: hostname, https: false, port: Number(port), baseURL: '/api/v10' },
});
client.on('error', (error) => console.error('client error', error));
client.on('interactionCreate', (interaction) => answer(interaction, {
  file: (it, message, file) => it.createFollowup({ ...message, attachments: [{ filename: file.name, file: file.contents }] }),
  autocomplete: (it, choices) => (it.acknowledge ?? it.result).call(it, choices),
}));
const ready = new Promise((resolve) => client.once('ready', resolve));
await client.connect();
await ready;
const guild = () => client.guilds.get(SIM_GUILD);

serve({
  guild: () => ({ name: guild().name, channels: guild().channels.map((channel) => channel.name) }),
  register: async () => {
    const made = await client.bulkEditGuildCommands(SIM_GUILD, COMMANDS);
    return { commands: made.map((command) => command.name) };
  },
  ...voice(client, (channel) => client.leaveVoiceChannel(channel)),
  end: () => client.disconnect({ reconnect: false }),
});
