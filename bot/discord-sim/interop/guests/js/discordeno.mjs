// discordeno, which has no voice.
import { createBot, Intents } from '@discordeno/bot';
import { CHOICES, COMMANDS, FILE, SIM_APPLICATION, SIM_GUILD, SIM_TOKEN, SIM_URL, serve } from './protocol.mjs';

const guilds = new Map();
let resolveReady;
const ready = new Promise((resolve) => { resolveReady = resolve; });
const wanted = (...names) => Object.fromEntries(names.map((name) => [name, true]));
const bot = createBot({
  token: SIM_TOKEN,
  applicationId: BigInt(SIM_APPLICATION),
  intents: Intents.Guilds,
  rest: { token: SIM_TOKEN, proxy: { baseUrl: `${SIM_URL}/api`, authorization: `Bot ${SIM_TOKEN}` } },
  desiredProperties: {
    interaction: wanted('id', 'token', 'type', 'data', 'guildId', 'user', 'member', 'message'),
    guild: wanted('id', 'name', 'channels'),
    channel: wanted('id', 'name'),
    message: wanted('id', 'content'),
    user: wanted('id', 'username'),
  },
  events: {
    ready: () => {},
    guildCreate: (guild) => {
      guilds.set(String(guild.id), guild);
      resolveReady();
    },
    interactionCreate: async (interaction) => {
      const { data } = interaction;
      if (interaction.type === 4) {
        const typed = data.options.find((option) => option.focused).value;
        await interaction.respond({ choices: CHOICES.filter((c) => c.startsWith(typed)).map((c) => ({ name: c, value: c })) });
      } else if (interaction.type === 3) {
        await interaction.respond({ content: 'pressed' });
      } else if (data.name === 'Who') {
        await interaction.respond({ content: `who: ${data.targetId}` });
      } else if (data.name === 'Quote') {
        await interaction.respond({ content: `quote: ${data.resolved.messages.get(data.targetId).content}` });
      } else if (data.name === 'ping') {
        await interaction.respond({ content: 'pong' });
      } else if (data.name === 'later') {
        await interaction.defer();
        await bot.helpers.sendFollowupMessage(interaction.token, {
          content: 'here it is', files: [{ name: FILE.name, blob: new Blob([FILE.contents]) }],
        });
      } else if (data.name === 'buttons') {
        await interaction.respond({
          content: 'press',
          components: [{ type: 1, components: [{ type: 2, style: 1, label: 'Go', customId: 'go' }] }],
        });
      } else if (data.name === 'find') {
        await interaction.respond({ content: `found ${data.options[0].value}` });
      }
    },
  },
});
await bot.start();
await ready;

serve({
  guild: () => {
    const guild = guilds.get(SIM_GUILD);
    return { name: guild.name, channels: [...guild.channels.values()].map((channel) => channel.name) };
  },
  register: async () => {
    const made = await bot.helpers.upsertGuildApplicationCommands(SIM_GUILD, COMMANDS);
    return { commands: made.map((command) => command.name) };
  },
  end: () => bot.shutdown(),
});
