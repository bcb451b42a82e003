-- Proves that Redis will take every write of a script, so that the script may begin with the first one: each key holds the
-- type that is needed, or nothing, and the user may run each command on it. Reads are proven with them: the answer names the
-- key, which Redis's own does not, and a read that comes after a write must not fail either. Memory needs no proof: Redis
-- refuses a script's first write when it has none left, and no later one; a replica, or a disk that is full, refuses the
-- first one likewise.
--
-- `uses`: a list of { key, type (false for any), command, … }. Returns the error to answer with, which names the key, or nil.
-- Redis before 7.0 can't be asked for rights from a script: there, `doctor` asks for them before the first pass.
local function notAllowed(command, key)
  return redis.error_reply(string.format('NOPERM this user has no permission to run %s on %s', command, key))
end


-- What a plan proves of them: the types of the keys, for it needs no right to write.
local function typesOf(uses)
  local types = {}
  for _, use in ipairs(uses) do
    types[#types + 1] = { use[1], use[2] }
  end
  return types
end

local function refusalOf(uses)
  for _, use in ipairs(uses) do
    local key, needed = use[1], use[2]
    local found = redis.pcall('TYPE', key)
    if found.err then
      return notAllowed('TYPE', key)
    end
    if needed and found.ok ~= 'none' and found.ok ~= needed then
      return redis.error_reply(string.format('WRONGTYPE %s holds a %s, where a %s is needed', key, found.ok, needed))
    end
    if redis.acl_check_cmd then
      for i = 3, #use do
        -- pcall: a command that this Redis does not have, or has under another name, raises an error. The arguments are the
        -- key again, for some commands take several keys.
        local isKnown, isAllowed = pcall(redis.acl_check_cmd, use[i], key, key, key)
        if not isKnown then
          return redis.error_reply(string.format('ERR unknown command %s, which is needed on %s', use[i], key))
        end
        if not isAllowed then
          return notAllowed(use[i], key)
        end
      end
    end
  end
  return nil
end
