// What a program does with ioredis, against one server. Each step's result goes out as a line of JSON.
import Redis from "ioredis";
import { report } from "./report.mjs";

const client = new Redis(Number(process.argv[2]), "127.0.0.1", { retryStrategy: null });
const { step, finish } = report();

await step("flushall", () => client.flushall());
await step("set", () => client.set("text", "hello"));
await step("get", () => client.get("text"));
await step("set with options", () => client.set("text", "again", "EX", 100, "XX", "GET"));
await step("ttl", () => client.ttl("text"));
await step("mset and mget", async () => [await client.mset({ a: 1, b: "zwei" }), await client.mget("a", "b", "c")]);
await step("incrby", () => client.incrby("a", 41));
await step("buffers", async () => {
  await client.set("bytes", Buffer.from([0, 255, 13, 10]));
  return (await client.getBuffer("bytes")).toString("hex");
});
await step("hset and hgetall keep their order", async () => {
  await client.hset("hash", { zeta: "1", alpha: "2", mid: "3" });
  return [await client.hgetall("hash"), await client.hkeys("hash"), await client.hvals("hash")];
});
await step("hscan", () => client.hscan("hash", 0));
await step("hincrbyfloat", () => client.hincrbyfloat("hash", "zeta", 1.5));
await step("lists", async () => [await client.rpush("list", 1, 2, 3), await client.lrange("list", 0, -1), await client.lpop("list")]);
await step("blpop", () => client.blpop("list", 1));
await step("sets of numbers are sorted", async () => [await client.sadd("set", 3, 1, 2), await client.smembers("set")]);
await step("sinter", async () => [await client.sadd("set2", 2, 3, 4), await client.sinter("set", "set2")]);
await step("zadd and zrange", async () => [
  await client.zadd("zset", 1, "one", 2, "two"),
  await client.zrange("zset", 0, -1, "WITHSCORES"),
]);
await step("zrangebyscore", () => client.zrangebyscore("zset", "(1", "+inf"));
await step("geoadd and geodist", async () => [
  await client.geoadd("Sicily", 13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania"),
  await client.geodist("Sicily", "Palermo", "Catania", "km"),
]);
await step("geosearch", () => client.geosearch("Sicily", "FROMLONLAT", 15, 37, "BYRADIUS", 200, "km", "ASC"));
await step("pfadd and pfcount", async () => [await client.pfadd("hll", "a", "b", "c"), await client.pfcount("hll")]);
await step("xadd and xrange", async () => {
  await client.xadd("stream", "1-1", "field", "value");
  return client.xrange("stream", "-", "+");
});
await step("a consumer group", async () => {
  await client.xgroup("CREATE", "stream", "group", "0");
  const read = await client.xreadgroup("GROUP", "group", "me", "COUNT", 1, "STREAMS", "stream", ">");
  return [read, await client.xack("stream", "group", "1-1"), await client.xpending("stream", "group")];
});
await step("pipeline", () => client.pipeline().set("p", 1).incr("p").get("p").lpush("p", "wrong").exec().then(simple));
await step("multi", () => client.multi().set("m", 1).incr("m").exec());
await step("a watched key", async () => {
  await client.watch("m");
  await client.set("m", 5);
  return client.multi().incr("m").exec();
});
await step("defineCommand", () => {
  client.defineCommand("both", { numberOfKeys: 1, lua: "return {KEYS[1], ARGV[1], redis.call('GET', KEYS[1])}" });
  return client.both("m", "x");
});
await step("a script that fails", () => client.eval("\nreturn redis.call('LPUSH', KEYS[1], 1)", 1, "m"));
await step("struct in a script", () => client.eval("return {struct.unpack('>I2', struct.pack('>I2', 258))}", 0));
await step("publish and subscribe", async () => {
  const listener = client.duplicate();
  const message = new Promise((resolve) => listener.on("message", (...got) => resolve(got)));
  await listener.subscribe("channel");
  const reached = await client.publish("channel", "news");
  const got = await message;
  await listener.quit();
  return [reached, got];
});
await step("psubscribe", async () => {
  const listener = client.duplicate();
  const message = new Promise((resolve) => listener.on("pmessage", (...got) => resolve(got)));
  await listener.psubscribe("chan*");
  await client.publish("channel", "more");
  const got = await message;
  await listener.quit();
  return got;
});
await step("scanStream", async () => {
  const found = [];
  for await (const keys of client.scanStream({ match: "*s*" })) found.push(...keys);
  return found.sort();
});
await step("dump and restore", async () => {
  const payload = await client.dumpBuffer("hash");
  return [await client.restore("copy", 0, payload), await client.hgetall("copy")];
});
await step("object encoding", () => Promise.all(["hash", "set", "zset", "a", "text"].map((key) => client.object("ENCODING", key))));
await step("wrong type", () => client.lpush("hash", 1));
await step("no such command", () => client.call("NOSUCHCOMMAND", "x"));
await step("client setname", async () => [await client.client("SETNAME", "me"), await client.client("GETNAME")]);
await step("config get", () => client.config("GET", "maxmemory-policy"));
await step("acl", async () => [await client.acl("WHOAMI"), await client.acl("SETUSER", "u", "on", "nopass", "+get", "~u*"), await client.acl("DRYRUN", "u", "get", "x")]);
await step("wait", () => client.wait(0, 10));
await step("monitor", async () => {
  const monitor = await client.duplicate().monitor();
  const seen = new Promise((resolve) => monitor.on("monitor", (_, args) => resolve(args)));
  await client.get("seen-by-monitor");
  const args = await seen;
  monitor.disconnect();
  return args;
});
await client.quit();
finish();

function simple(results) {
  return results.map(([error, value]) => [error ? error.message : null, value]);
}
