#!/usr/bin/env bash
# The cost of idle connections for other clients: pulls of a manifest with and without them, alternating in one run.
# "opened" is the time right after they were opened. See bench/README.md.
#
#   bench/hostile.sh
#
# IDLE     silent connections (default 10000; `ulimit -n` must allow as many here and in the gateway)
# ROUNDS   alternations (default 5); the median is printed
# SECONDS_A_ROUND  seconds of each measurement (default 3)
# SLOW     1: half of them have begun a request, and are closed after 15 s (default 0)
set -euo pipefail
cd "$(dirname "$0")/.."

idle=${IDLE:-10000}
rounds=${ROUNDS:-5}
seconds=${SECONDS_A_ROUND:-3}
slow=${SLOW:-0}
tests/rig/install.sh --bench >&2
rig=$(cd "${GATEWAY_RIG:-.rig}" && pwd)
dotnet build src/Gateway -c Release -v quiet >&2
ulimit -n "$(ulimit -Hn)"

work=$(mktemp -d)
out=$work/out
mkdir -p "$out"
declare -A pid port
stop() {
    local each
    for each in "${!pid[@]}"; do kill "${pid[$each]}" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap stop EXIT

. bench/servers.sh
. bench/measure.sh
port[gateway]=$(free_port) operator=$(free_port)
cat >"$work/gateway.yaml" <<YAML
listen: http://127.0.0.1:${port[gateway]}
operator: http://127.0.0.1:$operator
storage: { path: "$work/gateway" }
limits: { connections: 20000, connectionsPerAddress: 20000 }
YAML
dotnet src/Gateway/bin/Release/net10.0/gateway.dll serve --config "$work/gateway.yaml" >/dev/null 2>"$out/gateway.err" &
pid[gateway]=$!
wait_for "http://127.0.0.1:$operator/readyz"

printf '{}' >"$work/config"
config_digest=$(digest_of "$work/config")
printf '{"schemaVersion":2,"mediaType":"%s","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"%s","size":2},"layers":[]}' \
    "$manifest_type" "$config_digest" >"$work/manifest"
push_blob gateway bench/app "$work/config"
curl -fsS -o /dev/null -X PUT -H "Content-Type: $manifest_type" --data-binary @"$work/manifest" \
    "http://127.0.0.1:${port[gateway]}/v2/bench/app/manifests/latest"

metric() { curl -fsS "http://127.0.0.1:$operator/metrics" | sed -n "s/^$1 //p"; }
resident() { awk '/^VmRSS:/ { printf "%d", $2 / 1024 }' "/proc/${pid[gateway]}/status"; }

# A separate process opens them and then sleeps; with SLOW=1 half of them are in the middle of a request's head.
hold() {
    bash -c 'for ((i = 0; i < '"$idle"'; i++)); do
        exec {fd}<>/dev/tcp/127.0.0.1/'"${port[gateway]}"' && ((i % 2 && '"$slow"')) && printf "GET /v2/ HTTP/1.1\r\nHost: h\r\n" >&"$fd"
    done; exec sleep 3600' &
    pid[idle]=$!
    until [ "$(metric gateway_connections_open)" -ge "$idle" ]; do sleep 0.1; done
}
release() {
    kill "${pid[idle]}" && wait "${pid[idle]}" 2>/dev/null || true
    unset 'pid[idle]'
    until [ "$(metric gateway_connections_open)" -lt 100 ]; do sleep 0.1; done
}

# Garbage of recently opened or closed connections is collected first; its pauses are in the row "opened".
for round in $(seq "$rounds"); do
    ask gateway manifests/latest 16 >/dev/null
    ask gateway manifests/latest 16 >>"$out/manifest.alone"
    hold
    ask gateway manifests/latest 16 >>"$out/manifest.opened"
    ask gateway manifests/latest 16 >>"$out/manifest.beside"
    held=$(metric gateway_connections_open) mib=$(resident)
    release
done
printf '%-8s %12s %10s %10s\n' "" "req/s" "p50 ms" "p99 ms"
for with in alone opened beside; do
    printf '%-8s %12.0f %10.3f %10.3f\n' "$with" "$(column manifest $with 1)" "$(column manifest $with 3)" "$(column manifest $with 4)"
done
awk -v a="$(column manifest alone 4)" -v b="$(column manifest beside 4)" -v h="$held" -v m="$mib" \
    'BEGIN { printf "p99 beside %d held connections: %.2f x alone; %d MiB resident\n", h, b / a, m }'
