// Calls with the voice of eris and of dysnomia, which came of it.
import { Readable } from 'node:stream';
import { Heard, stereo } from './protocol.mjs';

export function voice(client, leave) {
  const heard = new Heard();
  let connection;
  return {
    async join({ channel }) {
      connection = await client.joinVoiceChannel(channel);
      connection.on('error', (error) => console.error('voice error', error));
      connection.on('warn', (line) => console.error('voice warning', line));
      if (process.env.SIM_DEBUG) connection.on('debug', (line) => console.error(line));
      connection.receive('opus').on('data', (opus, user) => heard.add(user, opus));
      if (!connection.ready) {
        await new Promise((resolve, reject) => {
          connection.once('ready', resolve);
          setTimeout(() => reject(new Error('the voice connection never became ready')), 20_000).unref();
        });
      }
    },
    async leave({ channel }) {
      leave(channel, connection);
      connection = undefined;
    },
    async wait_connected() {
      const end = Date.now() + 20_000;
      while (!connection?.ready) {
        if (Date.now() > end) throw new Error('the voice connection never became ready again');
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    state: () => ({ state: connection?.ready ? 'ready' : 'not ready' }),
    listen() {
      heard.clear();
    },
    heard: ({ user }) => heard.of(user),
    async say({ file }) {
      await new Promise((resolve, reject) => {
        connection.once('end', resolve);
        setTimeout(() => reject(new Error('the end of the sound never came')), 30_000).unref();
        connection.play(Readable.from([stereo(file)], { objectMode: false }), { format: 'pcm' });
      });
    },
  };
}
