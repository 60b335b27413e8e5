#!/usr/bin/env bash
# Makes the notation-*.json of this folder: signatures by the real notation over one manifest, each with its trust store.
#
#   tests/Gateway.Policy.Tests/Signatures/Fixtures/make-notation.sh 127.0.0.1:5000
#
# The argument is a registry that takes pushes without a password, such as a gateway on an empty folder. notation and oras are those of
# tests/rig/install.sh, in PATH. Keys and certificates are new each time and thrown away but for the roots.
set -euo pipefail

registry=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
stamper=
trap '[ -z "$stamper" ] || kill $stamper; rm -rf "$work"' EXIT
cd "$work"
export HOME=$work XDG_CONFIG_HOME=$work/config
mkdir -p config/notation

# keep NAME CA [TSA]: writes what signed prod/NAME as one fixture.
keep() {
    python3 - "$registry" "prod/$1" "$digest" "$2" "${3:-}" >"$here/notation-$1.json" <<'PYTHON'
import base64, datetime, json, sys, urllib.request
registry, repository, subject, ca, tsa = sys.argv[1:]

def get(path):
    request = urllib.request.Request(f"http://{registry}/v2/{repository}/{path}")
    request.add_header("Accept", "application/vnd.oci.image.manifest.v1+json")
    return urllib.request.urlopen(request).read()

def evidence(digest):
    manifest = get(f"manifests/{digest}").decode()
    layers = {layer["digest"] for layer in json.loads(manifest)["layers"]}
    return {"manifest": manifest, "blobs": {d: base64.b64encode(get(f"blobs/{d}")).decode() for d in sorted(layers)}}

print(json.dumps({
    "subject": subject, "at": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    "ca": open(ca).read(), "tsa": open(tsa).read() if tsa else None,
    "evidence": [evidence(one["digest"]) for one in json.loads(get(f"referrers/{subject}"))["manifests"]]}, indent=1))
PYTHON
    echo "notation-$1: $(wc -c <"$here/notation-$1.json") bytes"
}

image() {
    oras copy --from-plain-http --to-plain-http "$registry/prod/app:1" "$registry/prod/$1:1" >/dev/null
    echo "$registry/prod/$1@$digest"
}

sign() { notation sign --insecure-registry --force-referrers-tag=false "$@" >/dev/null 2>&1; }

# issue NAME ISSUER EXTENSIONS: a certificate for NAME.key.
issue() {
    openssl req -new -key "$1.key" -subj "/C=US/ST=WA/L=Seattle/O=acme.example/CN=$1" -out "$1.csr"
    if [ "$2" = self ]; then
        openssl x509 -req -in "$1.csr" -signkey "$1.key" -sha256 -days 3650 -extfile <(printf '%b' "$3") -out "$1.crt" 2>/dev/null
    else
        openssl x509 -req -in "$1.csr" -CA "$2.crt" -CAkey "$2.key" -CAcreateserial -sha256 -days 3650 -extfile <(printf '%b' "$3") -out "$1.crt" 2>/dev/null
    fi
}

authority='basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n'
key() { openssl genpkey -algorithm "$1" -pkeyopt "$2" -out "$3.key" 2>/dev/null; }

echo hello >motd
oras push --plain-http "$registry/prod/app:1" motd:text/plain >/dev/null
digest=$(oras resolve --plain-http "$registry/prod/app:1")

# What a beginner has: one self-signed certificate for a day.
notation cert generate-test --default test.example >/dev/null
sign "$(image generated)"
keep generated config/notation/localkeys/test.example.crt
sign --signature-format cose "$(image generated-cose)"
keep generated-cose config/notation/localkeys/test.example.crt
sign --expiry 24h --user-metadata build=7 "$(image expiring)"
keep expiring config/notation/localkeys/test.example.crt

# What a company has: root, intermediate and leafs of every kind of key.
key EC ec_paramgen_curve:secp384r1 root && issue root self "$authority"
key RSA rsa_keygen_bits:3072 between && issue between root "$authority"
names=
for pair in EC:ec_paramgen_curve:prime256v1:es256 EC:ec_paramgen_curve:secp384r1:es384 EC:ec_paramgen_curve:secp521r1:es512 \
    RSA:rsa_keygen_bits:3072:ps384 RSA:rsa_keygen_bits:4096:ps512; do
    name=${pair##*:} option=${pair#*:}
    key "${pair%%:*}" "${option%:*}" "$name" && issue "$name" between 'keyUsage=critical,digitalSignature\nextendedKeyUsage=codeSigning\n'
    cat "$name.crt" between.crt root.crt >"$name.chain"
    names="$names{\"name\":\"$name\",\"keyPath\":\"$work/$name.key\",\"certPath\":\"$work/$name.chain\"},"
done
printf '{"default":"es256","keys":[%s]}' "${names%,}" >config/notation/signingkeys.json
for name in es256 es384 es512 ps384 ps512; do
    sign --key $name "$(image $name)" && keep $name root.crt
done
for name in es512 ps384; do
    sign --key $name --signature-format cose "$(image $name-cose)" && keep $name-cose root.crt
done

# A time stamper of our own: openssl behind HTTP.
key EC ec_paramgen_curve:prime256v1 stamper-root && issue stamper-root self "$authority"
key EC ec_paramgen_curve:prime256v1 stamper-between && issue stamper-between stamper-root "$authority"
key RSA rsa_keygen_bits:3072 stamper && issue stamper stamper-between 'keyUsage=critical,digitalSignature\nextendedKeyUsage=critical,timeStamping\n'
cat stamper-between.crt stamper-root.crt >stamper.chain
echo 01 >serial
cat >ts.cnf <<CONFIG
[tsa]
default_tsa = it
[it]
serial = $work/serial
signer_cert = $work/stamper.crt
signer_key = $work/stamper.key
certs = $work/stamper.chain
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = secs:1
ess_cert_id_chain = no
ess_cert_id_alg = sha256
CONFIG
python3 - >port <<'PYTHON' &
import http.server, subprocess, sys

class Stamper(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        open("query", "wb").write(self.rfile.read(int(self.headers["Content-Length"])))
        subprocess.run(["openssl", "ts", "-reply", "-config", "ts.cnf", "-queryfile", "query", "-out", "reply"], check=True)
        self.send_response(200)
        self.send_header("Content-Type", "application/timestamp-reply")
        self.end_headers()
        self.wfile.write(open("reply", "rb").read())

server = http.server.HTTPServer(("127.0.0.1", 0), Stamper)
print(server.server_port, flush=True)
server.serve_forever()
PYTHON
stamper=$!
until [ -s port ]; do sleep 0.1; done
sign --key es256 --timestamp-url "http://127.0.0.1:$(cat port)" --timestamp-root-cert stamper-root.crt "$(image stamped)"
keep stamped root.crt stamper-root.crt
