--- @include prove

-- What goes before a script whose answer may get lost: it is sent again with the same token, and then gives the answer that
-- it gave the first time and changes nothing. That comes before every other check: by the time that it is sent again, the
-- job may have moved on, and the lease may be another's.
-- The first key and the first argument are that of the latest changes (of a job, or this one alone) and `once:<token>`; the
-- script does not see them. A call without them (nothing that begins with `once:`) is one that nobody sends again; neither
-- is one with a bare `once:`, which comes before an argument that could be taken for a token.
--
-- latest changes (string): a line each, the newest first: token and, as JSON, the answer in a list. Several, for a job may be
-- changed by others before the first one is asked for again.
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

-- Keeps the answer of a script that has changed something, and gives it. A refusal is not kept: sent again, it is decided
-- again. Kept for `ms`, or for longer than anybody tries (`src/lifecycle/lifecycle.ts`: 5 min).
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
