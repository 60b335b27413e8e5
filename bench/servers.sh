# Sourced by run.sh: the three servers, and the content that all of them serve.

# A free port below 32768, where Linux starts to assign ports to outgoing connections.
free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 12000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
    done
}

wait_for() {
    local url=$1 i
    for i in $(seq 300); do
        curl -fsS -o /dev/null "$url" 2>/dev/null && return
        sleep 0.1
    done
    echo "bench: $url does not answer" >&2
    exit 1
}

start_servers() {
    local operator
    port[gateway]=$(free_port) port[docker-registry]=$(free_port) port[nginx]=$(free_port) operator=$(free_port)

    printf 'listen: http://127.0.0.1:%s\noperator: http://127.0.0.1:%s\nstorage: { path: "%s/gateway" }\n' \
        "${port[gateway]}" "$operator" "$work" >"$work/gateway.yaml"
    # As shipped, including the access log, which is written to /dev/null.
    dotnet src/Gateway/bin/Release/net10.0/gateway.dll serve --config "$work/gateway.yaml" >/dev/null 2>"$out/gateway.err" &
    pid[gateway]=$!

    cat >"$work/registry.yml" <<YAML
version: 0.1
log: { level: error, accesslog: { disabled: true } }
storage: { filesystem: { rootdirectory: "$work/registry" }, cache: { blobdescriptor: inmemory } }
http: { addr: "127.0.0.1:${port[docker-registry]}" }
YAML
    OTEL_TRACES_EXPORTER=none "$rig/bin/docker-registry" serve "$work/registry.yml" >/dev/null 2>&1 &
    pid[docker-registry]=$!

    mkdir -p "$work/nginx/www/v2/bench/app/manifests" "$work/nginx/www/v2/bench/app/blobs"
    cat >"$work/nginx/nginx.conf" <<CONF
daemon off; master_process off; worker_processes 1; pid $work/nginx/pid; error_log stderr crit;
events { worker_connections 1024; }
http {
    access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; server_tokens off;
    open_file_cache max=1000; open_file_cache_valid 60s;
    client_body_temp_path $work/nginx/t1; proxy_temp_path $work/nginx/t2; fastcgi_temp_path $work/nginx/t3;
    uwsgi_temp_path $work/nginx/t4; scgi_temp_path $work/nginx/t5;
    server {
        listen 127.0.0.1:${port[nginx]}; root $work/nginx/www;
        location ~ ^/v2/.*/manifests/ { default_type $manifest_type; }
        location / { default_type application/octet-stream; }
    }
}
CONF
    "$rig/bin/nginx" -p "$work/nginx" -c "$work/nginx/nginx.conf" -e stderr &
    pid[nginx]=$!

    wait_for "http://127.0.0.1:$operator/readyz"
    wait_for "http://127.0.0.1:${port[docker-registry]}/v2/"
}

manifest_type=application/vnd.oci.image.manifest.v1+json

digest_of() { echo "sha256:$(sha256sum "$1" | cut -d' ' -f1)"; }

# push_blob SERVER REPOSITORY FILE [DIGEST]: POST, then one PUT.
push_blob() {
    local base=http://127.0.0.1:${port[$1]} location digest=${4:-}
    [ -n "$digest" ] || digest=$(digest_of "$3")
    location=$(curl -fsS -D - -o /dev/null -X POST -H 'Content-Length: 0' "$base/v2/$2/blobs/uploads/" | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
    [[ $location == http* ]] || location=$base$location
    [[ $location == *\?* ]] && location+="&" || location+="?"
    curl -fsS -o /dev/null -X PUT -H 'Content-Type: application/octet-stream' -T "$3" "${location}digest=$digest"
}

# One image: a manifest of eight layers (all of them the same 16 KiB), a blob of 16 KiB, one of 64 MiB.
fill() {
    head -c $((16 << 10)) /dev/urandom >"$work/small"
    head -c $((64 << 20)) /dev/urandom >"$work/large"
    printf '{}' >"$work/config"
    small_digest=$(digest_of "$work/small") large_digest=$(digest_of "$work/large") config_digest=$(digest_of "$work/config")
    local layer layers server
    layer='{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"'$small_digest'","size":16384}'
    layers=$(printf "$layer,%.0s" 1 2 3 4 5 6 7)$layer
    printf '{"schemaVersion":2,"mediaType":"%s","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"%s","size":2},"layers":[%s]}' \
        "$manifest_type" "$config_digest" "$layers" >"$work/manifest"
    manifest_digest=$(digest_of "$work/manifest")
    for server in gateway docker-registry; do
        push_blob "$server" bench/app "$work/config"
        push_blob "$server" bench/app "$work/small"
        push_blob "$server" bench/app "$work/large"
        curl -fsS -o /dev/null -X PUT -H "Content-Type: $manifest_type" --data-binary @"$work/manifest" \
            "http://127.0.0.1:${port[$server]}/v2/bench/app/manifests/latest"
    done
    local root=$work/nginx/www/v2/bench/app
    cp "$work/manifest" "$root/manifests/latest"
    cp "$work/manifest" "$root/manifests/$manifest_digest"
    cp "$work/small" "$root/blobs/$small_digest"
    cp "$work/large" "$root/blobs/$large_digest"
}

# All three must answer the same bytes before anything is measured.
check_content() {
    local base=http://127.0.0.1:${port[$1]}/v2/bench/app path
    for path in manifests/latest "manifests/$manifest_digest" "blobs/$small_digest" "blobs/$large_digest"; do
        local want=${path##*/} got
        [ "$want" = latest ] && want=$manifest_digest
        got=sha256:$(curl -fsS -H "Accept: $manifest_type" "$base/$path" | sha256sum | cut -d' ' -f1)
        [ "$got" = "$want" ] || { echo "bench: $1 answers $path with $got" >&2; exit 1; }
    done
}
