// What a program does with node-redis over RESP3, against one server. Each step's result goes out as a line of JSON.
import { createClient } from "redis";
import { report } from "./report.mjs";

const client = createClient({ RESP: 3, socket: { host: "127.0.0.1", port: Number(process.argv[2]), reconnectStrategy: false } });
await client.connect();
const { step, finish } = report();

await step("flushAll", () => client.flushAll());
await step("set", () => client.set("text", "hello"));
await step("get", () => client.get("text"));
await step("set with options", () => client.set("text", "again", { EX: 100, XX: true, GET: true }));
await step("ttl", () => client.ttl("text"));
await step("mSet and mGet", async () => [await client.mSet({ a: "1", b: "zwei" }), await client.mGet(["a", "b", "c"])]);
await step("incrBy", () => client.incrBy("a", 41));
await step("incrByFloat", () => client.incrByFloat("f", 1.5));
await step("hSet and hGetAll", async () => {
  await client.hSet("hash", { zeta: "1", alpha: "2", mid: "3" });
  return [await client.hGetAll("hash"), await client.hKeys("hash"), await client.hVals("hash")];
});
await step("hScan", () => client.hScan("hash", "0"));
await step("hRandFieldCountWithValues", () => client.hRandFieldCountWithValues("hash", 10));
await step("lists", async () => [await client.rPush("list", ["1", "2", "3"]), await client.lRange("list", 0, -1)]);
await step("lMove", () => client.lMove("list", "other", "LEFT", "RIGHT"));
await step("blPop", () => client.blPop("list", 1));
await step("sets", async () => [await client.sAdd("set", ["3", "1", "2"]), [...(await client.sMembers("set"))]]);
await step("sMIsMember", () => client.smIsMember("set", ["1", "9"]));
await step("zAdd and zRangeWithScores", async () => [
  await client.zAdd("zset", [{ score: 1, value: "one" }, { score: 2.5, value: "two" }]),
  await client.zRangeWithScores("zset", 0, -1),
]);
await step("zScore", () => client.zScore("zset", "two"));
await step("zPopMin", () => client.zPopMin("zset"));
await step("geoAdd and geoDist", async () => [
  await client.geoAdd("Sicily", [
    { longitude: 13.361389, latitude: 38.115556, member: "Palermo" },
    { longitude: 15.087269, latitude: 37.502669, member: "Catania" },
  ]),
  await client.geoDist("Sicily", "Palermo", "Catania", "km"),
]);
await step("geoPos", () => client.geoPos("Sicily", ["Palermo", "none"]));
await step("geoSearch", () => client.geoSearch("Sicily", { longitude: 15, latitude: 37 }, { radius: 200, unit: "km" }, { SORT: "ASC" }));
await step("pfAdd and pfCount", async () => [await client.pfAdd("hll", ["a", "b", "c"]), await client.pfCount("hll")]);
await step("xAdd and xRange", async () => [await client.xAdd("stream", "1-1", { field: "value" }), await client.xRange("stream", "-", "+")]);
await step("a consumer group", async () => {
  await client.xGroupCreate("stream", "group", "0");
  const read = await client.xReadGroup("group", "me", { key: "stream", id: ">" }, { COUNT: 1 });
  return [read, await client.xAck("stream", "group", "1-1"), await client.xPending("stream", "group")];
});
await step("multi", () => client.multi().set("m", "1").incr("m").get("m").exec());
await step("multi with an error", () => client.multi().set("m", "1").lPush("m", "x").execAsPipeline());
await step("a watched key", async () => {
  const other = client.duplicate();
  await other.connect();
  await other.watch("m");
  await client.set("m", "5");
  return other.multi().incr("m").exec().finally(() => other.close());
});
await step("eval", () => client.eval("return {KEYS[1], ARGV[1], redis.call('GET', KEYS[1])}", { keys: ["m"], arguments: ["x"] }));
await step("a script that fails", () => client.eval("\nreturn redis.call('LPUSH', KEYS[1], 1)", { keys: ["m"] }));
await step("scriptLoad and evalSha", async () => client.evalSha(await client.scriptLoad("return 7")));
await step("functions", async () => [
  await client.functionLoad("#!lua name=lib\nredis.register_function('double', function(keys, args) return args[1] * 2 end)", { REPLACE: true }),
  await client.fCall("double", { arguments: ["21"] }),
]);
await step("publish and subscribe", async () => {
  const listener = client.duplicate();
  await listener.connect();
  const message = new Promise((resolve) => void listener.subscribe("channel", (...got) => resolve(got)));
  let reached = 0;
  while (reached === 0) reached = await client.publish("channel", "news");
  const got = await message;
  await listener.close();
  return [reached, got];
});
await step("scanIterator", async () => {
  const found = [];
  for await (const keys of client.scanIterator({ MATCH: "*s*" })) found.push(...keys);
  return found.sort();
});
await step("objectEncoding", () => Promise.all(["hash", "set", "zset", "a", "text"].map((key) => client.objectEncoding(key))));
await step("expireTime", async () => [await client.expireAt("text", 4102444800), await client.expireTime("text")]);
await step("sort", () => client.sort("set", { DIRECTION: "DESC" }));
await step("lcs", async () => {
  await client.mSet({ one: "ohmytext", two: "mynewtext" });
  return client.lcs("one", "two");
});
await step("wrong type", () => client.lPush("hash", "1"));
await step("no such command", () => client.sendCommand(["NOSUCHCOMMAND", "x"]));
await step("acl", async () => [
  await client.aclWhoAmI(),
  await client.aclSetUser("u", ["on", "nopass", "+get", "~u*"]),
  await client.aclGetUser("u"),
  await client.aclDryRun("u", ["get", "x"]),
]);
await step("commandGetKeys", () => client.commandGetKeys(["MSET", "a", "1", "b", "2"]));
await step("memoryUsage is a number", async () => typeof (await client.memoryUsage("hash")));
await step("clientPause", async () => [await client.clientPause(1), await client.clientUnpause()]);
await step("wait", () => client.wait(0, 10));
await step("configGet", () => client.configGet("maxmemory-policy"));
await client.close();
finish();
