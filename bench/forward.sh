#!/usr/bin/env bash
# A push through the gateway to the registry behind it, compared with the same push straight to a registry, alternating in one run.
# See bench/README.md, "Forwarded pushes".
#
#   bench/forward.sh        512 MiB
#   bench/forward.sh 4096   4 GiB
#
# ROUNDS   alternations (default 3), each with a new blob; the median is printed
set -euo pipefail
cd "$(dirname "$0")/.."

mib=${1:-512}
rounds=${ROUNDS:-3}
[ -n "${GATEWAY_RIG_READY:-}" ] || tests/rig/install.sh >&2
rig=$(cd "${GATEWAY_RIG:-.rig}" && pwd)
dotnet build src/Gateway -c Release -v quiet >&2

work=$(mktemp -d)
out=$work/out
mkdir -p "$out"
declare -A pid port
stop() {
    local server
    for server in "${!pid[@]}"; do kill "${pid[$server]}" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap stop EXIT

. bench/servers.sh
. bench/measure.sh

start_registry() {
    port[$1]=$(free_port)
    cat >"$work/$1.yml" <<YAML
version: 0.1
log: { level: error, accesslog: { disabled: true } }
storage: { filesystem: { rootdirectory: "$work/$1" }, cache: { blobdescriptor: inmemory } }
http: { addr: "127.0.0.1:${port[$1]}" }
YAML
    OTEL_TRACES_EXPORTER=none "$rig/bin/docker-registry" serve "$work/$1.yml" >/dev/null 2>&1 &
    pid[$1]=$!
    wait_for "http://127.0.0.1:${port[$1]}/v2/"
}

start_gateway() {
    local operator
    port[gateway]=$(free_port) operator=$(free_port)
    cat >"$work/gateway.yaml" <<YAML
listen: http://127.0.0.1:${port[gateway]}
operator: http://127.0.0.1:$operator
storage: { path: "$work/gateway" }
upstreams: { corp: { url: "http://127.0.0.1:${port[fronted]}" } }
routes: [{ prefix: "", upstream: corp, push: forward }]
YAML
    dotnet src/Gateway/bin/Release/net10.0/gateway.dll serve --config "$work/gateway.yaml" >/dev/null 2>"$work/gateway.err" &
    pid[gateway]=$!
    wait_for "http://127.0.0.1:$operator/readyz"
}

push_manifest() {
    local config=application/vnd.oci.image.config.v1+json layer=application/vnd.oci.image.layer.v1.tar+gzip
    {
        printf '{"schemaVersion":2,"mediaType":"%s",' "$manifest_type"
        printf '"config":{"mediaType":"%s","digest":"%s","size":2},' "$config" "$(digest_of "$work/config")"
        printf '"layers":[{"mediaType":"%s","digest":"%s","size":%s}]}' "$layer" "$digest" $((mib << 20))
    } >"$work/manifest"
    curl -fsS -o /dev/null -X PUT -H "Content-Type: $manifest_type" --data-binary "@$work/manifest" \
        "http://127.0.0.1:${port[$1]}/v2/bench/app/manifests/latest"
}

# push SERVER: prints one row: seconds until the blob was accepted, total seconds.
push() {
    local start blob
    start=$(date +%s%N)
    push_blob "$1" bench/app "$work/blob" "$digest"
    blob=$(($(date +%s%N) - start))
    push_blob "$1" bench/app "$work/config"
    push_manifest "$1"
    awk -v b="$blob" -v t=$(($(date +%s%N) - start)) 'BEGIN { printf "%.2f %.2f\n", b / 1e9, t / 1e9 }' >>"$out/forward.$1"
}

start_registry direct
start_registry fronted
start_gateway
printf '{}' >"$work/config"
head -c $((mib << 20)) /dev/urandom >"$work/blob"
for round in $(seq "$rounds"); do
    date +%s%N | dd of="$work/blob" conv=notrunc status=none
    digest=$(digest_of "$work/blob")
    push direct
    push gateway
    given=$(curl -fsS "http://127.0.0.1:${port[fronted]}/v2/bench/app/blobs/$digest" | sha256sum | cut -d' ' -f1)
    [ "sha256:$given" = "$digest" ] || { echo "bench: other bytes came to the registry" >&2; exit 1; }
done

printf '%-10s %9s %9s\n' "$mib MiB" "blob s" "total s"
for server in direct gateway; do
    printf '%-10s %9.2f %9.2f\n' "$server" "$(column forward "$server" 1)" "$(column forward "$server" 2)"
done
awk -v a="$(column forward gateway 2)" -v b="$(column forward direct 2)" 'BEGIN { printf "gateway: %.2f x the time of a direct push\n", a / b }'
awk '/VmHWM/ { printf "gateway: %.0f MiB resident at most\n", $2 / 1024 }' "/proc/${pid[gateway]}/status"
