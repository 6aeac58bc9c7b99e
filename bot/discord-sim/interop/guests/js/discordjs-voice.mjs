// Calls with @discordjs/voice, for the libraries that leave voice to it.
import { Readable } from 'node:stream';
import {
  AudioPlayerStatus, EndBehaviorType, NoSubscriberBehavior, StreamType, VoiceConnectionStatus,
  createAudioPlayer, createAudioResource, entersState, joinVoiceChannel,
} from '@discordjs/voice';
import { Heard, SIM_GUILD, stereo } from './protocol.mjs';

export function voice(adapterCreator) {
  const heard = new Heard();
  let connection;
  return {
    async join({ channel }) {
      connection = joinVoiceChannel({ guildId: SIM_GUILD, channelId: channel, adapterCreator: adapterCreator(), selfDeaf: false, debug: true });
      connection.removeAllListeners('error');
      connection.on('error', (error) => console.error('voice error', error));
      if (process.env.SIM_DEBUG) connection.on('debug', (line) => console.error(line));
      await entersState(connection, VoiceConnectionStatus.Ready, 20_000);
    },
    async leave() {
      connection?.destroy();
      connection = undefined;
    },
    async wait_connected() {
      await entersState(connection, VoiceConnectionStatus.Ready, 20_000);
    },
    state: () => ({ state: connection?.state.status ?? 'none' }),
    listen({ user }) {
      heard.clear();
      if (connection.receiver.subscriptions.has(user)) return;
      const packets = connection.receiver.subscribe(user, { end: { behavior: EndBehaviorType.Manual } });
      packets.on('data', (packet) => heard.add(user, packet));
      packets.on('error', () => heard.fail());
    },
    heard: ({ user }) => heard.of(user),
    async say({ file }) {
      const player = createAudioPlayer({ behaviors: { noSubscriber: NoSubscriberBehavior.Pause } });
      const subscription = connection.subscribe(player);
      player.play(createAudioResource(Readable.from([stereo(file)], { objectMode: false }), { inputType: StreamType.Raw }));
      await entersState(player, AudioPlayerStatus.Playing, 10_000);
      await entersState(player, AudioPlayerStatus.Idle, 30_000);
      subscription?.unsubscribe();
    },
  };
}
