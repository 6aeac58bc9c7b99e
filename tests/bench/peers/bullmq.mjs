// BullMQ, doing what orchestrator/broker/benches/redis/queue.rs does: jobs of the same size, an id for each (so that a second
// one is not taken), as many producers, as many in hand, completed jobs removed.
import { Queue, Worker } from "bullmq";

const [socket, ...numbers] = process.argv.slice(2);
const [turns, filled, producers, concurrency] = numbers.map(Number);
const connection = { path: socket, maxRetriesPerRequest: null };
const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

function data(turn) {
  return {
    id: `${turn}`.padStart(36, "0"),
    guild: `${turn % 64}`,
    session: "00000000-0000-0000-0000-000000000001",
    turn,
    correlation: "00000000-0000-0000-0000-000000000001:1",
    traceparent: trace,
    deadline_ms: Number.MAX_SAFE_INTEGER,
    payload: { text: "what was said in this turn, which is about as long as this" },
  };
}

let runs = 0;

async function run(count, { filledFirst = false, rate = 0 } = {}) {
  const name = `bench${process.pid}-${runs++}`;
  const queue = new Queue(name, { connection, defaultJobOptions: { removeOnComplete: true, attempts: 3 } });
  await queue.waitUntilReady();
  const add = (turn) => queue.add("turn", data(turn), { jobId: `turn-${name}-${turn}` });
  const produce = () =>
    Promise.all(
      Array.from({ length: producers }, async (_, producer) => {
        for (let turn = producer; turn < count; turn += producers) await add(turn);
      }),
    );
  const due = new Array(count).fill(0);
  const took = [];
  let began = performance.now();
  let producing;
  if (filledFirst) {
    await produce();
    began = performance.now();
  }
  const worker = new Worker(name, async () => {}, { connection, concurrency });
  const done = new Promise((resolve, reject) => {
    let left = count;
    worker.on("completed", (job) => {
      took.push(performance.now() - due[job.data.turn]);
      if (--left === 0) resolve();
    });
    worker.on("error", reject);
  });
  if (rate > 0) {
    began = performance.now();
    const adding = [];
    for (let turn = 0; turn < count; turn++) {
      due[turn] = began + (turn / rate) * 1000;
      const wait = due[turn] - performance.now();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      adding.push(add(turn));
    }
    producing = Promise.all(adding);
  } else if (!filledFirst) {
    producing = produce();
  }
  await Promise.all([producing, done]);
  const seconds = (performance.now() - began) / 1000;
  await worker.close();
  await queue.obliterate({ force: true });
  await queue.close();
  took.sort((a, b) => a - b);
  return { rate: count / seconds, p50: took[Math.floor(count / 2)], p99: took[Math.floor(count * 0.99)] };
}

await run(Math.ceil(turns / 10));
const through = (await run(turns)).rate;
const drained = (await run(filled, { filledFirst: true })).rate;
const half = await run(Math.ceil(turns / 4), { rate: through / 2 });
console.log(JSON.stringify({ through, drained, p50_ms: half.p50, p99_ms: half.p99 }));
process.exit(0);
