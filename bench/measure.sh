# Sourced by run.sh: the measurements and their output.

ticks_a_second=$(getconf CLK_TCK)

# CPU time of a process so far, user and system, in microseconds.
cpu_us() { awk -v hz="$ticks_a_second" '{ sub(/.*\) /, ""); printf "%d", ($12 + $13) * 1000000 / hz }' "/proc/${pid[$1]}/stat"; }

median() { sort -g | awk '{ v[NR] = $1 } END { if (NR % 2) print v[(NR + 1) / 2]; else print (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

# Column of a server's rows of a case: 1 per second, 2 CPU us each, 3 p50, 4 p99.
column() { cut -d' ' -f"$3" "$out/$1.$2" | median; }

# wrk's latencies are "12.3us", "4.5ms" or "1.2s".
to_ms() { awk -v t="$1" 'BEGIN { v = t + 0; if (t ~ /us$/) v /= 1000; else if (t !~ /ms$/) v *= 1000; printf "%.3f", v }'; }

# ask SERVER PATH CONNECTIONS [LUA]: prints one row of figures.
ask() {
    local before after text requests per_second p50 p99
    before=$(cpu_us "$1")
    text=$("$rig/bin/wrk" -t1 -c"$3" -d"${seconds}s" --latency -H "Accept: $manifest_type" ${4:+-s "$4"} "http://127.0.0.1:${port[$1]}/v2/bench/app/$2")
    after=$(cpu_us "$1")
    requests=$(sed -n 's/^ *\([0-9]*\) requests in .*/\1/p' <<<"$text")
    per_second=$(sed -n 's/^Requests\/sec: *//p' <<<"$text")
    p50=$(to_ms "$(sed -n 's/^ *50% *//p' <<<"$text")") p99=$(to_ms "$(sed -n 's/^ *99% *//p' <<<"$text")")
    if grep -q 'Non-2xx\|Socket errors' <<<"$text"; then
        echo "bench: $1 failed requests of $2:" >&2
        grep 'Non-2xx\|Socket errors' <<<"$text" >&2
    fi
    awk -v r="$requests" -v s="$per_second" -v c=$((after - before)) -v p="$p50" -v q="$p99" \
        'BEGIN { printf "%s %.1f %s %s\n", s, r ? c / r : 0, p, q }'
}

# show CASE SERVER...: prints medians, then the ratios of the first server to each other one.
show() {
    local name=$1 first=$2 server
    shift
    for server in "$@"; do
        printf '%-26s %-16s %12.0f %12.1f %10.3f %10.3f\n' "$name" "$server" \
            "$(column "$name" "$server" 1)" "$(column "$name" "$server" 2)" "$(column "$name" "$server" 3)" "$(column "$name" "$server" 4)"
    done
    for server in "${@:2}"; do
        awk -v n="$name" -v f="$first" -v s="$server" -v a="$(column "$name" "$first" 1)" -v b="$(column "$name" "$server" 1)" \
            -v c="$(column "$name" "$first" 2)" -v d="$(column "$name" "$server" 2)" \
            'BEGIN { printf "%-26s %s: %.2f x the rate of %s, %.2f x its CPU\n", n, f, b ? a / b : 0, s, d ? c / d : 0 }'
    done
}

measure_reads() {
    local name=$1 path=$2 connections=$3 server round
    shift 3
    for server in "$@"; do
        ask "$server" "$path" "$connections" >/dev/null # warm
        : >"$out/$name.$server"
    done
    for round in $(seq "$rounds"); do
        for server in "$@"; do ask "$server" "$path" "$connections" >>"$out/$name.$server"; done
    done
    show "$name" "$@"
}

# Each request pushes a different manifest under a different tag; 201 counts as success.
measure_manifest_pushes() {
    local name=push-manifests-c16 server round
    for server in "$@"; do : >"$out/$name.$server"; done
    for round in $(seq "$rounds"); do
        for server in "$@"; do
            sed -e "s|@TYPE@|$manifest_type|; s|@CONFIG@|$config_digest|; s|@ROUND@|$round|" bench/push.lua >"$work/push.lua"
            ask "$server" "manifests/ignored" 16 "$work/push.lua" >>"$out/$name.$server"
        done
    done
    show "$name" "$@"
}

# Here the rate is in MiB per second, and the CPU time in microseconds per MiB.
measure_blob_pushes() {
    local name=push-blob-512MiB server round before start digest
    head -c $((512 << 20)) /dev/urandom >"$work/push"
    for server in "$@"; do : >"$out/$name.$server"; done
    for round in 1 2 3; do
        for server in "$@"; do
            printf '%s-%s' "$round" "$server" | dd of="$work/push" conv=notrunc status=none # a new blob
            digest=$(digest_of "$work/push")
            before=$(cpu_us "$server") start=$(date +%s%N)
            push_blob "$server" bench/push "$work/push" "$digest"
            awk -v t=$(($(date +%s%N) - start)) -v c=$(($(cpu_us "$server") - before)) \
                'BEGIN { printf "%.1f %.1f 0 0\n", 512 / (t / 1e9), c / 512 }' >>"$out/$name.$server"
        done
    done
    show "$name" "$@"
}
