-- Puts a bounded number of entries of a dead pool back into their queue: same bytes, popped as the Go side pops them.
-- The check that the pool is dead and the move are one step (defect 1). The counters follow the entries: lock_info
-- becomes the true length of the list, the lock goes down with the entries and never below zero (defects 2 to 4).
-- Each recovery is noted; it stops before an entry whose job has been recovered too often (defect 10, `quarantine`).
--
-- KEYS[1]  set of pools
-- KEYS[2]  heartbeat of the pool
-- KEYS[3]  the pool's in-progress list of the type
-- KEYS[4]  queue of the type
-- KEYS[5]  lock of the type
-- KEYS[6]  lock_info of the type
-- KEYS[7]  recoveries of jobs
-- KEYS[8]  who was recovered when
-- ARGV[1]  pool id
-- ARGV[2]  age in ms below which a heartbeat is alive
-- ARGV[3]  heartbeat_at that made the pool a suspect, or the empty string
-- ARGV[4]  how many entries to move at the most
-- ARGV[5]  how often a job may be recovered within the window
-- ARGV[6]  the window (s)
-- Returns  `alive`, or { moved, left }, or { moved, left, id } of the job before whose entry, the next one, it has stopped
-- Others that touch these keys: the Go jobservice's requeue; gocraft's fetch, finish, requeue and stale locks. Of the
-- recoveries only scripts of ours: what gocraft's own reaper puts back is not counted.
-- RPOPLPUSH comes first: under memory pressure Redis refuses it, and then nothing at all has been written.
--- @include alive
--- @include now
--- @include entry
--- @include recovery

local pools, heartbeat, held, queue, lock, lockInfo, recoveries, recovered = unpack(KEYS)
local pool, maxAge, seen, batch, most, window = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5], ARGV[6]
if alive(pools, heartbeat, pool, maxAge, seen) then
  return 'alive'
end
local death = deathOf(pool, seen, window)
local moved, poison = 0, nil
-- The records of a hundred jobs are read, and written, in one call each; no more, for an entry may be large.
local STRIDE = 100
repeat
  local entries = redis.call('LRANGE', held, -math.min(STRIDE, batch - moved), -1)
  local ids, asked, texts, noted = {}, {}, {}, {}
  for i = 1, #entries do
    ids[i] = countedJobOf(entries[i]) or false
    if ids[i] then
      asked[#asked + 1] = ids[i]
    end
  end
  -- pcall: a record of the wrong type must not hold an entry back.
  local found = #asked > 0 and redis.pcall('HMGET', recoveries, unpack(asked)) or {}
  for n, id in ipairs(asked) do
    texts[id] = found[n]
  end
  for i = #entries, 1, -1 do
    local id = ids[i]
    if id and isPoison(entries[i], texts[id], death, most) then
      poison = id
      break
    end
    redis.call('RPOPLPUSH', held, queue)
    moved = moved + 1
    if id then
      noted[id] = recoveryText(texts[id], death)
    end
  end
  noteRecoveries(recoveries, recovered, noted, death)
until poison or moved == batch or #entries == 0
local left = redis.call('LLEN', held)
if moved > 0 then
  -- pcall: a counter of the wrong type must not hold an entry back; rebuild_counters reports it.
  local locked = redis.pcall('GET', lock)
  if type(locked) ~= 'table' then
    redis.call('SET', lock, string.format('%d', math.max(0, (tonumber(locked or '') or 0) - moved)))
  end
  redis.pcall('HSET', lockInfo, pool, left)
end
return { moved, left, poison }
