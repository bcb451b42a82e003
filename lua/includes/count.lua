-- What a counter of the Go side says: a whole number in digits, as INCR and DECR keep it. All else, and what no double holds
-- exactly, counts as 0.
local function countIn(text)
  local count = string.match(text or '', '^-?%d+$') and tonumber(text) or 0
  return math.abs(count) < 9007199254740992 and count or 0
end
