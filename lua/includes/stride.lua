-- How many values of unknown size to read at once: few at first, then up to twice as many each time, as long as the size of the
-- last ones suggests no more than `bytes` in all. So a script never holds many large values at the same time.
local FIRST_STRIDE, LAST_STRIDE = 16, 64

local function nextStride(stride, values, bytes)
  local largest = 1
  for _, value in ipairs(values) do
    largest = math.max(largest, #value)
  end
  return math.max(1, math.min(2 * stride, LAST_STRIDE, math.floor(bytes / largest)))
end
