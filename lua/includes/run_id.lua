-- The run id of this Redis process; '' if INFO is not allowed. A scan cursor means nothing to another process.
local function runId()
  local info = redis.pcall('INFO', 'server')
  return type(info) == 'string' and string.match(info, 'run_id:(%w+)') or ''
end
