-- Every request has a target of its own, as the requests of a map do; or, with BENCH_TARGETS, one of so many.
local n = 0
local path = os.getenv("BENCH_PATH")
local targets = tonumber(os.getenv("BENCH_TARGETS") or "0")
function setup(thread) thread:set("offset", math.random(1000000000)) end
function request()
  n = n + 1
  if targets > 0 then return wrk.format("GET", path .. n % targets) end
  return wrk.format("GET", path .. offset .. n)
end
