#!/bin/sh
# The lab's client.
#
#   lab setup FOLDER               makes an account, a signing key and the operator's token, unless they exist
#   lab wire PORT REGISTRY         forwards a port to the registry, except while the file $SWITCH/cut exists
#   lab try GATEWAY REGISTRY       pushes, is refused, signs, pulls, cuts the wire, collects, damages a blob and has it healed
#   lab front PORT GATEWAY...      forwards a port to whichever of the gateways accepts the connection
#   lab replicas FRONT REGISTRY OPERATOR
#                                  pulls by two gateways, and kills one of them in the middle ($KILL, by default the process "gateway")
#   lab bucket STORE NAME          makes a bucket
#   lab buckets FRONT OPERATOR     pushes by two gateways on a bucket, and kills one of them in the middle
#
# FOLDER is $LAB, by default /lab; $SWITCH is by default /switch; $VOLUME is the gateway's volume, by default /var/lib/gateway.
# It needs skopeo, cosign 2, htpasswd, openssl, curl and haproxy. Each step that has another result than expected ends it with status 1.
set -eu

export COSIGN_PASSWORD="" # the key is the lab's own

setup() {
    cd "$1"
    [ -e htpasswd ] || htpasswd -nbB ci secret >htpasswd
    [ -e cosign.key ] || cosign generate-key-pair 2>/dev/null
    [ -e operator-token ] || openssl rand -hex 32 >operator-token
    [ -e replicas-secret ] || openssl rand -hex 32 >replicas-secret
    # The lab's store accepts any.
    [ -e s3-access ] || openssl rand -hex 10 >s3-access
    [ -e s3-secret ] || openssl rand -hex 20 >s3-secret
    # The gateway and Prometheus run as users of their own. The volume is the lab's alone.
    chmod 644 htpasswd cosign.key cosign.pub operator-token replicas-secret s3-access s3-secret
    echo "setup: account, key and token are in $1"
}

# The network between the gateway and the registry.
wire() {
    conf=$(mktemp)
    trap 'rm -f "$conf"' EXIT
    trap '[ -z "$running" ] || kill "$running"; exit 0' INT TERM
    printf 'defaults\n mode tcp\n timeout connect 5s\n timeout client 60s\n timeout server 60s\nlisten wire\n bind :%s\n server to %s\n' \
        "$1" "$2" >"$conf"
    running=
    while :; do
        if [ -e "${SWITCH:-/switch}/cut" ]; then
            if [ -n "$running" ]; then
                kill -9 "$running"
                wait "$running" || true
                running=
            fi
        elif [ -z "$running" ]; then
            haproxy -db -f "$conf" &
            running=$!
        fi
        sleep 0.2
    done
}

# A load balancer: a gateway that does not answer gets no new connection after a second.
front() {
    conf=$(mktemp)
    {
        printf 'defaults\n mode tcp\n timeout connect 1s\n timeout client 60s\n timeout server 60s\n retries 3\n option redispatch 1\n'
        printf 'listen front\n bind :%s\n balance roundrobin\n option httpchk GET /v2/\n http-check expect status 200,401\n' "$1"
        shift
        for server in "$@"; do printf ' server s%s %s check inter 500 fall 2 rise 1\n' "${server##*:}-${server%%[.:]*}" "$server"; done
    } >"$conf"
    exec haproxy -db -f "$conf"
}

say() { printf '\n== %s\n' "$*"; }

fail() {
    printf 'lab: %s\n' "$*" >&2
    exit 1
}

# blob FILE: puts a file into the layout, and prints its digest and size.
blob() {
    digest=$(sha256sum "$1" | cut -d' ' -f1)
    cp "$1" "layout/blobs/sha256/$digest"
    printf '"digest":"sha256:%s","size":%s' "$digest" "$(wc -c <"$1")"
}

# layout NAME CONFIG_TYPE TEXT: writes an OCI layout with one image, whose only layer has a file with this text.
layout() {
    rm -rf layout && mkdir -p layout/blobs/sha256 content
    echo "$3" >content/hello
    tar -cf layer.tar -C content hello
    diff=$(sha256sum layer.tar | cut -d' ' -f1)
    gzip -nf layer.tar
    printf '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' "$diff" >config.json
    printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"%s",%s},"layers":[%s]}' \
        "$2" "$(blob config.json)" \
        "{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\",$(blob layer.tar.gz)}" >manifest.json
    printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json",%s,%s}]}' \
        "$(blob manifest.json)" "\"annotations\":{\"org.opencontainers.image.ref.name\":\"$1\"}" >layout/index.json
    echo '{"imageLayoutVersion":"1.0.0"}' >layout/oci-layout
}

push() { skopeo --insecure-policy copy --quiet --dest-tls-verify=false --dest-creds ci:secret "oci:layout:$1" "docker://$gateway/$2"; }

# pull HOST/REPOSITORY:TAG: without an account.
pull() { skopeo --insecure-policy copy --quiet --src-no-creds --src-tls-verify=false "docker://$1" oci:pulled:1; }

