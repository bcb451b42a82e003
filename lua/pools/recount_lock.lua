-- Sets the lock of a type to what its lists hold, where they are too many for one step: `open`, then the lists are counted some
-- at a time, then `close` with the sum. Every fetch and every finish changes the lock. So the sum is true where nobody has
-- written the lock in between, and only then is the lock set.
--
-- That is known by how Redis keeps the value. `open` writes the same characters over themselves, after which Redis keeps them
-- as a text; INCR, DECR and SET keep a number. A Redis that was started again, or does it otherwise, keeps a number too:
-- nothing is set then.
--
-- KEYS[1]  lock of the type
-- KEYS[2]  who has opened a recount of it last
-- ARGV[1]  token of this recount
-- ARGV[2]  `open`, or the entries that were counted
-- Returns  `open`; { lock before, lock }; or { lock } as it is where somebody has written it since, or has opened a recount
-- Others that touch the lock: gocraft's fetch, finish, requeue and stale locks; the Go jobservice's requeue.
-- SET comes first: under memory pressure Redis refuses it, and then nothing at all has been written.
--- @include once

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
  return 'open'
end
-- Read before anything is written, for a user may lack the right to it.
local kept = redis.pcall('OBJECT', 'ENCODING', lock)
if type(kept) == 'table' then
  return redis.error_reply('NOPERM this user has no permission to run OBJECT on ' .. lock)
end
if kept ~= 'raw' or redis.call('GET', opened) ~= token then
  return { value }
end
if value ~= sum then
  redis.call('SET', lock, sum)
end
redis.call('DEL', opened)
return answerOnce({ value, sum })
