-- The value of a counter of the Go side: a whole number in digits, as INCR and DECR store it. Anything else counts as 0, and so does a number
-- that a double cannot hold exactly.
local function countIn(text)
  local count = string.match(text or '', '^-?%d+$') and tonumber(text) or 0
  -- + 0: a number that is -0 would be written as such.
  return math.abs(count) < 9007199254740992 and count + 0 or 0
end
