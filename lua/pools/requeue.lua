-- Puts a bounded number of entries of a dead pool back into their queue: same bytes, in the order in which the Go side
-- pops and pushes them one by one.
-- The check that the pool is dead and the move are one step (defect 1). The counters follow the entries: lock_info
-- becomes the true length of the list, the lock goes down with the entries and never below zero (defects 2 to 4).
-- Each recovery is noted; it stops before an entry whose job has been recovered too often (defect 10, `quarantine_entry`).
--
-- KEYS[1]  set of pools
-- KEYS[2]  heartbeat of the pool
-- KEYS[3]  the pool's in-progress list of the type
-- KEYS[4]  queue of the type
-- KEYS[5]  lock of the type
-- KEYS[6]  lock_info of the type
-- KEYS[7]  recoveries of jobs
-- KEYS[8]  who was recovered when
-- KEYS[9]  records of the quarantine
-- KEYS[10] gocraft's dead entries
-- ARGV[1]  pool id
-- ARGV[2]  age in ms below which a heartbeat is alive
-- ARGV[3]  heartbeat_at that made the pool a suspect, or the empty string
-- ARGV[4]  how many entries to move at the most; fewer where they are large
-- ARGV[5]  how often a job may be recovered within the window
-- ARGV[6]  the window (s)
-- ARGV[7]  token of the pass
-- Returns  `alive`, or { moved, left }, or { moved, left, id } of the job before whose entry, the next one, it has stopped;
--          { moved, left, '', fault } where the records of recoveries can't be written: the entries went uncounted
-- Others that touch these keys: the Go jobservice's requeue; gocraft's fetch, finish, requeue and stale locks. Of the
-- recoveries only scripts of ours: what gocraft's own reaper puts back is not counted.
-- LPUSH comes first: under memory pressure Redis refuses it, and then nothing at all has been written.
--- @include once
--- @include alive
--- @include counters
--- @include now
--- @include entry
--- @include recovery
--- @include stride

local pools, heartbeat, held, queue, lock, lockInfo, recoveries, recovered, quarantine, dead = unpack(KEYS)
local pool, maxAge, seen, batch, most, window = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5], ARGV[6]
local refusal = refusalOf(withCounters({
  { pools, 'set', 'SISMEMBER' },
  { heartbeat, 'hash', 'HGET' },
  { held, 'list', 'LRANGE', 'LTRIM', 'LLEN' },
  { queue, 'list', 'LPUSH' },
}, lock, lockInfo))
if refusal then
  return refusal
end
if alive(pools, heartbeat, pool, maxAge, seen) then
  return 'alive'
end
local uncounted = recordsRefusal(recoveries, recovered)
local death = deathOf(pool, seen, window, ARGV[7])
local moved, poison = 0, nil
-- Some entries, and the records of their jobs, are read and written in one call each, which is several times faster than one by
-- one.
local STEP, MOST = 1000000, 8000000
local size, stride = 0, FIRST_STRIDE
repeat
  local entries = redis.call('LRANGE', held, -math.min(stride, batch - moved), -1)
  stride = nextStride(stride, entries, STEP)
  local ids, asked, moving, noted = {}, {}, {}, {}
  for i = 1, #entries do
    ids[i] = not uncounted and countedJobOf(entries[i]) or false
    asked[#asked + 1] = ids[i] or nil
  end
  local texts = #asked > 0 and redis.call('HMGET', recoveries, unpack(asked)) or {}
  local n = #asked
  for i = #entries, 1, -1 do
    local id = ids[i]
    if id then
      local text = texts[n]
      n = n - 1
      if text and isPoison(entries[i], text, death, most) then
        text = countedOf(text, quarantine, dead, id)
        if isPoison(entries[i], text, death, most) then
          poison = id
          break
        end
      end
      noted[#noted + 1] = id
      noted[#noted + 1] = text and recoveryText(text, death) or death.first
    end
    moving[#moving + 1] = entries[i]
    size = size + #entries[i]
  end
  if #moving > 0 then
    redis.call('LPUSH', queue, unpack(moving))
    redis.call('LTRIM', held, 0, -#moving - 1)
    moved = moved + #moving
  end
  if not uncounted then
    noteRecoveries(recoveries, recovered, noted, death)
  end
until poison or moved == batch or #entries == 0 or size > MOST
local left = moved > 0 and countDownLocks(lock, lockInfo, pool, held, moved) or redis.call('LLEN', held)
if moved == 0 then
  return { moved, left, poison }
end
return answerOnce(uncounted and { moved, left, '', uncounted.err } or { moved, left, poison })
