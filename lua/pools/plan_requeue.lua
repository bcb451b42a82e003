-- Reports what requeue and quarantine_entry would do with a bounded number of entries of a dead pool. Writes nothing, and needs no right to
-- write.
--
-- KEYS[1]  {ns}:worker_pools (set)
-- KEYS[2]  {ns}:worker_pools:<pool> (hash): its heartbeat
-- KEYS[3]  {ns}:jobs:<type>:<pool>:inprogress (list)
-- KEYS[4]  {ns}:jobs:<type> (list): the queue
-- KEYS[5]  {ns}:reaper:recoveries (hash)
-- KEYS[6]  {ns}:reaper:recovered (list)
-- KEYS[7]  {ns}:reaper:quarantine (hash)
-- KEYS[8]  {ns}:dead (zset)
-- ARGV[1]  pool id
-- ARGV[2]  age in ms below which a heartbeat is alive
-- ARGV[3]  heartbeat_at that made the pool a suspect; '' for none
-- ARGV[4]  how many entries were read before, from the beginning of the list: other reapers take entries from its end
-- ARGV[5]  how many entries to read; fewer if they are large
-- ARGV[6]  how often a job may be recovered within the window
-- ARGV[7]  the window (s)
-- ARGV[8]  token of the pass
-- Reply    { 'alive' }
--          { 'read', how many entries were read, { for each entry of a poison job: how many of them precede it, its id },
--            their marks (`includes/mark.lua`), the first entry of the list first }
-- Also written by: as for requeue.
--- @include prove
--- @include alive
--- @include now
--- @include entry
--- @include recovery
--- @include stride
--- @include mark

local pools, heartbeat, held, queue, recoveries, recovered, quarantine, dead = unpack(KEYS)
local pool, maxAge, seen, offset, limit, maxRecoveries, window, pass = unpack(ARGV)
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
  return { 'alive' }
end
local isUncounted = refusalOf({ { recoveries, 'hash', 'HGET' }, { recovered, 'list' } })
local death = deathOf(pool, seen, window, pass)
-- Reads them as requeue does: few large entries at once.
local STEP, MOST = 1000000, math.min(8000000, 1500 * limit)
local count, poison, marks, size, stride = 0, {}, {}, 0, FIRST_STRIDE
repeat
  local before = offset + count
  local entries = redis.call('LRANGE', held, before, before + math.min(stride, limit - count) - 1)
  stride = nextStride(stride, entries, STEP)
  for i = 1, #entries do
    local id = not isUncounted and countedJobOf(entries[i])
    local text = id and redis.call('HGET', recoveries, id)
    local does = 'r'
    if text and isPoison(entries[i], text, death, maxRecoveries)
      and isPoison(entries[i], countedOf(text, quarantine, dead, id), death, maxRecoveries) then
      poison[#poison + 1] = count
      poison[#poison + 1] = id
      does = 'q'
    end
    count = count + 1
    marks[count] = markOf(does, entries[i])
    size = size + #entries[i]
  end
until #entries == 0 or count >= tonumber(limit) or size > MOST
return { 'read', count, poison, table.concat(marks) }
