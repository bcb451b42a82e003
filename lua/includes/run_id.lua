-- Which process of Redis this is; the empty string where INFO is not allowed. A cursor of HSCAN is worth nothing to another.
local function runId()
  local info = redis.pcall('INFO', 'server')
  return type(info) == 'string' and string.match(info, 'run_id:(%w+)') or ''
end
