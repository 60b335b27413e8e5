-- A manifest of its own for every request; run.sh fills in what stands between @.
local n = 0
function request()
  n = n + 1
  local tag = "r@ROUND@-" .. n
  local body = '{"schemaVersion":2,"mediaType":"@TYPE@","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"@CONFIG@","size":2},"layers":[],"annotations":{"n":"' .. tag .. '"}}'
  return wrk.format("PUT", "/v2/bench/app/manifests/" .. tag, { ["Content-Type"] = "@TYPE@" }, body)
end
