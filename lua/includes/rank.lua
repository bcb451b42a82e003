-- How far a status is along a job's life. Three of them are final. An unknown status ranks with Pending, as in the
-- scripts of the Go side (its Go code says -1; the scripts are what decides a write).
local RANK = { Pending = 0, Scheduled = 1, Running = 2, Success = 3, Stopped = 3, Error = 3 }
local function rank(status)
  return RANK[status] or 0
end
