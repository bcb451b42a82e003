--- @include prove

-- Runs before a script whose reply may get lost. If a call is sent again with its token, it repeats the first reply and changes
-- nothing. This comes before every other check: by then the job may have changed, and another host may have the lease.
--
-- KEYS[1]  {ns}:reaper:changes:<id>, {ns}:reaper:answers:<token> or {ns}:reaper:hooks:claim:<token> (string): the latest changes,
--          the newest first, a line each: the token, and the reply as JSON in a list. Several, for others may change the job before
--          the first call is sent again. Removed from KEYS, so the script does not see it
-- ARGV[1]  `once:<token>`; removed from ARGV
-- Both are left out for a call that is never sent again. A bare `once:` means the same, and comes before an argument that looks
-- like a token.
local latestChanges, token
local function answerBefore()
  if string.sub(ARGV[1] or '', 1, 5) ~= 'once:' then
    return nil
  end
  latestChanges, token = table.remove(KEYS, 1), table.remove(ARGV, 1)
  if token == 'once:' then
    token = nil
    return nil
  end
  local refused = refusalOf({ { latestChanges, 'string', 'GET', 'SET' } })
  if refused then
    return refused
  end
  for known, answer in string.gmatch(redis.call('GET', latestChanges) or '', '(%S+) ([^\n]+)') do
    if known == token then
      return cjson.decode(answer)[1]
    end
  end
  return nil
end

-- Keeps and returns the reply of a script that has changed something. A refusal is not kept: the call decides again when it is
-- sent again. Kept for `ms`; by default for longer than any host retries (`src/lifecycle/lifecycle.ts`: 5 min).
local function answerOnce(answer, ms)
  if token then
    local lines = { token .. ' ' .. cjson.encode({ answer }) }
    for line in string.gmatch(redis.call('GET', latestChanges) or '', '[^\n]+') do
      if #lines < 16 then
        lines[#lines + 1] = line
      end
    end
    redis.call('SET', latestChanges, table.concat(lines, '\n'), 'PX', ms or 600000)
  end
  return answer
end

do
  local before = answerBefore()
  if before then
    return before
  end
end
