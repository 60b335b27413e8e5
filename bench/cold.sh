#!/usr/bin/env bash
# Cold pulls through the gateway, through docker-registry's proxy mode, and straight from the upstream, alternating in one run.
# See bench/README.md, "Cold pulls".
#
#   bench/cold.sh           every case
#   bench/cold.sh limited   only cases whose name contains "limited"
#
# ROUNDS   alternations of a case (default 5), each with a new blob; the median is printed
# LIMIT    limit of the limiting upstream for each connection, in MiB per second (default 32)
# OUT      folder for the raw figures (default: a temporary one)
set -euo pipefail
cd "$(dirname "$0")/.."

only=${1:-}
rounds=${ROUNDS:-5}
limit=${LIMIT:-32}
tests/rig/install.sh --bench >&2
rig=$(cd "${GATEWAY_RIG:-.rig}" && pwd)
dotnet build src/Gateway -c Release -v quiet >&2

work=$(mktemp -d)
out=${OUT:-$work/out}
mkdir -p "$out"
declare -A pid port proxy
stop() {
    local server
    for server in "${!pid[@]}"; do kill "${pid[$server]}" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap stop EXIT

. bench/servers.sh
. bench/measure.sh

# nginx as the upstream: without limit, and on a second port with the limit for each connection.
start_upstream() {
    port[fast]=$(free_port) port[limited]=$(free_port)
    mkdir -p "$work/nginx/www/v2/bench/app/blobs"
    cat >"$work/nginx/nginx.conf" <<CONF
daemon off; master_process off; worker_processes 1; pid $work/nginx/pid; error_log stderr crit;
events { worker_connections 1024; }
http {
    log_format asked '\$server_port \$request_method \$status \$body_bytes_sent';
    access_log $work/asked asked; sendfile on; tcp_nopush on; keepalive_requests 100000000; default_type application/octet-stream;
    client_body_temp_path $work/nginx/t1; proxy_temp_path $work/nginx/t2; fastcgi_temp_path $work/nginx/t3;
    uwsgi_temp_path $work/nginx/t4; scgi_temp_path $work/nginx/t5; root $work/nginx/www;
    server { listen 127.0.0.1:${port[fast]}; location = /v2/ { return 200 "{}"; } }
    server { listen 127.0.0.1:${port[limited]}; limit_rate ${limit}m; location = /v2/ { return 200 "{}"; } }
}
CONF
    "$rig/bin/nginx" -p "$work/nginx" -c "$work/nginx/nginx.conf" -e stderr &
    pid[nginx]=$!
    wait_for "http://127.0.0.1:${port[fast]}/v2/"
}

# One gateway is in front of both upstreams. docker-registry supports one upstream, so two of them run.
start_caches() {
    local operator upstream
    port[gateway]=$(free_port) operator=$(free_port)
    cat >"$work/gateway.yaml" <<YAML
listen: http://127.0.0.1:${port[gateway]}
operator: http://127.0.0.1:$operator
storage: { path: "$work/gateway" }
cache: { maxSize: 100GiB }
upstreams:
  fast: { url: "http://127.0.0.1:${port[fast]}" }
  limited: { url: "http://127.0.0.1:${port[limited]}" }
YAML
    dotnet src/Gateway/bin/Release/net10.0/gateway.dll serve --config "$work/gateway.yaml" >/dev/null 2>"$out/gateway.err" &
    pid[gateway]=$!
    for upstream in fast limited; do
        port[docker-registry-$upstream]=$(free_port)
        cat >"$work/registry-$upstream.yml" <<YAML
version: 0.1
log: { level: error, accesslog: { disabled: true } }
storage: { filesystem: { rootdirectory: "$work/registry-$upstream" }, cache: { blobdescriptor: inmemory } }
http: { addr: "127.0.0.1:${port[docker-registry-$upstream]}" }
proxy: { remoteurl: "http://127.0.0.1:${port[$upstream]}" }
YAML
        OTEL_TRACES_EXPORTER=none "$rig/bin/docker-registry" serve "$work/registry-$upstream.yml" >/dev/null 2>&1 &
        pid[docker-registry-$upstream]=$!
        wait_for "http://127.0.0.1:${port[docker-registry-$upstream]}/v2/"
    done
    wait_for "http://127.0.0.1:$operator/readyz"
}

# address SERVER UPSTREAM: the address from which the blob is pulled.
address() {
    case $1 in
    direct) echo "http://127.0.0.1:${port[$2]}/v2/bench/app/blobs/$digest" ;;
    gateway) echo "http://127.0.0.1:${port[gateway]}/v2/$2/bench/app/blobs/$digest" ;;
    docker-registry) echo "http://127.0.0.1:${port[docker-registry-$2]}/v2/bench/app/blobs/$digest" ;;
    esac
}

