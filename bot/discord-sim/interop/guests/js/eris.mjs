// eris, with its own voice, which has no end-to-end encryption.
import { createRequire } from 'node:module';
import http from 'node:http';
import https from 'node:https';
import { answer } from './eris-commands.mjs';
import { voice } from './eris-voice.mjs';
import { COMMANDS, SIM_GUILD, SIM_TOKEN, SIM_URL, serve } from './protocol.mjs';

const { hostname, port } = new URL(SIM_URL);
// eris knows https alone for REST, and no port: its requests to the simulation's host go there by http.
const secure = https.request;
https.request = (options, ...rest) =>
  options?.host === hostname ? http.request({ ...options, port, agent: undefined }, ...rest) : secure(options, ...rest);
const Eris = createRequire(import.meta.url)('eris');
const client = new Eris(`Bot ${SIM_TOKEN}`, {
  intents: ['guilds', 'guildVoiceStates'],
  rest: { domain: hostname, baseURL: '/api/v10' },
});
client.on('error', (error) => console.error('client error', error));
client.on('interactionCreate', (interaction) => answer(interaction, {
  file: (it, message, file) => it.createFollowup(message, { name: file.name, file: file.contents }),
  autocomplete: (it, choices) => it.acknowledge(choices),
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
