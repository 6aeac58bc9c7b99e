-- What a script sees. Vanilla Lua has no read-only tables; proxies stand in for them, so that
-- nothing a script does is there for the next one.
local slot, exhausted, natives, located = ...

local protected = setmetatable({}, { __mode = "k" })
local base = {}
local env = {}
local loading = {}

local READONLY = "Attempt to modify a readonly table"

local function assigned()
  error(READONLY, 2)
end

local function shut(table)
  local proxy = setmetatable({}, { __index = table, __newindex = assigned, __metatable = false })
  protected[proxy] = table
  return proxy
end

setmetatable(env, {
  __index = function(_, name)
    local value
    -- While a library of functions is loaded, it can register them, and nothing else.
    if slot.register then value = loading[name] else value = base[name] end
    if value == nil then
      error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
    end
    return value
  end,
  __newindex = assigned,
  __metatable = shut({}),
})
protected[env] = base

local pcall_, xpcall_, loadstring_, setfenv_, rawset_, error_ = pcall, xpcall, loadstring, setfenv, rawset, error
local sub_, type_, select_, next_, pairs_, rawget_ = string.sub, type, select, next, pairs, rawget

-- A script that is out of steps cannot catch that.
local function guard(...)
  if exhausted() then
    error_("script exceeded its step limit", 0)
  end
  return ...
end

for _, name in ipairs({ "tostring", "getmetatable", "setmetatable", "assert", "tonumber", "rawequal",
  "type", "ipairs", "error", "unpack", "select", "gcinfo", "_VERSION" }) do
  base[name] = _G[name]
end
base.collectgarbage = function(what)
  if what == "count" then return collectgarbage("count") end
  return 0
end
-- What stands behind a proxy is seen through it.
base.next = function(table, key)
  local behind = protected[table]
  if behind then return next_(behind, key) end
  return next_(table, key)
end
base.pairs = function(table)
  local behind = protected[table]
  if behind then return function(_, key) return next_(behind, key) end, table, nil end
  return pairs_(table)
end
base.rawget = function(table, key)
  return rawget_(protected[table] or table, key)
end
-- An error of a command is caught as its text, as Redis has it.
local function caught(ok, value, ...)
  if not ok and type_(value) == "table" and type_(value.err) == "string" then
    return guard(ok, value.err)
  end
  if not ok and type_(value) == "userdata" then return guard(ok, natives.worded(value)) end
  return guard(ok, value, ...)
end
base.pcall = function(...) return caught(pcall_(...)) end
-- The handler runs after the stack is unwound: before that, a script out of steps could stay in
-- its handler for ever, where Lua counts no steps.
local function handled(handler, ok, ...)
  if ok then return guard(ok, ...) end
  guard()
  return guard(false, handler(...))
end
base.xpcall = function(body, handler) return handled(handler, pcall_(body)) end
base.setmetatable = function(table, ...)
  if protected[table] then error_(READONLY, 0) end
  return setmetatable(table, ...)
end
base.rawset = function(table, key, value)
  if protected[table] then error_(READONLY, 0) end
  return rawset_(table, key, value)
end
-- Byte code is never loaded: it can break out of any sandbox.
local function within(chunk, message)
  if chunk then return setfenv_(chunk, env) end
  return nil, message
end
base.loadstring = function(source, name)
  if type_(source) ~= "string" or sub_(source, 1, 1) == "\27" then return nil, "bytecode is not allowed" end
  return within(loadstring_(source, name or source))
end
base.load = function(reader, name)
  local source = ""
  if type_(reader) == "string" then
    source = reader
  else
    while true do
      local piece = reader()
      if piece == nil or piece == "" then break end
      source = source .. piece
    end
  end
  return base.loadstring(source, name)
end

-- math.random draws the same numbers on every machine, as in Redis.
local math_ = {}
for name, value in pairs(math) do math_[name] = value end
math_.random, math_.randomseed = natives.random, natives.randomseed
local string_ = {}
for name, value in pairs(string) do string_[name] = value end

base.math = shut(math_)
base.string = shut(string_)
-- These write past the proxies.
local table_ = {}
for name, value in pairs(table) do table_[name] = value end
for _, name in ipairs({ "insert", "remove", "sort" }) do
  local original = table[name]
  table_[name] = function(target, ...)
    if protected[target] then error_(READONLY, 0) end
    return original(target, ...)
  end
end
base.table = shut(table_)
local coroutine_ = {}
for name, value in pairs(coroutine) do coroutine_[name] = value end
local resume = coroutine.resume
coroutine_.resume = function(...) return caught(resume(...)) end
base.coroutine = shut(coroutine_)
base.bit = shut(natives.bit)
base.cjson = shut(natives.cjson)
base.cmsgpack = shut(natives.cmsgpack)
base.struct = shut(natives.struct)
getmetatable("").__metatable = shut({ __index = base.string })

local redis = {}
for name, value in pairs(natives.redis) do redis[name] = value end
-- An error that is answered, not raised.
redis.error_reply = function(...)
  local text = ...
  if select_("#", ...) ~= 1 or type_(text) ~= "string" then
    return { err = "ERR wrong number or type of arguments" }
  end
  if sub_(text, 1, 1) == "-" then text = sub_(text, 2) end
  if not string.find(text, " ", 1, true) then text = "ERR " .. text end
  return { err = text }
end
redis.status_reply = function(...)
  local text = ...
  if select_("#", ...) ~= 1 or type_(text) ~= "string" then
    return { err = "ERR wrong number or type of arguments" }
  end
  return { ok = text }
end
redis.replicate_commands = function() return true end
redis.set_repl = function() end
redis.breakpoint = function() return false end
redis.debug = function() end
redis.LOG_DEBUG, redis.LOG_VERBOSE, redis.LOG_NOTICE, redis.LOG_WARNING = 0, 1, 2, 3
redis.REPL_NONE, redis.REPL_AOF, redis.REPL_SLAVE, redis.REPL_REPLICA, redis.REPL_ALL = 0, 1, 2, 2, 3
redis.REDIS_VERSION, redis.REDIS_VERSION_NUM = natives.version, natives.version_number
base.redis = shut(redis)
base._G = env

local function missing(_, name)
  error_("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
end
local loading_library = setmetatable({
  log = redis.log,
  LOG_DEBUG = 0, LOG_VERBOSE = 1, LOG_NOTICE = 2, LOG_WARNING = 3,
  REDIS_VERSION = natives.version,
  REDIS_VERSION_NUM = natives.version_number,
  register_function = function(...)
    if not slot.register then
      error_({ err = "ERR redis.register_function can only be called on FUNCTION LOAD command" }, 0)
    end
    local refused = slot.register(...)
    if refused then error_({ err = "ERR " .. refused }, 0) end
  end,
}, { __index = missing })
loading.redis = shut(loading_library)

-- Runs a script, or a function of a library with its keys and arguments.
local function run(script, keys, args)
  if keys == nil then return xpcall_(script, located) end
  return xpcall_(function() return script(keys, args) end, located)
end

return base, env, run
