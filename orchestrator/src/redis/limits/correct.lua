-- Corrects an amount that was taken, once it is known how much it really was.
-- KEYS: for each window its log and its sum. ARGV: 1 id, 2 amount taken, 3 amount that it was. An amount that the
-- window has passed over is left alone. Gives how many windows were corrected.
local corrected = 0
for at = 1, #KEYS, 2 do
  local log, total = KEYS[at], KEYS[at + 1]
  local member = ARGV[1] .. ':' .. ARGV[2]
  local score = redis.call('ZSCORE', log, member)
  if score then
    redis.call('ZREM', log, member)
    if tonumber(ARGV[3]) > 0 then redis.call('ZADD', log, score, ARGV[1] .. ':' .. ARGV[3]) end
    local used = tonumber(redis.call('GET', total) or '0') - tonumber(ARGV[2]) + tonumber(ARGV[3])
    redis.call('SET', total, string.format('%.0f', used), 'KEEPTTL')
    corrected = corrected + 1
  end
end
return corrected