# api PATH [CURL OPTION…]: one request to the gateway's admin API.
api() {
    path=$1 && shift
    curl -sS -H "Authorization: Bearer $(cat "$keys/operator-token")" -H 'Content-Type: application/json' "$@" "http://$operator/$path"
}

# job KIND BODY: runs a job of the gateway, and prints it when it has ended.
job() {
    id=$(api "api/v1/$1" -d "$2" | sed -n 's/^{"id":"\([^"]*\)".*/\1/p')
    [ -n "$id" ] || fail "the gateway did not start a $1"
    until api "api/v1/jobs/$id" >job && ! grep -q '"state":"running"' job; do sleep 0.5; done
    cat job
}

# within SECONDS COMMAND…: tries a command until it succeeds.
within() {
    left=$1 && shift
    until "$@" 2>problem; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || fail "$*: $(cat problem)"
        sleep 1
    done
}

refused() { ! "$@" 2>refusal; }

collected() { job gc '{}' >gc && grep -q "$1" gc; }

manifest() { curl -s -H 'Accept: application/vnd.oci.image.manifest.v1+json' "http://$1/manifests/$2"; }

# held_and_signed REPOSITORY:TAG [REGISTRY]: pushes an image that needs a signature, is refused, and signs it.
held_and_signed() {
    say "push $gateway/$1, which needs a signature"
    layout 1 application/vnd.oci.image.config.v1+json "prod $run"
    push 1 "$1"
    echo "accepted; the gateway holds it"
    if pull "$gateway/$1" 2>refusal; then fail "the gateway showed an unsigned image to a puller"; fi
    grep -o 'denied: .*' refusal | cut -c1-300 || cat refusal
    [ -z "${2:-}" ] || [ "$(manifest "$2/v2/${1%:*}" "$run" | grep -c '"layers"')" = 0 ] || fail "the registry behind has an unsigned image"

    say "sign it"
    digest=$(skopeo inspect --tls-verify=false --creds ci:secret --format '{{.Digest}}' "docker://$gateway/$1")
    cosign sign -y --allow-http-registry --registry-username ci --registry-password secret --key "$keys/cosign.key" --tlog-upload=false \
        "$gateway/${1%:*}@$digest" 2>signing || fail "$(cat signing)"
    pull "$gateway/$1"
    echo "signed $digest: every caller can pull it"
}