# Writes a new blob, in the upstream only; it replaces the previous one.
new_blob() {
    local file
    [ -f "$work/blob.$1" ] || head -c $(($1 << 20)) /dev/urandom >"$work/blob.$1"
    date +%s%N | dd of="$work/blob.$1" conv=notrunc status=none
    digest=$(digest_of "$work/blob.$1")
    rm -f "$work/nginx/www/v2/bench/app/blobs/"*
    ln "$work/blob.$1" "$work/nginx/www/v2/bench/app/blobs/$digest"
}

process_of() { case $1 in direct) echo nginx ;; gateway) echo gateway ;; *) echo "$1-$2" ;; esac; }

asked() { awk -v p="${port[$1]}" '$1 == p && $2 == "GET" { n++; b += $4 } END { printf "%d %.0f", n, b / 1048576 }' "$work/asked"; }

# The upstream logs a request when it ends; a proxy may still fetch after its client has everything.
settled() {
    local last= now
    while now=$(asked "$1") && [ "$now" != "$last" ]; do last=$now; sleep "${2:-1}"; done
}

# pull CASE SERVER UPSTREAM CLIENTS [RANGE]: one row: seconds in all, first byte ms (median of the clients), CPU ms, upstream GETs, MiB
pull() {
    local name=$1 server=$2 upstream=$3 clients=$4 range=${5:-} i process before start took url gets mib
    url=$(address "$server" "$upstream") process=$(process_of "$server" "$upstream")
    : >"$work/asked"
    kill -USR1 "${pid[nginx]}" # nginx opens its log again
    sleep 0.2
    before=$(cpu_us "$process") start=$(date +%s%N)
    for i in $(seq "$clients"); do
        curl -fsS ${range:+-r "$range"} -o /dev/null -w '%{time_starttransfer}\n' "$url" >"$work/first.$i" &
        curls[i]=$!
    done
    for i in $(seq "$clients"); do wait "${curls[i]}"; done
    took=$(($(date +%s%N) - start))
    local cpu=$(($(cpu_us "$process") - before))
    settled "$upstream"
    read -r gets mib <<<"$(asked "$upstream")"
    awk -v t="$took" -v f="$(cat "$work"/first.* | median)" -v c="$cpu" -v g="$gets" -v m="$mib" \
        'BEGIN { printf "%.3f %.1f %.0f %d %d\n", t / 1e9, f * 1000, c / 1000, g, m }' >>"$out/$name.$server"
    rm -f "$work"/first.*
    if [ "sha256:$(curl -fsS "$url" | sha256sum | cut -d' ' -f1)" != "$digest" ]; then
        echo "bench: $server gives wrong bytes" >&2
        exit 1
    fi
}

# measure CASE MIB UPSTREAM CLIENTS [RANGE]
measure() {
    local name=$1 size=$2 server round
    [[ $name == *"$only"* ]] || return 0
    for server in direct gateway docker-registry; do : >"$out/$name.$server"; done
    for round in $(seq "$rounds"); do
        new_blob "$size"
        for server in direct gateway docker-registry; do pull "$name" "$server" "${@:3}"; done
    done
    for server in direct gateway docker-registry; do
        printf '%-24s %-16s %9.3f %10.1f %9.0f %6.0f %8.0f\n' "$name" "$server" \
            "$(column "$name" "$server" 1)" "$(column "$name" "$server" 2)" "$(column "$name" "$server" 3)" \
            "$(column "$name" "$server" 4)" "$(column "$name" "$server" 5)"
    done
    for server in direct docker-registry; do
        awk -v n="$name" -v s="$server" -v a="$(column "$name" gateway 1)" -v b="$(column "$name" "$server" 1)" \
            'BEGIN { printf "%-24s gateway: %.2f x the time of %s\n", n, a / b, s }'
    done
}

start_upstream
start_caches
printf '%-24s %-16s %9s %10s %9s %6s %8s\n' case server "total s" "first ms" "CPU ms" GETs "MiB up"
measure cold-64MiB 64 fast 1
measure cold-512MiB 512 fast 1
measure cold-256MiB-limited 256 limited 1
measure cold-range-1MiB 512 fast 1 268435456-269484031
measure cold-herd-50 256 fast 50
