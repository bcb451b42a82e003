-- Closes a recount: sets the lock of a type to the number of entries that were counted since `open_recount`, which also says how this
-- script sees whether a client has written the lock meanwhile.
--
-- KEYS[1]  {ns}:jobs:<type>:lock (string)
-- KEYS[2]  {ns}:reaper:recount:<type> (string): `includes/recount.lua`
-- ARGV[1]  token of this recount
-- ARGV[2]  how many entries were counted
-- Reply    { 'set', lock before it was opened, lock after }
--          { 'overtaken', lock }: a client has written it since, or has opened another recount; it stays as it is
-- Repeats its first reply when it is sent again (`includes/once.lua`).
-- Also written by: open_recount; the lock: gocraft (fetch, finish, requeue, stale locks), the Go jobservice (requeue).
-- SET is the first write, because Redis refuses it under memory pressure, and then nothing has been written.
--- @include once
--- @include audit
--- @include recount

local lock, opened = KEYS[1], KEYS[2]
local token, sum = ARGV[1], ARGV[2]
local refusal = refusalOf({ { lock, 'string', 'GET', 'SET' }, { opened, 'string', 'GET', 'DEL' } })
if refusal then
  return refusal
end
local value = redis.call('GET', lock) or '0'
local before = markedLock(opened, token)
-- Before the first write, because the user may lack the right to OBJECT.
local encoding = redis.pcall('OBJECT', 'ENCODING', lock)
if type(encoding) == 'table' then
  return redis.error_reply('NOPERM this user has no permission to run OBJECT on ' .. lock)
end
if encoding ~= 'raw' or not before then
  return { 'overtaken', value }
end
if value ~= sum then
  redis.call('SET', lock, sum)
end
redis.call('DEL', opened)
local answer = answerOnce({ 'set', before, sum })
if before == sum then
  return answer
end
return recorded(answer, { what = 'rebuild-counters', was = { lock = before }, is = { lock = sum } })
