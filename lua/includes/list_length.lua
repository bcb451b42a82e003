-- The length of an in-progress list. A key of the wrong type holds no entry, and counts as empty. Without the right to read it, returns nil
-- and the error to reply.
local function lengthOf(key)
  local length = redis.pcall('LLEN', key)
  if type(length) == 'number' then
    return length
  end
  local found = redis.call('TYPE', key).ok
  if found == 'list' or found == 'none' then
    return nil, redis.error_reply('NOPERM this user has no permission to run LLEN on ' .. key)
  end
  return 0
end
