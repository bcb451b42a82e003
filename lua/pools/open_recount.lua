-- Opens a recount of a type with too many lists for one step: then the lists are counted in several steps, and `close_recount` sets the
-- lock to the sum, if no client has written the lock in between (every fetch and finish writes it).
--
-- How Redis stores the value of the lock shows that. This script overwrites the characters with themselves, after which Redis stores a
-- text (encoding `raw`); INCR, DECR and SET store a number. An empty lock has no characters, and becomes 0. After a restart, and on a Redis that works in another way, it is stored as a
-- number too: then the lock is not set.
--
-- KEYS[1]  {ns}:jobs:<type>:lock (string)
-- KEYS[2]  {ns}:reaper:recount:<type> (string): token of the last recount that was opened, and the lock as it stood, a line each
-- ARGV[1]  token of this recount
-- Reply    { 'opened', lock before }. Sent again, it opens the same recount again
-- Also written by: close_recount; the lock: gocraft (fetch, finish, requeue, stale locks), the Go jobservice (requeue).
-- SET is the first write, because Redis refuses it under memory pressure, and then nothing has been written.
--- @include prove
--- @include recount

local lock, opened, token = KEYS[1], KEYS[2], ARGV[1]
local refusal = refusalOf({ { lock, 'string', 'GET', 'SETRANGE' }, { opened, 'string', 'GET', 'SET' } })
if refusal then
  return refusal
end
local value = redis.call('GET', lock) or '0'
local before = markedLock(opened, token) or value
redis.call('SET', opened, token .. '\n' .. before, 'PX', 60000)
redis.call('SETRANGE', lock, 0, value == '' and '0' or value)
return { 'opened', before }
