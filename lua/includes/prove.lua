-- Proves that Redis will take every write of a script, so that the script may begin with the first one: each key holds the
-- type that is needed, or nothing, and the user may run each command on it. Reads are proven with them: the answer names the
-- key, which Redis's own does not, and a read that comes after a write must not fail either. Memory needs no proof: Redis
-- refuses a script's first write when it has none left, and no later one; a replica, or a disk that is full, refuses the
-- first one likewise.
--
-- `uses`: a list of { key, type (false for any), command, … }. Returns the error to answer with, which names the key, or nil.
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

-- Redis before 7.0 can't be asked for rights from a script. Rights differ by command and by key there, not by both: TYPE has
-- proven the key, and each command is run in a form that changes nothing, on a key that only this script sees.
local function refusalBefore7(uses)
  local wanted, probe = {}, uses[1] and uses[1][1] .. '\0probe'
  for _, use in ipairs(uses) do
    for _, command in ipairs({ unpack(use, 3) }) do
      wanted[command] = wanted[command] or use[1]
    end
  end
  -- By a name in a variable: none of these is a command that the script itself needs.
  local function run(command, ...)
    local reply = redis.pcall(command, probe, ...)
    return type(reply) == 'table' and reply.err or ''
  end
  local function ask(command, ...)
    local text = run(command, ...)
    local refused = string.match(text, 'OOM .*') or string.match(text, 'READONLY .*') or string.match(text, 'MISCONF .*')
      or string.match(text, 'NOREPLICAS .*')
    if refused then
      return redis.error_reply(refused)
    elseif string.find(text, 'nknown Redis command', 1, true) then
      return redis.error_reply(string.format('ERR unknown command %s, which is needed on %s', command, wanted[command]))
    elseif string.find(text, "can't run this command", 1, true) then
      return notAllowed(command, wanted[command] or probe)
    end
    return nil
  end
  -- What may need memory comes first: Redis refuses none of it once a script has run any other write.
  local forms = {
    { 'SET', '1', 'NX', 'XX' }, { 'HSET', 'f', 'v', 'x' }, { 'ZADD', 'x', 'x' }, { 'SETRANGE', '0', '' },
    { 'HSETNX', 'f', 'v' }, { 'LPUSH', 'x' }, { 'RPUSH', 'x' }, { 'SADD', 'x' },
    { 'DEL' }, { 'EXISTS' }, { 'EXPIRE', 'x' }, { 'GET' }, { 'HDEL', 'f' }, { 'HGET', 'f' }, { 'HGETALL' }, { 'HLEN' },
    { 'HMGET', 'f' }, { 'HRANDFIELD', '1' }, { 'HSCAN', '0' }, { 'LINDEX', '0' }, { 'LLEN' }, { 'LPOP' },
    { 'LRANGE', '0', '0' }, { 'LREM', '0', 'x' }, { 'LTRIM', '0', '-1' }, { 'PERSIST' }, { 'SISMEMBER', 'x' },
    { 'SREM', 'x' }, { 'ZCARD' }, { 'ZRANGE', '0', '0' }, { 'ZRANGEBYSCORE', '0', '0' }, { 'ZREM', 'x' },
    { 'ZSCAN', '0' }, { 'ZSCORE', 'x' },
  }
  local creating = { HSETNX = true, LPUSH = true, RPUSH = true, SADD = true }
  for _, form in ipairs(forms) do
    if wanted[form[1]] then
      local refusal
      if creating[form[1]] then
        -- These create a key, whatever they are given: they are refused for the type of one that is there.
        refusal = ask('SET', '1', 'PX', 1) or ask(unpack(form))
        if run('DEL') ~= '' then
          run('UNLINK')
        end
      else
        refusal = ask(unpack(form))
      end
      if refusal then
        return refusal
      end
    end
  end
  return nil
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
  return not redis.acl_check_cmd and refusalBefore7(uses) or nil
end
