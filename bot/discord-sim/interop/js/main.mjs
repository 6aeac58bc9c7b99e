// discord.js and @discordjs/voice in a call of the simulated Discord: listens to one speaker, then answers.
// Started by the example `interop`, which sets the variables and judges the sound.
import { readFileSync, writeFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import process from 'node:process';
import {
  AudioPlayerStatus, EndBehaviorType, NoSubscriberBehavior, StreamType, VoiceConnectionStatus,
  createAudioPlayer, createAudioResource, entersState, joinVoiceChannel,
} from '@discordjs/voice';
import { Client, Events, GatewayIntentBits } from 'discord.js';
import OpusScript from 'opusscript';

const { SIM_URL, SIM_TOKEN, SIM_GUILD, SIM_CHANNEL, SIM_SPEAKER, SIM_SAY, SIM_HEARD } = process.env;
const RATE = 48_000;

function wavHeader(bytes, channels) {
  const header = Buffer.alloc(44);
  header.write('RIFF', 0);
  header.writeUInt32LE(36 + bytes, 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(channels, 22);
  header.writeUInt32LE(RATE, 24);
  header.writeUInt32LE(RATE * channels * 2, 28);
  header.writeUInt16LE(channels * 2, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36);
  header.writeUInt32LE(bytes, 40);
  return header;
}

// 16-bit mono WAV to raw stereo, which is what the library encodes.
function stereo(path) {
  const mono = readFileSync(path).subarray(44);
  const both = Buffer.alloc(mono.length * 2);
  for (let at = 0; at + 1 < mono.length; at += 2) {
    mono.copy(both, at * 2, at, at + 2);
    mono.copy(both, at * 2 + 2, at, at + 2);
  }
  return both;
}

async function listen(connection) {
  const opus = new OpusScript(RATE, 2, OpusScript.Application.AUDIO);
  const pieces = [];
  const packets = connection.receiver.subscribe(SIM_SPEAKER, {
    end: { behavior: EndBehaviorType.AfterSilence, duration: 1000 },
  });
  for await (const packet of packets) {
    pieces.push(Buffer.from(opus.decode(packet)));
  }
  const sound = Buffer.concat(pieces);
  writeFileSync(SIM_HEARD, Buffer.concat([wavHeader(sound.length, 2), sound]));
  console.log(`discord.js heard ${pieces.length} packets`);
}

async function speak(connection) {
  const player = createAudioPlayer({ behaviors: { noSubscriber: NoSubscriberBehavior.Pause } });
  connection.subscribe(player);
  player.play(createAudioResource(Readable.from([stereo(SIM_SAY)], { objectMode: false }), {
    inputType: StreamType.Raw,
  }));
  await entersState(player, AudioPlayerStatus.Playing, 10_000);
  await entersState(player, AudioPlayerStatus.Idle, 60_000);
}

const client = new Client({
  intents: [GatewayIntentBits.Guilds, GatewayIntentBits.GuildVoiceStates],
  rest: { api: `${SIM_URL}/api` },
});
client.on(Events.Error, (error) => console.error('client error', error));
const ready = new Promise((resolve) => client.once(Events.ClientReady, resolve));
await client.login(SIM_TOKEN);
await ready;

const guild = await client.guilds.fetch(SIM_GUILD);
const connection = joinVoiceChannel({
  guildId: SIM_GUILD,
  channelId: SIM_CHANNEL,
  adapterCreator: guild.voiceAdapterCreator,
  selfDeaf: false,
  debug: Boolean(process.env.SIM_DEBUG),
});
connection.on('error', (error) => console.error('voice error', error));
if (process.env.SIM_DEBUG) connection.on('debug', (line) => console.error(line));
await entersState(connection, VoiceConnectionStatus.Ready, 30_000);
await listen(connection);
await speak(connection);
connection.destroy();
await client.destroy();
