--- @include prove

-- Comes before a script whose acts are recorded in the audit stream, in the step of the act itself (docs/adr/0012-audit.md).
--
-- KEYS[1]  {ns}:reaper:audit (stream); removed from KEYS, so the script does not see it
-- KEYS[2]  {ns}:reaper:audit:kept:<token> (string): where the script keeps what an undo needs and no entry may hold; only if the
--          context says so; removed from KEYS
-- ARGV[1]  the context, removed from ARGV: `audit:<most entries>`, who, pass, why, job type, and `keeps` or '', separated by tabs
-- Both are left out for a call that is not recorded: a plan, a worker host, or `audit.maxEntries` 0. A bare `audit:` means the same,
-- and comes before an argument that looks like a context.
--
-- A stream that cannot be written must not stop a rescue: the act is done without an entry, and the reply says why.
local LONGEST, KEPT_FOR = 512, 2592000
local auditing
do
  local context = ARGV[1] or ''
  if string.sub(context, 1, 6) == 'audit:' then
    table.remove(ARGV, 1)
    local stream = table.remove(KEYS, 1)
    local most, who, pass, why, jobType, keeps = string.match(context, '^audit:(%d+)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)$')
    if most then
      auditing = { stream = stream, most = most, who = who, pass = pass, why = why, type = jobType }
      auditing.kept = keeps == 'keeps' and table.remove(KEYS, 1) or nil
      local refusal = refusalOf({ { stream, 'stream', 'XADD' }, auditing.kept and { auditing.kept, 'string', 'SET' } or nil })
      auditing.refused = refusal and refusal.err
    end
  end
end

-- The count of a job in the tracking hash; nil for none. Never raises an error, whatever the key holds.
local function countOf(track, id)
  local count = redis.pcall('HGET', track, id)
  return type(count) == 'string' and count or nil
end

-- The facts of a job that an undo compares. Never raises an error, whatever the keys hold.
local AUDITED = { 'status', 'revision', 'update_time', 'check_in_at', 'ack' }
local function factsOf(stats, track, id)
  local facts, values = { tracked = countOf(track, id) }, redis.pcall('HMGET', stats, unpack(AUDITED))
  for i, name in ipairs(AUDITED) do
    facts[name] = values[i] or nil
  end
  return facts
end

-- The same, read before the first write of an act; nil if the act is not recorded.
local function auditedFacts(stats, track, id)
  return auditing and not auditing.refused and factsOf(stats, track, id) or nil
end

-- What `writeStatus` has changed, without another look at the stats.
local function changedStatus(was, track, id, status, time, revision)
  local count, is = countOf(track, id), { status = status, update_time = string.format('%d', time) }
  is.revision = revision ~= was.revision and revision or nil
  if count ~= was.tracked then
    is.tracked = count or cjson.null
  end
  return is
end

-- The facts after an act that differ from those before; null for one that is gone.
local function changedFacts(was, is)
  local changed = {}
  for name in pairs(was) do
    changed[name] = is[name] == nil and cjson.null or nil
  end
  for name, value in pairs(is) do
    changed[name] = was[name] ~= value and value or changed[name]
  end
  return changed
end

-- As many of these ids as fit into an entry, one a line. An id with a line end would read as two.
local function listOfIds(ids)
  local size, some = 0, {}
  for _, id in ipairs(ids) do
    if size + #id < 3000 and not string.find(id, '\n', 1, true) then
      size = size + #id + 1
      some[#some + 1] = id
    end
  end
  return table.concat(some, '\n')
end

-- Records an act that was done, and returns the reply of the script.
--
-- act: what (a code); of what: job, pool, type (else that of the context, where white space is lost); before and after: was, is (facts by name; left out for none); of several entries or hooks: n
--      (how many), ids (a list); of (the entry that an undo has undone)
-- keep: a text that an undo needs, kept for 30 days; or nil
local function recorded(reply, act, keep)
  if not auditing then
    return reply
  elseif auditing.refused then
    return { 'unaudited', auditing.refused, reply }
  end
  local fields = { 'who', auditing.who, 'pass', auditing.pass, 'what', act.what, 'why', auditing.why }
  local function add(name, value)
    if value and value ~= '' then
      fields[#fields + 1] = name
      -- What is cut cannot be undone, and an undo must not take the rest for the whole.
      fields[#fields + 1] = #value > LONGEST and name ~= 'ids' and string.sub(value, 1, LONGEST) .. '\226\128\166' or value
    end
  end
  add('job', act.job)
  add('pool', act.pool)
  add('type', act.type or auditing.type)
  add('of', act.of)
  add('n', act.n and string.format('%d', act.n))
  add('ids', act.ids and listOfIds(act.ids))
  for _, name in ipairs({ 'was', 'is' }) do
    local text = act[name] and next(act[name]) ~= nil and cjson.encode(act[name]) or nil
    add(#(text or '') > LONGEST and 'cut' or name, text)
  end
  keep = auditing.kept and keep
  add('kept', keep and auditing.kept)
  -- pcall: a stream whose last id is the highest takes no entry.
  local added = redis.pcall('XADD', auditing.stream, 'MAXLEN', '~', auditing.most, '*', unpack(fields))
  if added.err then
    return { 'unaudited', auditing.stream .. ': ' .. added.err, reply }
  elseif keep then
    redis.call('SET', auditing.kept, keep, 'EX', KEPT_FOR)
  end
  return reply
end
