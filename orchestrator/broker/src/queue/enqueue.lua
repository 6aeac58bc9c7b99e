-- Puts jobs of one partition in: each idempotency key, the bound and the entries are one atomic step.
-- KEYS: 1 work, 2 later, then for each job the mark of its idempotency key.
-- ARGV: 1 bound, 2 life of the marks in ms, 3 now in ms; then for each job: its text, its id, and 1 when it has an
-- idempotency key (else its mark is not looked at).
-- Gives for each job one of: a<id of the entry>, k<id of the job that was accepted before>, f<length of the queue>.
local bound = tonumber(ARGV[1])
local room = bound - redis.call('XLEN', KEYS[1]) - redis.call('ZCARD', KEYS[2])
local replies = {}
for n = 3, #KEYS do
  local at = 4 + (n - 3) * 3
  local once = ARGV[at + 2] == '1'
  local known = once and redis.call('GET', KEYS[n])
  if known then
    replies[n - 2] = 'k' .. known
  elseif room < 1 then
    replies[n - 2] = 'f' .. string.format('%.0f', bound - room)
  else
    room = room - 1
    replies[n - 2] = 'a' .. redis.call('XADD', KEYS[1], '*', 'job', ARGV[at], 'attempt', '1', 'enqueued_ms', ARGV[3])
    -- The mark last: should the entry be refused, no mark says that the job was accepted.
    if once then redis.call('SET', KEYS[n], ARGV[at + 1], 'PX', ARGV[2]) end
  end
end
return replies
