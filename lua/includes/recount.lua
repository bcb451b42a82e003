-- The mark of a recount in steps, {ns}:reaper:recount:<type>: its token and the lock as it stood when it was opened, a line each. The lock
-- may have been empty, which `open_recount` cannot keep.
--
-- Returns the lock as it stood; nil if another recount, or none, is open.
local function markedLock(opened, token)
  local mark = redis.call('GET', opened) or ''
  return string.sub(mark, 1, #token + 1) == token .. '\n' and string.sub(mark, #token + 2) or nil
end
