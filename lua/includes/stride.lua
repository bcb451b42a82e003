-- How many values may be read at once, where nobody knows how large they are: few at first, then up to twice as many each time,
-- as long as those that were read last say that it will be some `bytes` in all. So no step holds many large ones at the same
-- time, neither in Lua nor in the reply that Redis makes of them first.
local FIRST_STRIDE, LAST_STRIDE = 16, 64

local function nextStride(stride, values, bytes)
  local largest = 1
  for _, value in ipairs(values) do
    largest = math.max(largest, #value)
  end
  return math.max(1, math.min(2 * stride, LAST_STRIDE, math.floor(bytes / largest)))
end
