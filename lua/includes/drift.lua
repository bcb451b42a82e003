--- @include count
--- @include list_length

-- By how much a counter is wrong. A fetch and a finish change the counter and its list together, so they leave this as it is.
local function errorOf(count, truth)
  local number = countIn(count)
  local by = string.format('%.0f', number - truth)
  return string.format('%.0f', number) == count and by or by .. ' ' .. count
end

-- Compares the counters of a type with its in-progress lists, which are KEYS from the third on, of the pools in ARGV. One more ARGV asks
-- for a fingerprint, which says how much each counter is wrong. Returns { truth: pool → length, counted: pool → count in lock_info,
-- before: the lock, sum: what it should be, fields: how many are wrong, fingerprint, reply: the reply of rebuild_counters }; or nil
-- and another reply.
local function readDrift(lock, lockInfo)
  local pools = #KEYS - 2
  if redis.call('HLEN', lockInfo) > 1000 then
    return nil, { 'many' }
  end
  local truth, sum = {}, 0
  for i = 1, pools do
    local length, refusal = lengthOf(KEYS[i + 2])
    if not length then
      return nil, refusal
    end
    truth[ARGV[i]] = length
    sum = sum + length
  end
  local counted, unknown = {}, { 'unknown' }
  local flat = redis.call('HGETALL', lockInfo)
  for i = 1, #flat, 2 do
    counted[flat[i]] = flat[i + 1]
    if not truth[flat[i]] then
      unknown[#unknown + 1] = flat[i]
    end
  end
  if #unknown > 1 then
    return nil, unknown
  end
  local before, fields, off = redis.call('GET', lock) or '0', 0, 0
  -- Of many wrong fields, the texts for it would take a third of the time.
  local asksPrint, errors = ARGV[pools + 1] ~= nil, {}
  for pool, length in pairs(truth) do
    local count = counted[pool] or '0'
    if count ~= tostring(length) then
      fields = fields + 1
      off = off + math.abs(countIn(count) - length)
      if asksPrint then
        errors[fields] = string.format('%d %s %s', #pool, pool, errorOf(count, length))
      end
    end
  end
  local reply = { 'rebuilt', before, tostring(sum), fields, string.format('%.0f', countIn(before) - sum), string.format('%.0f', off) }
  local fingerprint = nil
  if asksPrint then
    table.sort(errors)
    fingerprint = redis.sha1hex(errorOf(before, sum) .. '\n' .. table.concat(errors, '\n'))
    reply[7] = fingerprint
  end
  return { truth = truth, counted = counted, before = before, sum = sum, fields = fields, fingerprint = fingerprint, reply = reply }
end
