-- Decodes a stored acknowledgement. It is valid if it is a JSON object with a known status and an integer revision
-- (check_in_at: an integer, 0 if absent). Any other counts as none, and the next ACK replaces it.
local function integer(value)
  return type(value) == 'number' and value == math.floor(value) and math.abs(value) <= 9007199254740991
end

local function readAck(text)
  if not text then
    return nil
  end
  local read, ack = pcall(cjson.decode, text)
  if not read or type(ack) ~= 'table' or not RANK[ack.status] or not integer(ack.revision) then
    return nil
  end
  if ack.check_in_at == nil then
    ack.check_in_at = 0
  end
  return integer(ack.check_in_at) and ack or nil
end
