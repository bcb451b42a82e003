-- Proves, before the first write of a script, that Redis will accept all of them: each key holds the needed type, or nothing, and
-- the user may run each command on it. Reads are proven too: this error names the key, which that of Redis does not, and a read
-- after a write must not fail either. Memory needs no proof: without memory Redis refuses the first write of a script, but no later
-- one. A replica, or a full disk, refuses the first write too.
--
-- `uses`: a list of { key, type (false for any), command, … }. `refusalOf(uses)` returns an error reply that names the key, or nil.
local function notAllowed(command, key)
  return redis.error_reply(string.format('NOPERM this user has no permission to run %s on %s', command, key))
end

-- In Redis before 7.0 a script cannot ask for rights. There, rights depend on the command and on the key, not on the pair. TYPE has
-- proven the key; each command runs in a form that changes nothing, on a key that only this script sees.
local function refusalBefore7(uses)
  local wanted, probe = {}, uses[1] and uses[1][1] .. '\0probe'
  for _, use in ipairs(uses) do
    for _, command in ipairs({ unpack(use, 3) }) do
      wanted[command] = wanted[command] or use[1]
    end
  end
  -- The command is a variable: these are not commands that the script itself needs.
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
  -- Commands that may need memory come first: after another write of the script, Redis would not refuse them.
  local forms = {
    { 'SET', '1', 'NX', 'XX' }, { 'HSET', 'f', 'v', 'x' }, { 'ZADD', 'x', 'x' }, { 'SETRANGE', '0', '' },
    { 'XADD', 'NOMKSTREAM', '*', 'f', 'v' }, { 'HSETNX', 'f', 'v' }, { 'LPUSH', 'x' }, { 'RPUSH', 'x' }, { 'SADD', 'x' },
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
        -- These create a key with any arguments. On a key of another type they are refused.
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

-- An error reply for a key that holds another type than the needed one, or nil.
local function wrongType(key, found, needed)
  if needed and found ~= 'none' and found ~= needed then
    return redis.error_reply(string.format('WRONGTYPE %s holds a %s, where a %s is needed', key, found, needed))
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
    local refusal = wrongType(key, found.ok, needed)
    if refusal then
      return refusal
    end
    if redis.acl_check_cmd then
      for i = 3, #use do
        -- pcall: a command that this Redis does not have, or that is renamed, raises an error. The key is repeated as the
        -- arguments, for some commands take several keys.
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
