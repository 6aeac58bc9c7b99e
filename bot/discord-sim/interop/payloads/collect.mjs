// Provokes payloads of every kind in the simulated Discord, and writes them as constants of their types.
// Usage: node collect.mjs SERVE OUTPUT, where SERVE is the example `serve` of antiphon-discord-sim.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import process from 'node:process';
import WebSocket from 'ws';

const [serve, output] = process.argv.slice(2);
const sim = spawn(serve, [], { stdio: ['pipe', 'pipe', 'inherit'] });
const [line] = await once(sim.stdout, 'data');
const at = JSON.parse(line.toString().split('\n')[0]);

async function request(method, path, body) {
  const headers = { authorization: `Bot ${at.token}`, 'content-type': 'application/json' };
  const answer = await fetch(at.http_url + path, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : null;
}
const api = (method, path, body) => request(method, `/api/v10${path}`, body);
const control = (path, body) => request('POST', `/sim${path}`, body);

const payloads = [];
const add = (type, value) => payloads.push([type, value]);

// The gateway's events, in order of arrival.
const events = [];
let arrived = () => {};
const gateway = new WebSocket(`${at.gateway_url}/?v=10&encoding=json`);
gateway.on('message', (data) => {
  const frame = JSON.parse(data);
  if (frame.t) events.push(frame);
  arrived();
});
const send = (op, d) => gateway.send(JSON.stringify({ op, d }));
async function event(name) {
  for (;;) {
    const place = events.findIndex((known) => known.t === name);
    if (place >= 0) return events.splice(place, 1)[0].d;
    await new Promise((resolve) => { arrived = resolve; });
  }
}
const addEvent = async (type, name) => add(`Gateway${type}DispatchData`, await event(name));

// Answers the next interaction; gives it, and what Discord says to the answer.
async function answer(kind, type, data) {
  const interaction = await event('INTERACTION_CREATE');
  add(kind, interaction);
  const path = `/interactions/${interaction.id}/${interaction.token}/callback?with_response=true`;
  const response = await api('POST', path, { type, data });
  add('RESTPostAPIInteractionCallbackWithResponseResult', response);
  return { interaction, response };
}

await once(gateway, 'open');
send(2, { token: at.token, intents: 0x3ffffff, properties: {} });
await addEvent('Ready', 'READY');
await addEvent('GuildCreate', 'GUILD_CREATE');

// Members, roles, channels, calls.
const user = (await control('/users', { name: 'Ben', permissions: 8 })).id;
await addEvent('GuildMemberAdd', 'GUILD_MEMBER_ADD');
await addEvent('GuildRoleCreate', 'GUILD_ROLE_CREATE');
await addEvent('GuildMemberUpdate', 'GUILD_MEMBER_UPDATE');
await control('/voice/join', { user });
await addEvent('VoiceStateUpdate', 'VOICE_STATE_UPDATE');
send(4, { guild_id: at.guild, channel_id: at.voice_channel, self_mute: false, self_deaf: false });
await addEvent('VoiceServerUpdate', 'VOICE_SERVER_UPDATE');
send(8, { guild_id: at.guild, query: '', limit: 0 });
await addEvent('GuildMembersChunk', 'GUILD_MEMBERS_CHUNK');
const channel = (await control('/channels', { name: 'new', voice: true })).id;
await addEvent('ChannelCreate', 'CHANNEL_CREATE');
await request('DELETE', `/sim/channels/${channel}`);
await addEvent('ChannelDelete', 'CHANNEL_DELETE');

// Commands, and interactions of every kind.
const commands = `/applications/${at.bot}/commands`;
const text = { type: 3, name: 'text', description: 'x', autocomplete: true };
const options = [text, ...['user', 'channel', 'role'].map((name, n) => ({ type: 6 + n, name, description: 'x' }))];
add('APIApplicationCommand', await api('POST', commands, { name: 'chat', description: 'x', options }));
const inGuild = `/applications/${at.bot}/guilds/${at.guild}/commands`;
add('APIApplicationCommand', await api('POST', inGuild, { name: 'Who', type: 2 }));
await api('POST', commands, { name: 'Quote', type: 3 });
const role = (await api('GET', `/guilds/${at.guild}/roles`))[1].id;
const act = (path, body) => control(path, { user, wait_ms: 0, ...body });

await act('/invoke', { command: 'chat', options: { text: 'x', user, channel: at.text_channel, role } });
const row = (component) => ({ type: 1, components: [component] });
const components = [row({ type: 2, style: 1, label: 'Go', custom_id: 'go' }), row({ type: 5, custom_id: 'people' })];
const first = await answer('APIChatInputApplicationCommandInteraction', 4, { content: `hi <@${user}>`, components });
await addEvent('MessageCreate', 'MESSAGE_CREATE');
const message = first.response.resource.message.id;

await act('/press', { message, custom_id: 'go' });
const { interaction } = await answer('APIMessageComponentButtonInteraction', 5, {});
const webhook = `/webhooks/${at.bot}/${interaction.token}`;
add('APIMessage', await api('PATCH', `${webhook}/messages/@original`, { content: 'later' }));
await addEvent('MessageUpdate', 'MESSAGE_UPDATE');
add('APIMessage', await api('POST', webhook, { content: 'more' }));

await act('/press', { message, custom_id: 'people', values: [user] });
const field = { type: 4, custom_id: 'name', style: 1, label: 'Name' };
const form = { custom_id: 'form', title: 'Form', components: [row(field)] };
const asked = await answer('APIMessageComponentSelectMenuInteraction', 9, form);
await act('/submit', { interaction: asked.interaction.id, values: { name: 'x' } });
await answer('APIModalSubmitInteraction', 6);
await act('/invoke', { command: 'chat', options: { text: 'x' }, focused: 'text' });
await answer('APIApplicationCommandAutocompleteInteraction', 8, { choices: [] });
await act('/invoke', { command: 'Who', target: user });
await answer('APIUserApplicationCommandInteraction', 4, { content: 'x', flags: 64 });
await act('/invoke', { command: 'Quote', target: message });
await answer('APIMessageApplicationCommandInteraction', 4, { content: 'x' });

// What REST gives.
for (const [type, path] of [
  ['RESTGetAPICurrentUserResult', '/users/@me'],
  ['RESTGetAPIUserResult', `/users/${user}`],
  ['RESTGetAPICurrentUserGuildsResult', '/users/@me/guilds'],
  ['RESTGetCurrentApplicationResult', '/applications/@me'],
  ['RESTGetAPIOAuth2CurrentApplicationResult', '/oauth2/applications/@me'],
  ['RESTGetAPIGuildResult', `/guilds/${at.guild}`],
  ['RESTGetAPIGuildChannelsResult', `/guilds/${at.guild}/channels`],
  ['RESTGetAPIGuildRolesResult', `/guilds/${at.guild}/roles`],
  ['RESTGetAPIGuildMembersResult', `/guilds/${at.guild}/members?limit=10`],
  ['RESTGetAPIGuildMemberResult', `/guilds/${at.guild}/members/${user}`],
  ['RESTGetAPIGuildThreadsResult', `/guilds/${at.guild}/threads/active`],
  ['RESTGetAPIGuildSoundboardSoundsResult', `/guilds/${at.guild}/soundboard-sounds`],
  ['RESTGetAPISoundboardDefaultSoundsResult', '/soundboard-default-sounds'],
  ['RESTGetAPIVoiceRegionsResult', '/voice/regions'],
  ['RESTGetAPIGatewayBotResult', '/gateway/bot'],
  ['RESTGetAPIChannelMessagesResult', `/channels/${at.text_channel}/messages`],
  ['RESTGetAPIApplicationCommandsResult', commands],
  ['APIVoiceState', `/guilds/${at.guild}/voice-states/${user}`],
]) add(type, await api('GET', path));

await api('DELETE', `/channels/${at.text_channel}/messages/${message}`);
await addEvent('MessageDelete', 'MESSAGE_DELETE');
await control('/kick', { user });
await addEvent('GuildMemberRemove', 'GUILD_MEMBER_REMOVE');

// Bit fields and locales are numbers and strings in JSON, and enumerations in the types.
const enumerations = /"((?:public_|system_channel_)?flags)": (\d+)|"((?:preferred_|guild_)?locale)": ("en-US")/g;
const constants = payloads.map(([type, value], place) => {
  const json = JSON.stringify(value, null, 1);
  const cast = json.replace(enumerations, (_, bits, number, locale, name) => `"${bits ?? locale}": ${number ?? name} as any`);
  return `export const payload${place}: ${type} = ${cast};`;
});
const types = [...new Set(payloads.map(([type]) => type))].join(', ');
writeFileSync(output, [`import type { ${types} } from 'discord-api-types/v10';`, ...constants, ''].join('\n'));
sim.stdin.end();
gateway.terminate();
process.exit(0);
