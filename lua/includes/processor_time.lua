-- The processor time of this Redis in µs, with that of its I/O threads; nil if INFO is not allowed. It stands still while the
-- machine runs other programs. In Redis 7.2 and some later versions, scripts have no clock that runs.
local function processorTime()
  local info = redis.pcall('INFO', 'cpu')
  local system, user = nil, nil
  if type(info) == 'string' then
    system, user = string.match(info, 'used_cpu_sys:([%d.]+)'), string.match(info, 'used_cpu_user:([%d.]+)')
  end
  return system and user and 1e6 * (system + user)
end

local startedAt = processorTime()
-- How much of it this script has taken, or nil.
local function timeTaken()
  return startedAt and processorTime() - startedAt
end
