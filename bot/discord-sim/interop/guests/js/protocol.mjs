// What every guest in JavaScript shares: its variables, the lines it is asked by and answers with, and what it heard.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { createInterface } from 'node:readline';

export const { SIM_URL, SIM_GATEWAY, SIM_TOKEN, SIM_GUILD, SIM_APPLICATION } = process.env;

export const COMMANDS = [
  { type: 1, name: 'ping', description: 'Answers' },
  { type: 1, name: 'later', description: 'Answers later, with a file' },
  { type: 1, name: 'buttons', description: 'Shows a button' },
  {
    type: 1, name: 'find', description: 'Completes what is typed',
    options: [{ type: 3, name: 'query', description: 'What to find', required: true, autocomplete: true }],
  },
  { type: 2, name: 'Who' },
  { type: 3, name: 'Quote' },
];
export const CHOICES = ['alpha', 'beta'];
export const FILE = { name: 'report.txt', contents: Buffer.from('a report') };

// Lines that begin with @ are for the host; libraries may print others.
export function report(message) {
  process.stdout.write(`@${JSON.stringify(message)}\n`);
}

// What arrived, by user: the first bytes of each frame's SHA-256, as the speaker names its own.
export class Heard {
  #frames = new Map();
  #failures = 0;

  add(user, opus) {
    const frames = this.#frames.get(String(user)) ?? [];
    frames.push(createHash('sha256').update(opus).digest('hex').slice(0, 8));
    this.#frames.set(String(user), frames);
  }

  fail() {
    this.#failures += 1;
  }

  clear() {
    this.#frames.clear();
    this.#failures = 0;
  }

  of(user) {
    return { frames: this.#frames.get(String(user)) ?? [], failures: this.#failures };
  }
}

// 16-bit mono WAV to raw stereo, which is what the libraries encode.
export function stereo(path) {
  const mono = readFileSync(path).subarray(44);
  const both = Buffer.alloc(mono.length * 2);
  for (let at = 0; at + 1 < mono.length; at += 2) {
    mono.copy(both, at * 2, at, at + 2);
    mono.copy(both, at * 2 + 2, at, at + 2);
  }
  return both;
}

// Answers the host's requests with `handlers`, one function for each; `end` says goodbye.
export function serve(handlers) {
  report({ ready: true });
  const lines = createInterface({ input: process.stdin });
  lines.on('line', async (line) => {
    const request = JSON.parse(line);
    try {
      const handler = handlers[request.do];
      if (!handler) throw new Error(`no such request: ${request.do}`);
      const result = await handler(request);
      report({ id: request.id, ok: true, ...result });
    } catch (error) {
      report({ id: request.id, error: String(error?.stack ?? error) });
    }
  });
  lines.on('close', async () => {
    try {
      await handlers.end?.();
    } finally {
      process.exit(0);
    }
  });
}

process.on('uncaughtException', (error) => {
  report({ crashed: String(error?.stack ?? error) });
  process.exit(1);
});
process.on('unhandledRejection', (error) => report({ rejected: String(error?.stack ?? error) }));
