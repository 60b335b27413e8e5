#!/bin/sh
# The lab's client.
#
#   lab setup FOLDER               makes an account, a signing key and the operator's token, unless they exist
#   lab try GATEWAY REGISTRY       pushes, is refused, signs, pulls and prints what it saw; FOLDER is $LAB, by default /lab
#
# It needs skopeo, cosign 2, htpasswd, openssl and curl. Each step that has another result than expected ends it with status 1.
set -eu

export COSIGN_PASSWORD="" # the key is the lab's own

setup() {
    cd "$1"
    [ -e htpasswd ] || htpasswd -nbB ci secret >htpasswd
    [ -e cosign.key ] || cosign generate-key-pair 2>/dev/null
    [ -e operator-token ] || openssl rand -hex 32 >operator-token
    # The gateway and Prometheus run as users of their own. The volume is the lab's alone.
    chmod 644 htpasswd cosign.key cosign.pub operator-token
    echo "setup: account, key and token are in $1"
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

manifest() { curl -s -H 'Accept: application/vnd.oci.image.manifest.v1+json' "http://$1/manifests/$2"; }

try() {
    gateway=$1 registry=$2
    keys=${LAB:-/lab}
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

    say "push $gateway/prod/app:$run, which needs a signature"
    layout 1 application/vnd.oci.image.config.v1+json "prod $run"
    push 1 "prod/app:$run"
    echo "accepted; the gateway holds it"
    if pull "$gateway/prod/app:$run" 2>refusal; then fail "the gateway showed an unsigned image to a puller"; fi
    grep -o 'denied: .*' refusal | cut -c1-300 || cat refusal
    [ "$(manifest "$registry/v2/prod/app" "$run" | grep -c '"layers"')" = 0 ] || fail "the registry behind has an unsigned image"

    say "sign it"
    digest=$(skopeo inspect --tls-verify=false --creds ci:secret --format '{{.Digest}}' "docker://$gateway/prod/app:$run")
    cosign sign -y --allow-http-registry --registry-username ci --registry-password secret --key "$keys/cosign.key" --tlog-upload=false \
        "$gateway/prod/app@$digest" 2>signing || fail "$(cat signing)"
    pull "$gateway/prod/app:$run"
    echo "signed $digest: every caller can pull it, and the registry behind has it:"
    manifest "$registry/v2/prod/app" "$run" | head -c 120
    echo

    say "pull twice: the second answer comes from the cache"
    for _ in 1 2; do curl -sI "http://$gateway/v2/prod/app/manifests/$run" | tr -d '\r' | grep -i '^cache-status'; done

    say "what the gateway counted"
    curl -s -H "Authorization: Bearer $(cat "$keys/operator-token")" "http://${OPERATOR:-${gateway%:*}:5001}/metrics" \
        | grep -E '^gateway_policy_verdicts_total' || fail "no verdict was counted"
    say "done: Prometheus is on http://127.0.0.1:9090, Grafana on http://127.0.0.1:3000"
}

command=${1:-help}
[ $# -gt 0 ] && shift
case $command in
    setup) setup "$@" ;;
    try) try "$@" ;;
    help) sed -n '2,8s/^# \{0,1\}//p' "$0" ;;
    *) exec "$command" "$@" ;;
esac
