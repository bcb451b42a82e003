-- Puts a bounded number of entries of a dead pool back into their queue: same bytes, popped as the Go side pops them.
-- The check that the pool is dead and the move are one step (defect 1). The counters follow the entries: lock_info
-- becomes the true length of the list, the lock goes down with the entries and never below zero (defects 2 to 4).
--
-- KEYS[1]  set of pools
-- KEYS[2]  heartbeat of the pool
-- KEYS[3]  the pool's in-progress list of the type
-- KEYS[4]  queue of the type
-- KEYS[5]  lock of the type
-- KEYS[6]  lock_info of the type
-- ARGV[1]  pool id
-- ARGV[2]  age in ms below which a heartbeat is alive
-- ARGV[3]  heartbeat_at that made the pool a suspect, or the empty string
-- ARGV[4]  how many entries to move at the most
-- Returns  `alive`, or { moved, left }
-- Others that touch these keys: the Go jobservice's requeue; gocraft's fetch, finish, requeue and stale locks.
-- RPOPLPUSH comes first: under memory pressure Redis refuses it, and then nothing at all has been written.
--- @include alive

local pools, heartbeat, held, queue, lock, lockInfo = unpack(KEYS)
local pool, maxAge, seen, batch = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
if alive(pools, heartbeat, pool, maxAge, seen) then
  return 'alive'
end
local moved = 0
while moved < batch and redis.call('RPOPLPUSH', held, queue) do
  moved = moved + 1
end
local left = redis.call('LLEN', held)
if moved > 0 then
  -- pcall: a counter of the wrong type must not hold an entry back; rebuild_counters reports it.
  local locked = redis.pcall('GET', lock)
  if type(locked) ~= 'table' then
    redis.call('SET', lock, string.format('%d', math.max(0, (tonumber(locked or '') or 0) - moved)))
  end
  redis.pcall('HSET', lockInfo, pool, left)
end
return { moved, left }
