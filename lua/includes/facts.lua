-- The fields of a job's stats that a verdict is reached from, and a fingerprint of them. A script that acts takes the
-- fingerprint of what was judged and compares it with what stands in Redis now: one rule for "did the job move
-- meanwhile", blind to no field and to no byte. `parameters` is not read: it can be large, and holds what nobody else
-- should see.
local FIELDS = { 'id', 'status', 'kind', 'name', 'update_time', 'check_in_at', 'revision', 'enqueue_time', 'run_at',
  'ack', 'web_hook_url' }

-- Returns the values of FIELDS (false where a field is missing), or a word: `nothing` or `unreadable`.
local function readFacts(key)
  local values = redis.pcall('HMGET', key, unpack(FIELDS))
  if values.err then
    -- Of another type. What Redis refuses for another reason says nothing about the job.
    return string.find(values.err, 'WRONGTYPE', 1, true) and 'unreadable' or redis.call('HMGET', key, unpack(FIELDS))
  end
  for i = 1, #FIELDS do
    if values[i] then
      return values
    end
  end
  return redis.call('EXISTS', key) == 1 and values or 'nothing'
end

local function fingerprint(values)
  if type(values) == 'string' then
    return values
  end
  local parts = {}
  for i = 1, #FIELDS do
    local value = values[i]
    parts[i] = value and #value .. ':' .. value or '-'
  end
  return redis.sha1hex(table.concat(parts))
end
