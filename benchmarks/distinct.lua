-- Every request has a target of its own, as the requests of a map do.
local n = 0
local path = os.getenv("BENCH_PATH")
function setup(thread) thread:set("offset", math.random(1000000000)) end
function request()
  n = n + 1
  return wrk.format("GET", path .. offset .. n)
end
