-- Corrects an amount that was taken, once it is known how much it really was.
-- KEYS: the logs (see limiter.lua). ARGV: 1 tokens taken, 2 tokens that it was, then the number of the entry in each log.
-- An amount that the window has passed over is left alone. Gives how many logs were corrected.
local taken, really, corrected = tonumber(ARGV[1]), tonumber(ARGV[2]), 0
for at = 1, #KEYS do
  local key, entry = KEYS[at], ARGV[at + 2]
  local found = redis.call('HMGET', key, 's', entry)
  local time, tokens
  if found[2] then time, tokens = string.match(found[2], '^(%d+):(%d+)$') end
  -- Once: an entry that was corrected holds another amount.
  if found[1] and tonumber(tokens) == taken then
    local next, last, rhead, rat, thead, tat, tsum, tlast, ttime, kept = cmsgpack.unpack(found[1])
    local seq = tonumber(entry)
    if seq >= thead then
      if really == 0 and seq == tlast then
        -- The last one with tokens is another now.
        tlast, ttime = 0, 0
        for other = seq - 1, thead, -1 do
          local name = string.format('%.0f', other)
          local t, amount = string.match(redis.call('HGET', key, name), '^(%d+):(%d+)$')
          if tonumber(amount) > 0 then
            tlast, ttime = other, tonumber(t)
            break
          end
        end
      end
      local state =
        cmsgpack.pack(next, last, rhead, rat, thead, tat, tsum - taken + really, tlast, ttime, kept)
      redis.call('HSET', key, 's', state, entry, time .. ':' .. string.format('%.0f', really))
      corrected = corrected + 1
    end
  end
end
return corrected
