-- Says what requeue and quarantine would do with a bounded number of entries of a dead pool. Writes nothing, and needs no
-- right to write.
--
-- KEYS[1]  set of pools
-- KEYS[2]  heartbeat of the pool
-- KEYS[3]  the pool's in-progress list of the type
-- KEYS[4]  queue of the type
-- KEYS[5]  recoveries of jobs
-- KEYS[6]  who was recovered when
-- KEYS[7]  records of the quarantine
-- KEYS[8]  gocraft's dead entries
-- ARGV[1]  pool id
-- ARGV[2]  age in ms below which a heartbeat is alive
-- ARGV[3]  heartbeat_at that made the pool a suspect, or the empty string
-- ARGV[4]  how many entries were looked at before, from the tail
-- ARGV[5]  how many to look at; fewer where they are large
-- ARGV[6]  how often a job may be recovered within the window
-- ARGV[7]  the window (s)
-- Returns  `alive`, or { how many were looked at, then for each entry of a poison job: how many of these come before it, id }
-- Others that touch these keys: as with requeue.
--- @include prove
--- @include alive
--- @include now
--- @include entry
--- @include recovery
--- @include stride

local pools, heartbeat, held, queue, recoveries, recovered, quarantine, dead = unpack(KEYS)
local pool, maxAge, seen, offset, count, most, window = unpack(ARGV)
local refusal = refusalOf({
  { pools, 'set', 'SISMEMBER' },
  { heartbeat, 'hash', 'HGET' },
  { held, 'list', 'LRANGE' },
  { queue, 'list' },
})
if refusal then
  return refusal
end
if alive(pools, heartbeat, pool, maxAge, seen) then
  return 'alive'
end
local isUncounted = refusalOf({ { recoveries, 'hash', 'HGET' }, { recovered, 'list' } })
local death = deathOf(pool, seen, window)
-- As requeue reads them: few large entries at once.
local STEP, MOST = 1000000, 8000000
local answer, size, stride = { 0 }, 0, FIRST_STRIDE
repeat
  local looked = offset + answer[1]
  local entries = redis.call('LRANGE', held, -looked - math.min(stride, count - answer[1]), -looked - 1)
  stride = nextStride(stride, entries, STEP)
  for i = #entries, 1, -1 do
    local id = not isUncounted and countedJobOf(entries[i])
    local text = id and redis.call('HGET', recoveries, id)
    if text and isPoison(entries[i], text, death, most)
      and isPoison(entries[i], countedOf(text, quarantine, dead, id), death, most) then
      answer[#answer + 1] = answer[1]
      answer[#answer + 1] = id
    end
    answer[1] = answer[1] + 1
    size = size + #entries[i]
  end
until #entries == 0 or answer[1] >= tonumber(count) or size > MOST
return answer