try() {
    gateway=$1 registry=$2
    keys=${LAB:-/lab} switch=${SWITCH:-/switch} volume=${VOLUME:-/var/lib/gateway} operator=${OPERATOR:-${1%:*}:5001}
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    cd "$work"
    run=$(date +%s) # the lab can be tried again on the same volumes

    say "push an image to $gateway/team/app:$run"
    layout 1 application/vnd.oci.image.config.v1+json "team $run"
    push 1 "team/app:$run"
    manifest "$registry/v2/team/app" "$run" | grep -q '"layers"' || fail "the registry behind does not have team/app:$run"
    echo "accepted, and the registry behind has it"

    say "push WebAssembly to $gateway/tools/hello:$run"
    layout 1 application/vnd.wasm.config.v0+json "not an image"
    if push 1 "tools/hello:$run" 2>refusal; then fail "the gateway accepted an artifact that its policy does not list"; fi
    grep -o 'denied: .*' refusal | cut -c1-300 || cat refusal

    held_and_signed "prod/app:$run" "$registry"
    echo "the registry behind has it:"
    manifest "$registry/v2/prod/app" "$run" | head -c 120
    echo

    say "pull twice: the second answer comes from the cache"
    for _ in 1 2; do curl -sI "http://$gateway/v2/prod/app/manifests/$run" | tr -d '\r' | grep -i '^cache-status'; done

    say "the registry goes away: pulls go on, and a push is refused until it is back"
    touch "$switch/cut"
    layout 1 application/vnd.oci.image.config.v1+json "during the outage $run"
    within 30 refused push 1 "team/app:$run-2"
    tail -n 1 refusal | cut -c1-300
    pull "$gateway/prod/app:$run"
    echo "pulled prod/app:$run during the outage"
    rm "$switch/cut"
    within 60 push 1 "team/app:$run-2"
    manifest "$registry/v2/team/app" "$run-2" | grep -q '"layers"' || fail "the registry behind does not have team/app:$run-2"
    echo "back: pushed team/app:$run-2, and the registry behind has it"

    say "push an image to built-in storage, delete it, and collect what nothing needs"
    layout 1 application/vnd.oci.image.config.v1+json "garbage $run"
    push 1 "scratch/app:$run"
    gone=$(skopeo inspect --tls-verify=false --creds ci:secret --format '{{.Digest}}' "docker://$gateway/scratch/app:$run")
    skopeo delete --tls-verify=false --creds ci:secret "docker://$gateway/scratch/app:$run"
    # The gateway keeps what was used within gc.grace, which is seconds in this lab.
    within 60 collected "$gone"
    grep -o '{"root":"pushed","manifests"[^}]*}' gc
    [ ! -e "$volume/docker/registry/v2/blobs/sha256/$(echo "${gone#*:}" | cut -c1-2)/${gone#*:}" ] || fail "the gateway still has $gone"
    echo "collected $gone"

    say "damage a cached blob on the disk, and scrub"
    layer=$(manifest "$gateway/v2/prod/app" "$run" | sed 's/.*"layers"//' | grep -o 'sha256:[0-9a-f]*' | head -n 1)
    file=$volume/gateway/cache/v2/blobs/sha256/$(echo "${layer#*:}" | cut -c1-2)/${layer#*:}/data
    printf X | dd of="$file" bs=1 seek=20 conv=notrunc 2>/dev/null
    job scrub '{}' | grep -o "\"digest\":\"$layer\".*\"isHealed\":true" >healed || fail "the scrub did not heal $layer: $(cat job)"
    [ "sha256:$(sha256sum "$file" | cut -d' ' -f1)" = "$layer" ] || fail "$file is still damaged"
    rm -rf pulled && pull "$gateway/prod/app:$run"
    echo "healed $layer from the registry, and pulled prod/app:$run"

    say "what the gateway counted"
    api metrics | grep -E '^gateway_policy_verdicts_total' || fail "no verdict was counted"
    say "done: Prometheus is on http://127.0.0.1:9090, Grafana on http://127.0.0.1:3000"
}

# Ends a gateway as a machine that loses its power does. Compose gives this script the processes of one.
kill_gateway() {
    if [ -n "${KILL:-}" ]; then
        sh -c "$KILL"
        return
    fi
    for process in /proc/[0-9]*; do
        [ "$(cat "$process/comm" 2>/dev/null)" != gateway ] || kill -9 "${process#/proc/}"
    done
}

# replicas FRONT REGISTRY OPERATOR
replicas() {
    front=$1 registry=$2 operator=$3 keys=${LAB:-/lab}
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    cd "$work"
    run=$(date +%s)

    say "put 12 images into the registry behind, so that no gateway has them"
    for i in $(seq 12); do
        head -c 4000000 /dev/urandom >noise
        layout 1 application/vnd.oci.image.config.v1+json "$(base64 noise)"
        skopeo --insecure-policy copy --quiet --dest-tls-verify=false oci:layout:1 "docker://$registry/team/herd:$run-$i"
    done

    say "pull them through both gateways, and kill one in the middle"
    for i in $(seq 12); do
        [ "$i" != 6 ] || { sleep 0.2 && kill_gateway && echo "killed one"; } &
        # A pull whose gateway dies is tried again, as container engines do.
        rm -rf pulled
        skopeo --insecure-policy copy --quiet --retry-times 3 --src-no-creds --src-tls-verify=false "docker://$front/team/herd:$run-$i" \
            oci:pulled:1 || fail "pull $i failed"
    done
    wait
    echo "pulled 12 of 12"

    say "what the other gateway says"
    api api/v1/pages/replicas | grep -o '"\(isReachable\|problems\)":[^,]*' | head -n 4
    say "done: the page Replicas is on http://127.0.0.1:5001/replicas"
}

# bucket STORE NAME: makes a bucket, unless it exists.
bucket() {
    keys=${LAB:-/lab}
    within 60 curl -sS --fail-with-body -o answer -X PUT --aws-sigv4 aws:amz:us-east-1:s3 \
        --user "$(cat "$keys/s3-access"):$(cat "$keys/s3-secret")" "http://$1/$2"
    echo "bucket: $2 is at $1"
}

# buckets FRONT OPERATOR
buckets() {
    gateway=$1 operator=$2 keys=${LAB:-/lab}
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    cd "$work"
    run=$(date +%s)

    held_and_signed "scratch/prod/app:$run"

    say "push 12 images through both gateways, and kill one in the middle"
    for i in $(seq 12); do
        [ "$i" != 6 ] || { sleep 0.2 && kill_gateway && echo "killed one"; } &
        head -c 4000000 /dev/urandom >noise
        layout 1 application/vnd.oci.image.config.v1+json "$(base64 noise)"
        # A push whose gateway dies is tried again; what that gateway has accepted of it is in the bucket.
        within 60 push 1 "scratch/app:$run-$i"
    done
    wait
    echo "pushed 12 of 12"

    say "pull them all"
    for i in $(seq 12); do
        rm -rf pulled
        within 60 pull "$gateway/scratch/app:$run-$i"
    done
    rm -rf pulled && within 60 pull "$gateway/scratch/prod/app:$run"
    echo "pulled 13 of 13: a push that was answered is in the bucket"

    say "what the bucket answered to the gateway that was not killed"
    api metrics | grep '^gateway_s3_requests_total' | head -n 4
    say "done: the page Repositories is on http://127.0.0.1:5001/repositories"
}

command=${1:-help}
[ $# -gt 0 ] && shift
case $command in
    setup) setup "$@" ;;
    try) try "$@" ;;
    wire) wire "$@" ;;
    front) front "$@" ;;
    replicas) replicas "$@" ;;
    bucket) bucket "$@" ;;
    buckets) buckets "$@" ;;
    help) sed -n '2,15s/^# \{0,1\}//p' "$0" ;;
    *) exec "$command" "$@" ;;
esac
