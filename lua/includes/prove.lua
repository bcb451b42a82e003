-- Proves that Redis will take every write of a script, so that the script may begin with the first one: each key holds the
-- type that is needed, or nothing, and the user may run each command on it. Memory needs no proof: Redis refuses a script's
-- first write when it has none left, and no later one; a replica, or a disk that is full, refuses the first one likewise.
--
-- `writes`: a list of { key, type, command, … }. Returns the error to answer with, which names the key, or nil.
-- Redis before 7.0 can't be asked for rights from a script: there, `doctor` asks for them before the first pass.
local function refusalOf(writes)
  for _, write in ipairs(writes) do
    local key, needed = write[1], write[2]
    local found = redis.call('TYPE', key).ok
    if found ~= 'none' and found ~= needed then
      return redis.error_reply(string.format('WRONGTYPE %s holds a %s, where a %s is needed', key, found, needed))
    end
    if redis.acl_check_cmd then
      for i = 3, #write do
        -- pcall: a command that this Redis does not have, or has under another name, raises an error.
        local isKnown, isAllowed = pcall(redis.acl_check_cmd, write[i], key, '0', '0')
        if not isKnown then
          return redis.error_reply(string.format('ERR unknown command %s, which is needed on %s', write[i], key))
        end
        if not isAllowed then
          return redis.error_reply(string.format('NOPERM this user has no permission to run %s on %s', write[i], key))
        end
      end
    end
  end
  return nil
end
