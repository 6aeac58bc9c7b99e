-- Checks every window, and takes from all of them or from none.
-- KEYS: 1 the guild's own quotas (hash), then for each window its log (sorted set) and its sum (string).
-- ARGV: 1 id of the request; then for each window its subject, default quota, default window in ms, amount wanted.
-- The time is the server's: all callers share one clock. Gives 1 or 0, then for each window: most, used before,
-- milliseconds until all is free, milliseconds until the amount fits (0 now, -1 never).
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local windows = (#KEYS - 1) / 2
local allowed = 1
local seen, reply = {}, {}
for at = 1, windows do
  local log, total = KEYS[at * 2], KEYS[at * 2 + 1]
  local base = 1 + (at - 1) * 4
  local most, length, wanted = tonumber(ARGV[base + 2]), tonumber(ARGV[base + 3]), tonumber(ARGV[base + 4])
  local own = redis.call('HGET', KEYS[1], ARGV[base + 1])
  if own then
    local m, l = string.match(own, '^(%d+)/(%d+)$')
    if m and tonumber(l) > 0 then most, length = tonumber(m), tonumber(l) end
  end
  local used = tonumber(redis.call('GET', total) or '0')
  -- What the window has passed over is given back.
  local old = redis.call('ZRANGEBYSCORE', log, '-inf', now - length)
  if #old > 0 then
    for _, member in ipairs(old) do used = used - tonumber(string.match(member, ':(%d+)$')) end
    redis.call('ZREMRANGEBYSCORE', log, '-inf', now - length)
    redis.call('SET', total, string.format('%.0f', used), 'KEEPTTL')
  end
  local wait = 0
  if used + wanted > most then
    allowed = 0
    wait = -1
    if wanted <= most then
      local left, from = used, 0
      while wait < 0 do
        local some = redis.call('ZRANGE', log, from, from + 99, 'WITHSCORES')
        if #some == 0 then break end
        for i = 1, #some, 2 do
          left = left - tonumber(string.match(some[i], ':(%d+)$'))
          if left + wanted <= most then
            wait = tonumber(some[i + 1]) + length - now
            break
          end
        end
        from = from + 100
      end
    end
  end
  seen[at] = { log = log, total = total, length = length, wanted = wanted, used = used, most = most, wait = wait }
end
for at = 1, windows do
  local window = seen[at]
  if allowed == 1 and window.wanted > 0 then
    -- A member sorts by its time, then by its name; its amount stands at the end.
    redis.call('ZADD', window.log, now, ARGV[1] .. ':' .. string.format('%.0f', window.wanted))
    redis.call('SET', window.total, string.format('%.0f', window.used + window.wanted))
    redis.call('PEXPIRE', window.log, window.length + 1000)
    redis.call('PEXPIRE', window.total, window.length + 1000)
  end
  local last = redis.call('ZRANGE', window.log, -1, -1, 'WITHSCORES')
  local reset = 0
  if last[2] then reset = tonumber(last[2]) + window.length - now end
  local used = window.used
  if allowed == 1 then used = used + window.wanted end
  reply[#reply + 1] = { window.most, used, reset, window.wait }
end
return { allowed, reply }
