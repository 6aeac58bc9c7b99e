// One line for each step: its name, and what came of it. What differs by nature (run ids) is no step's result.
export function report() {
  let count = 0;
  const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");
  const plain = (value) => {
    if (value instanceof Error) return { error: value.message, replies: value.replies?.map(plain) };
    if (value instanceof Map) return [...value].map(([key, item]) => [plain(key), plain(item)]);
    if (Array.isArray(value)) return value.map(plain);
    if (Buffer.isBuffer(value)) return value.toString("hex");
    if (typeof value === "bigint") return value.toString();
    if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
    return value;
  };
  return {
    async step(name, body) {
      count += 1;
      try {
        say([name, plain(await body())]);
      } catch (error) {
        say([name, plain(error)]);
      }
    },
    finish() {
      say(["steps", count]);
      process.exit(0);
    },
  };
}
