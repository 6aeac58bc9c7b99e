-- Checks every window, and takes from all of them or from none.
-- KEYS: 1 the guild's own quotas (hash), then the log (hash) of the guild and, if there is one, of the person.
-- ARGV: 1 the tokens wanted; then for each log two windows, of requests and of tokens: subject, default quota, default
-- window in ms.
-- A log holds its entries, `time:tokens` by their number, and the field `s` (MessagePack): the number of the next entry, the time of
-- the last, then for each window the first entry that counts and its time, the sum of the tokens, the last entry with
-- any and its time, and until when the log is kept. So that most requests read and write one field of each log.
-- The time is the server's: all callers share one clock. Gives 1 or 0; the number of the entry in each log; then for
-- each window: most, used before, milliseconds until all is free, milliseconds until the amount fits (0 now, -1 never).
local call, format, match, tonumber = redis.call, string.format, string.match, tonumber
local pack, unpacked, max, min = cmsgpack.pack, cmsgpack.unpack, math.max, math.min

-- What the window has passed over is given back: gives the first entry that still counts, its time, and the tokens.
local function slide(key, head, at, next, limit)
  local freed, size = 0, 2
  while head < next and at <= limit do
    local names = {}
    for seq = head, min(next - 1, head + size - 1) do names[#names + 1] = format('%.0f', seq) end
    local some = call('HMGET', key, unpack(names))
    for i = 1, #some do
      local time, tokens = match(some[i], '^(%d+):(%d+)$')
      at = tonumber(time)
      if at > limit then return head, at, freed end
      head, freed = head + 1, freed + tokens
    end
    size = min(size * 4, 512)
  end
  return head, at, freed
end

-- How long until so many tokens more are free.
local function until_free(key, head, next, excess, length, now)
  local freed, size = 0, 16
  while head < next do
    local names = {}
    for seq = head, min(next - 1, head + size - 1) do names[#names + 1] = format('%.0f', seq) end
    local some = call('HMGET', key, unpack(names))
    for i = 1, #some do
      local time, tokens = match(some[i], '^(%d+):(%d+)$')
      freed = freed + tokens
      if freed >= excess then return tonumber(time) + length - now end
    end
    head, size = head + #names, min(size * 2, 512)
  end
  return -1
end

local time = call('TIME')
local clock = time[1] * 1000 + math.floor(time[2] / 1000)
local tokens = tonumber(ARGV[1])
local subjects = {}
for at = 2, #ARGV, 3 do subjects[#subjects + 1] = ARGV[at] end
local own = call('HMGET', KEYS[1], unpack(subjects))

local function quota(window)
  local text = own[window]
  if text then
    local most, length = match(text, '^(%d+)/(%d+)$')
    if most and tonumber(length) > 0 then return tonumber(most), tonumber(length) end
  end
  return tonumber(ARGV[window * 3]), tonumber(ARGV[window * 3 + 1])
end

local logs, allowed = {}, 1
for at = 2, #KEYS do
  local key = KEYS[at]
  local rmost, rlength = quota(at * 2 - 3)
  local tmost, tlength = quota(at * 2 - 2)
  local next, last, rhead, rat, thead, tat, tsum, tlast, ttime, kept
  local state = call('HGET', key, 's')
  if state then
    next, last, rhead, rat, thead, tat, tsum, tlast, ttime, kept = unpacked(state)
  else
    -- Never a number that an earlier log under this name has given: no server makes a thousand entries in a millisecond.
    next = clock * 1024
    last, rhead, rat, thead, tat, tsum, tlast, ttime, kept = 0, next, 0, next, 0, 0, 0, 0, 0
  end
  -- A clock that was set back stands still.
  local now = max(clock, last)
  local first, changed = min(rhead, thead), false
  if rhead < next and rat <= now - rlength then
    local from = rhead
    local head, since, freed = slide(key, rhead, rat, next, now - rlength)
    if thead == from and tlength == rlength then thead, tat, tsum = head, since, tsum - freed end
    rhead, rat, changed = head, since, true
  end
  if thead < next and tat <= now - tlength then
    local freed
    thead, tat, freed = slide(key, thead, tat, next, now - tlength)
    tsum, changed = tsum - freed, true
  end
  local used = next - rhead
  local rwait, twait = 0, 0
  if used + 1 > rmost then
    allowed, rwait = 0, -1
    if rmost >= 1 then
      local first = match(call('HGET', key, format('%.0f', rhead + used - rmost)), '^(%d+):')
      rwait = tonumber(first) + rlength - now
    end
  end
  if tsum + tokens > tmost then
    allowed, twait = 0, -1
    if tokens <= tmost then twait = until_free(key, thead, next, tsum + tokens - tmost, tlength, now) end
  end
  logs[at - 1] = {
    key = key, now = now, next = next, last = last, rhead = rhead, rat = rat, thead = thead, tat = tat, tsum = tsum,
    tlast = tlast, ttime = ttime, kept = kept, changed = changed, first = first,
    rmost = rmost, rlength = rlength, rwait = rwait, tmost = tmost, tlength = tlength, twait = twait,
  }
end

local numbers, reply = {}, {}
for at = 1, #logs do
  local log = logs[at]
  local key, now, next, entry = log.key, log.now, log.next, nil
  local requests, sum = next - log.rhead, log.tsum
  -- Entries that count in no window any more.
  if log.changed then
    local first, low = log.first, min(log.rhead, log.thead)
    while first < low do
      local names = {}
      for seq = first, min(low - 1, first + 511) do names[#names + 1] = format('%.0f', seq) end
      call('HDEL', key, unpack(names))
      first = first + #names
    end
  end
  if allowed == 1 then
    if log.rhead == next then log.rat = now end
    if log.thead == next then log.tat = now end
    if tokens > 0 then log.tlast, log.ttime = next, now end
    requests, sum, log.last, log.next = requests + 1, sum + tokens, now, next + 1
    entry = format('%.0f', next)
    numbers[at] = entry
  end
  if entry or log.changed then
    local lives = max(log.rlength, log.tlength) + 1000
    local renew = entry and log.kept < now + lives
    -- For twice as long: not every request has to renew it.
    if renew then log.kept = now + 2 * lives end
    local state = pack(log.next, log.last, log.rhead, log.rat, log.thead, log.tat, sum, log.tlast, log.ttime, log.kept)
    if entry then
      call('HSET', key, 's', state, entry, format('%.0f:%.0f', now, tokens))
    else
      call('HSET', key, 's', state)
    end
    if renew then call('PEXPIRE', key, 2 * lives) end
  end
  local rreset, treset = 0, 0
  if log.next > log.rhead then rreset = log.last + log.rlength - now end
  if log.tlast >= log.thead and log.tlast > 0 then treset = log.ttime + log.tlength - now end
  reply[#reply + 1] = { log.rmost, requests, rreset, log.rwait }
  reply[#reply + 1] = { log.tmost, sum, treset, log.twait }
end
return { allowed, numbers, reply }
