-- Requeues a bounded number of entries of a dead pool, of one type after the other: the same bytes, in the order in which the Go side moves
-- them one by one.
-- Moving them and the check that the pool is dead are one step (defect 1). The counters follow: lock_info becomes the length of the
-- list, and the lock decreases with the entries, never below zero (defects 2 to 4). Each recovery is recorded. It stops before an
-- entry whose job has been recovered too often (defect 10), which `quarantine_entry` takes.
--
-- It is one step with many keys, on purpose. The pool may come alive between any two steps, and a death of this process would leave
-- entries without their count, or a recovery that nothing counts: then a poison job would kill workers again and again.
--
-- KEYS[1]  {ns}:worker_pools (set)
-- KEYS[2]  {ns}:worker_pools:<pool> (hash): its heartbeat
-- KEYS[3]  {ns}:reaper:recoveries (hash)
-- KEYS[4]  {ns}:reaper:recovered (list)
-- KEYS[5]  {ns}:reaper:quarantine (hash)
-- KEYS[6]  {ns}:dead (zset)
-- KEYS[7]  {ns}:reaper:rescues:<pool> (string): `includes/rescue_note.lua`
-- KEYS[8…] for each type: {ns}:jobs:<type>:<pool>:inprogress (list), {ns}:jobs:<type> (list): the queue, {ns}:jobs:<type>:lock (string),
--          {ns}:jobs:<type>:lock_info (hash)
-- ARGV[1]  pool id
-- ARGV[2]  age in ms below which a heartbeat is alive
-- ARGV[3]  heartbeat_at that made the pool a suspect; '' for none
-- ARGV[4]  how many entries to move in all; fewer if they are large
-- ARGV[5]  how often a job may be recovered within the window
-- ARGV[6]  the window (s)
-- ARGV[7]  token of the pass
-- ARGV[8…] the types
-- ARGV[…]  for a planned rescue, which has one type: the marks of the next entries (`includes/mark.lua`), the first entry of the list first,
--          and the index of that one in the list; left out otherwise
-- Reply    { 'alive' }
--          { 'moved', { for each type that was begun: { how many, how many are left } }, id of the poison job whose entry is next in the
--            last of them ('' for none), why the recoveries could not be recorded ('' if they were) }. It stops before an entry whose
--            mark is not the planned one.
-- Repeats its first reply when it is sent again (`includes/once.lua`). Recorded as one act for each type (`includes/audit.lua`).
-- Also written by: gocraft (fetch, finish, requeue, stale locks), the Go jobservice (requeue). What gocraft's own reaper requeues
-- is not counted as a recovery.
-- LPUSH is the first write, because Redis refuses it under memory pressure, and then nothing has been written.
--- @include once
--- @include alive
--- @include counters
--- @include now
--- @include entry
--- @include recovery
--- @include stride
--- @include audit
--- @include mark
--- @include rescue_note

