-- The facts that a verdict is based on, and their fingerprint. A script that acts gets the fingerprint of the judged facts, and
-- compares it with that of the facts in Redis: so no change of any field, or of any byte, is missed. `parameters` is not among
-- them: it can be large, and confidential. `src/io/jobs/stats.ts` makes the same fingerprint of the facts that were read.
local FIELDS = { 'id', 'status', 'kind', 'name', 'update_time', 'check_in_at', 'revision', 'enqueue_time', 'run_at',
  'ack', 'web_hook_url' }

-- Returns the values of FIELDS (false for a missing field), or `nothing` (no stats), or `unreadable` (a key of another type).
local function readFacts(key)
  local values = redis.pcall('HMGET', key, unpack(FIELDS))
  if values.err then
    -- Another error says nothing about the job: call raises it.
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
