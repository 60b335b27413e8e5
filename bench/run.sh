#!/usr/bin/env bash
# Compares the gateway with docker-registry and nginx over the same content, alternating in one run. See bench/README.md.
#
#   bench/run.sh            every case
#   bench/run.sh manifest   only cases whose name contains "manifest"
#
# ROUNDS   alternations of a case (default 5); the median is printed
# SECONDS_A_ROUND  seconds for which each server is measured in each (default 1)
# OUT      folder for the raw figures (default: a temporary one)
set -euo pipefail
cd "$(dirname "$0")/.."

only=${1:-}
rounds=${ROUNDS:-5}
seconds=${SECONDS_A_ROUND:-1}
tests/rig/install.sh --bench >&2
rig=$(cd "${GATEWAY_RIG:-.rig}" && pwd)
dotnet build src/Gateway -c Release -v quiet >&2

work=$(mktemp -d)
out=${OUT:-$work/out}
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
start_servers
fill

for server in gateway docker-registry nginx; do check_content "$server"; done

printf '%-26s %-16s %12s %12s %10s %10s\n' case server "req/s" "CPU us/req" "p50 ms" "p99 ms"
while read -r name path connections; do
    [[ $name == *"$only"* ]] || continue
    measure_reads "$name" "$path" "$connections" gateway docker-registry nginx
done <<CASES
manifest-tag-c1 manifests/latest 1
manifest-tag-c16 manifests/latest 16
manifest-tag-c64 manifests/latest 64
manifest-digest-c1 manifests/$manifest_digest 1
manifest-digest-c16 manifests/$manifest_digest 16
manifest-digest-c64 manifests/$manifest_digest 64
blob-16KiB-c64 blobs/$small_digest 64
blob-64MiB-c4 blobs/$large_digest 4
CASES
if [[ push-manifests-c16 == *"$only"* ]]; then measure_manifest_pushes gateway docker-registry; fi
if [[ push-blob-512MiB == *"$only"* ]]; then measure_blob_pushes gateway docker-registry; fi
