#!/usr/bin/env bash
# Makes the fixtures of this folder: signatures by real programs over one image, each with the evidence as a registry keeps it.
#
#   tests/Gateway.Policy.Tests/Signatures/Fixtures/make.sh 127.0.0.1:5000
#
# The argument is a registry that takes pushes without a password, such as a gateway on an empty folder. cosign2, cosign3, crane and
# skopeo are those of tests/rig/install.sh, in PATH. Keys are new each time and thrown away; only public keys are kept.
set -euo pipefail

registry=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export COSIGN_PASSWORD=test HOME=$work TUF_ROOT=$work/.sigstore

# keep NAME REPOSITORY KEY HASH: writes one fixture.
keep() {
    python3 - "$registry" "$2" "$digest" "$work/$3.pub" "$4" >"$here/$1.json" <<'PYTHON'
import base64, json, sys, urllib.error, urllib.request
registry, repository, subject, key, hash = sys.argv[1:]

def get(path):
    request = urllib.request.Request(f"http://{registry}/v2/{repository}/{path}")
    request.add_header("Accept", "application/vnd.oci.image.manifest.v1+json")
    return urllib.request.urlopen(request).read()

def evidence(reference, tag):
    manifest = get(f"manifests/{reference}").decode()
    layers = {layer["digest"] for layer in json.loads(manifest)["layers"]}
    return {"tag": tag, "manifest": manifest, "blobs": {d: base64.b64encode(get(f"blobs/{d}")).decode() for d in sorted(layers)}}

found = [evidence(r["digest"], None) for r in json.loads(get(f"referrers/{subject}"))["manifests"]]
for suffix in "sig", "att":
    tag = subject.replace(":", "-") + "." + suffix
    try:
        found.append(evidence(tag, tag))
    except urllib.error.HTTPError:
        pass
print(json.dumps({"repository": repository, "subject": subject, "key": open(key).read(), "hash": hash, "evidence": found}, indent=1))
PYTHON
    echo "$1: $(wc -c <"$here/$1.json") bytes"
}

echo hello >motd
tar cf layer.tar motd
crane append --insecure --oci-empty-base -f layer.tar -t "$registry/prod/app:1" >/dev/null 2>&1
digest=$(crane digest --insecure "$registry/prod/app:1")
cosign3 signing-config create --out services.json
echo '{"buildDefinition":{"buildType":"https://example.test/build","externalParameters":{"workflow":{"ref":"refs/tags/v1"}}},"runDetails":{"builder":{"id":"https://example.test"}}}' >predicate.json

for curve in prime256v1:p256 secp384r1:p384 secp521r1:p521; do
    openssl genpkey -algorithm EC -pkeyopt "ec_paramgen_curve:${curve%:*}" -out "${curve#*:}.pem" 2>/dev/null
done
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa2048.pem 2>/dev/null
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:4096 -out rsa4096.pem 2>/dev/null
openssl genpkey -algorithm ed25519 -out ed25519.pem

image() {
    crane copy --insecure "$registry/prod/app:1" "$registry/$1:1" >/dev/null 2>&1
    echo "$registry/$1@$digest"
}
sign2() { cosign2 sign -y --allow-http-registry --tlog-upload=false --key "$1.key" "$2" >>log 2>&1; }
sign3() { cosign3 sign -y --allow-http-registry --signing-config=services.json --key "$1.key" "$2" >>log 2>&1; }

for key in p256 p384 p521 rsa2048 rsa4096 ed25519; do
    cosign3 import-key-pair -y --key $key.pem --output-key-prefix $key >>log 2>&1
    sign2 $key "$(image prod/$key-cosign2)" && keep $key-cosign2 prod/$key-cosign2 $key sha256
done
# cosign 3 hashes with what suits the curve, and prehashes Ed25519, which its own verify then refuses.
for pair in p256:sha256 p384:sha384 p521:sha512 rsa2048:sha256 rsa4096:sha256 ed25519:sha512; do
    key=${pair%:*}
    sign3 "$key" "$(image "prod/$key-cosign3")" && keep "$key-cosign3" "prod/$key-cosign3" "$key" "${pair#*:}"
done

two=$(image prod/two-signers)
sign2 p256 "$two" && sign2 rsa2048 "$two" && keep two-signers prod/two-signers p256 sha256

cosign2 attest -y --allow-http-registry --key p256.key --tlog-upload=false --type slsaprovenance1 --predicate predicate.json "$(image prod/attested-cosign2)" >>log 2>&1
keep attested-cosign2 prod/attested-cosign2 p256 sha256
cosign3 attest -y --allow-http-registry --key p256.key --signing-config=services.json --type slsaprovenance1 --predicate predicate.json "$(image prod/attested-cosign3)" >>log 2>&1
keep attested-cosign3 prod/attested-cosign3 p256 sha256

COSIGN_EXPERIMENTAL=1 cosign2 sign -y --allow-http-registry --tlog-upload=false --registry-referrers-mode=oci-1-1 --key p256.key "$(image prod/referrer-legacy)" >>log 2>&1
keep referrer-legacy prod/referrer-legacy p256 sha256

# skopeo signs with a key of cosign's while it copies.
printf test >passphrase
mkdir -p registries.d && printf 'default-docker:\n  use-sigstore-attachments: true\n' >registries.d/default.yaml
skopeo --insecure-policy --registries.d registries.d copy --src-tls-verify=false --dest-tls-verify=false --preserve-digests \
    --sign-by-sigstore-private-key p256.key --sign-passphrase-file passphrase "docker://$registry/prod/app:1" "docker://$registry/prod/skopeo:1" >>log 2>&1
keep skopeo prod/skopeo p256 sha256
