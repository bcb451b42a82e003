--- @include audit
--- @include now
--- @include rank
--- @include hook_record

-- What the undo of an act compares and restores. It gets the facts of the entry: `was`, before the act, and `is`, what the act changed
-- (null for a fact that it removed).

-- The facts that differ from what the act has left, as { name, then, now, … }; '' for a missing one. Empty if nothing has moved.
local function movedFacts(now, was, is, names)
  local moved = {}
  for _, name in ipairs(names) do
    local left = was[name]
    if is[name] ~= nil then
      left = is[name] ~= cjson.null and is[name] or nil
    end
    if left ~= now[name] then
      moved[#moved + 1] = name
      moved[#moved + 1] = left or ''
      moved[#moved + 1] = now[name] or ''
    end
  end
  return moved
end

local function movedReply(...)
  return { 'moved', ... }
end

-- What `refusalOf` has to prove before restoreFacts and restoreHook may be called.
local function usesOfRestore(stats, track, hooks, parked, due)
  return { stats, 'hash', 'HMGET', 'HSET', 'HDEL', 'EXPIRE', 'PERSIST' }, { track, 'hash', 'HGET', 'HSET', 'HDEL' },
    { hooks, 'hash', 'HGET', 'HDEL' }, { parked, 'zset', 'ZREM' }, { due, 'zset', 'ZSCORE', 'ZREM' }
end

-- Whether the endpoint has acknowledged the state in the facts `now` since the act.
local function isAcknowledgedSince(now, was)
  local read, ack = pcall(cjson.decode, now.ack or '')
  return now.ack ~= was.ack and read and type(ack) == 'table' and ack.status == now.status
    and tonumber(ack.revision or 0) == (tonumber(now.revision or '') or 0)
end

-- Writes the facts from before the act. `now` is what the act has left. update_time becomes `time`, which is now (read before the
-- first write), as with every change of a status: else the next sweep would find the job as hung as before. An acknowledgement of the
-- undone state goes; one of an older state, which came since, stays.
local function restoreFacts(stats, track, id, was, now, time)
  redis.call('HSET', stats, 'status', was.status or '', 'update_time', time)
  for _, name in ipairs(isAcknowledgedSince(now, was) and { 'revision', 'ack' } or { 'revision' }) do
    if was[name] then
      redis.call('HSET', stats, name, was[name])
    else
      redis.call('HDEL', stats, name)
    end
  end
  if was.tracked then
    redis.call('HSET', track, id, was.tracked)
  else
    redis.call('HDEL', track, id)
  end
  if rank(was.status) == 3 then
    redis.call('EXPIRE', stats, was.status == 'Error' and 604800 or 86400)
  else
    redis.call('PERSIST', stats)
  end
end

-- What the endpoint knows of the state that is undone, and whether its record can be removed:
--   `sending` (a host sends it now), `unsent` (no host has tried), `tried` (it was tried, without an answer that counts), `sent` (the
--   endpoint has confirmed it), `none` (no record: the job has no endpoint, or nothing is known)
local function hookOfUndone(record, due, id, now, was)
  if record and isClaimed(record) and (tonumber(redis.call('ZSCORE', due, id) or '') or 0) > redisMs() then
    return 'sending'
  elseif isAcknowledgedSince(now, was) then
    return 'sent'
  elseif not record or record.state ~= string.gsub(now.status or '', '%s', '_') .. ':' .. string.format('%d', tonumber(now.revision or '') or 0) then
    return 'none'
  end
  return record.attempts > 0 and 'tried' or 'unsent'
end

-- Whether the job and its hook are as an act of a status has left them. `seen`: the record of the hook that the caller has
-- read. Returns what the endpoint knows of the state that is undone (`hookOfUndone`), or nil and the reply that names what has
-- moved.
local function unmovedHook(hooks, due, id, seen, before, was, is)
  local moved = movedFacts(before, was, is, { 'status', 'revision', 'update_time', 'check_in_at' })
  if #moved > 0 then
    return nil, movedReply(unpack(moved))
  end
  local text = redis.call('HGET', hooks, id) or ''
  if text ~= seen then
    return nil, movedReply('hook', seen, text)
  end
  return hookOfUndone(readRecord(text), due, id, before, was)
end

-- Removes the record of a hook, which no host has to send now.
local function forgetHook(hooks, parked, due, id)
  redis.call('HDEL', hooks, id)
  redis.call('ZREM', parked, id)
  redis.call('ZREM', due, id)
end