local pools, heartbeat, recoveries, recovered, quarantine, dead, noteKey = unpack(KEYS)
local pool, maxAge, seen, batch, maxRecoveries, window = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5], ARGV[6]
local types, uses = {}, { { pools, 'set', 'SISMEMBER' }, { heartbeat, 'hash', 'HGET' } }
for i = 8, #KEYS, 4 do
  local held, queue, lock, lockInfo = unpack(KEYS, i, i + 3)
  types[#types + 1] = { name = ARGV[8 + #types], held = held, queue = queue, lock = lock, lockInfo = lockInfo }
  uses[#uses + 1] = { held, 'list', 'LRANGE', 'LTRIM', 'LLEN' }
  uses[#uses + 1] = { queue, 'list', 'LPUSH' }
  withCounters(uses, lock, lockInfo)
end
local marks, marksFrom = ARGV[8 + #types], tonumber(ARGV[9 + #types])
local refusal = refusalOf(uses)
if refusal then
  return refusal
end
if alive(pools, heartbeat, pool, maxAge, seen) then
  return { 'alive' }
end
local uncounted = recordsRefusal(recoveries, recovered)
local note = writableNote(noteKey)
local death = deathOf(pool, seen, window, ARGV[7])
-- Reads and writes several entries and records with one command each, which is several times faster. A script stops when the entries that it
-- has moved are larger than its batch would be with 1.5 kB an entry: larger ones take longer.
local STEP, MOST = 1000000, math.min(8000000, 1500 * batch)
local size, stride = 0, FIRST_STRIDE
-- The recoveries of some hundred entries ({ id, text, … }) that are not recorded yet: one record for several types takes much less time.
local updates = {}
local function record()
  if not uncounted then
    recordRecoveries(recoveries, recovered, updates, death)
    updates = {}
  end
end

-- Whether an entry is as planned. `taken`: how many entries were behind it in its list.
local last = marksFrom and redis.call('LLEN', types[1].held) - 1
local function isPlanned(does, entry, taken)
  local from = marksFrom and (last - taken - marksFrom) * MARK
  return not from or string.sub(marks, from + 1, from + MARK) == markOf(does, entry)
end

-- Moves up to `most` entries of a type. Returns how many, the poison job whose entry is next, and the jobs of the entries.
local function moveEntries(held, queue, most)
  local moved, poison, jobs, isStopped = 0, nil, {}, false
  -- The entries of the type before say nothing of the size of these.
  stride = math.min(stride, FIRST_STRIDE)
  repeat
    local asked = math.min(stride, most - moved)
    local entries = redis.call('LRANGE', held, -asked, -1)
    stride = nextStride(stride, entries, STEP)
    local ids, counted, moving = {}, {}, {}
    for i = 1, #entries do
      ids[i] = not uncounted and countedJobOf(entries[i]) or false
      counted[#counted + 1] = ids[i] or nil
    end
    local texts = #counted > 0 and redis.call('HMGET', recoveries, unpack(counted)) or {}
    local n = #counted
    for i = #entries, 1, -1 do
      local id, does, text = ids[i], 'r', nil
      if id then
        text = texts[n]
        n = n - 1
        if text and isPoison(entries[i], text, death, maxRecoveries) then
          text = countedOf(text, quarantine, dead, id)
          does = isPoison(entries[i], text, death, maxRecoveries) and 'q' or 'r'
        end
      end
      local isAsPlanned = isPlanned(does, entries[i], moved + #moving)
      if does == 'q' or not isAsPlanned then
        poison, isStopped = isAsPlanned and id or nil, true
        break
      end
      if id then
        jobs[#jobs + 1] = id
        updates[#updates + 1] = id
        updates[#updates + 1] = text and recoveryText(text, death) or death.first
      end
      moving[#moving + 1] = entries[i]
      size = size + #entries[i]
    end
    if #moving > 0 then
      redis.call('LPUSH', queue, unpack(moving))
      redis.call('LTRIM', held, 0, -#moving - 1)
      moved = moved + #moving
    end
    if #updates > 500 then
      record()
    end
  until isStopped or moved == most or #entries < asked or size > MOST
  return moved, poison, jobs
end

local sum, counts, acts, poison = 0, {}, {}, nil
for _, of in ipairs(types) do
  local moved, jobs
  moved, poison, jobs = moveEntries(of.held, of.queue, batch - sum)
  sum = sum + moved
  local left = moved > 0 and countDownLocks(of.lock, of.lockInfo, pool, of.held, moved) or redis.call('LLEN', of.held)
  counts[#counts + 1] = { moved, left }
  acts[#acts + 1] = moved > 0 and { what = 'requeue', pool = pool, type = of.name, n = moved, ids = jobs,
    was = { entries = tostring(left + moved) }, is = { entries = tostring(left) } } or nil
  if left > 0 or sum == batch or size > MOST then
    break
  end
end
record()
local reply = { 'moved', counts, poison or '', sum > 0 and uncounted and uncounted.err or '' }
if sum == 0 then
  return reply
end
writeNote(note)
local answer = answerOnce(reply)
for _, act in ipairs(acts) do
  answer = recorded(reply, act)
end
return answer
