-- The rank of a status in the life of a job. Three statuses are final. An unknown status ranks with Pending, as in the scripts of
-- the Go side (its Go code uses -1, but the scripts decide).
local RANK = { Pending = 0, Scheduled = 1, Running = 2, Success = 3, Stopped = 3, Error = 3 }
local function rank(status)
  return RANK[status] or 0
end
