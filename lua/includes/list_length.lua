-- The length of an in-progress list. One of the wrong type holds no entry, and counts as none. Where the user may not ask, nil
-- and the error to answer with.
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
