-- Asks Redis which commands the user of this script may run. It changes nothing. Redis before 7.0 cannot be asked: there the script
-- runs each command in a form that changes nothing.
--
-- KEYS[1]  {ns}:reaper:probe:<token> (string): before Redis 7.0 it exists while the script runs. Left out for a user who may not access it,
--          because Redis refuses a script with such a key. The keys in the questions are not declared, for the same reason
-- ARGV[n]  JSON of the nth question: [ [ command, argument, … ], whether it may be run, whether it needs a string in KEYS[1] ]
-- Reply    { 'asked', answer, … }: Redis was asked. An answer is 1 (allowed), 0 (refused) or -1 (unknown, or Redis has no such command)
--          { 'run', answer, … }: the commands were run
-- Also written by: no other script.

-- The wording differs between versions of Redis.
local REFUSALS = { 'NOPERM', "can't run this command", "can't access at least one of the keys" }
local canAsk = redis.acl_check_cmd ~= nil

local function ask(command)
  -- pcall: a command that this Redis does not have raises an error.
  local isKnown, isAllowed = pcall(redis.acl_check_cmd, unpack(command))
  return not isKnown and -1 or isAllowed and 1 or 0
end

local function run(command)
  local reply = redis.pcall(unpack(command))
  local text = type(reply) == 'table' and reply.err or ''
  for _, words in ipairs(REFUSALS) do
    if string.find(text, words, 1, true) then
      return 0
    end
  end
  local isUnknown = string.find(text, 'nknown Redis command', 1, true) or string.find(text, 'from script', 1, true)
  return isUnknown and -1 or 1
end

local holdsString = false
if not canAsk and KEYS[1] then
  local reply = redis.pcall('SET', KEYS[1], '1', 'PX', 1000)
  holdsString = type(reply) == 'table' and reply.ok ~= nil
end
local answers = { canAsk and 'asked' or 'run' }
for i = 1, #ARGV do
  local command, mayRun, needsString = unpack(cjson.decode(ARGV[i]))
  if canAsk then
    answers[i + 1] = ask(command)
  else
    answers[i + 1] = mayRun and (holdsString or not needsString) and run(command) or -1
  end
end
if holdsString then
  redis.pcall('DEL', KEYS[1])
end
return answers
