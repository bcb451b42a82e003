-- Sets the lock of a type with too many lists for one step: called with `open`, then the lists are counted in several steps, then called
-- with the sum. Every fetch and finish changes the lock. So the sum is right if no client has written the lock in between, and only then is
-- it set.
--
-- How Redis stores the value shows that. `open` overwrites the characters with themselves, after which Redis stores a text (encoding
-- `raw`); INCR, DECR and SET store a number. After a restart, and on a Redis that works in another way, it is stored as a number too:
-- then nothing is set.
--
-- KEYS[1]  {ns}:jobs:<type>:lock (string)
-- KEYS[2]  {ns}:reaper:recount:<type> (string): token of the last recount that was opened
-- ARGV[1]  token of this recount
-- ARGV[2]  `open`, or the number of entries that were counted
-- Reply    { 'opened' }
--          { 'set', lock before, lock after }
--          { 'kept', lock }: a client has written it since, or has opened another recount
-- Repeats its first reply when it is sent again (`includes/once.lua`).
-- Also written by: gocraft (fetch, finish, requeue, stale locks), the Go jobservice (requeue).
-- SET is the first write, because Redis refuses it under memory pressure, and then nothing has been written.
--- @include once
--- @include audit

local lock, opened = KEYS[1], KEYS[2]
local token, sum = ARGV[1], ARGV[2]
local refusal = refusalOf({ { lock, 'string', 'GET', 'SET', 'SETRANGE' }, { opened, 'string', 'GET', 'SET', 'DEL' } })
if refusal then
  return refusal
end
local value = redis.call('GET', lock) or ''
if sum == 'open' then
  redis.call('SET', opened, token, 'PX', 60000)
  redis.call('SETRANGE', lock, 0, value == '' and '0' or value)
  return { 'opened' }
end
-- Before the first write, because the user may lack the right to OBJECT.
local kept = redis.pcall('OBJECT', 'ENCODING', lock)
if type(kept) == 'table' then
  return redis.error_reply('NOPERM this user has no permission to run OBJECT on ' .. lock)
end
if kept ~= 'raw' or redis.call('GET', opened) ~= token then
  return { 'kept', value }
end
if value ~= sum then
  redis.call('SET', lock, sum)
end
redis.call('DEL', opened)
if value == sum then
  return answerOnce({ 'set', value, sum })
end
return recorded(answerOnce({ 'set', value, sum }), { what = 'rebuild-counters', was = { lock = value }, is = { lock = sum } })
