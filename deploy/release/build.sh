#!/usr/bin/env bash
# Builds the archive and the checksums of a release from the commit that is checked out. docs/releases.md describes them.
#
#   deploy/release/build.sh [FOLDER]      writes them to FOLDER; default: ./release
#
# It builds a fresh clone, so that files of other builds do not get into the archive.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
out=${1:-$root/release}
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$root"
[ -z "$(git status --porcelain)" ] || { echo "release: expected a clean checkout, got uncommitted changes; commit or stash them" >&2; exit 1; }

version=$(sed -n 's:.*<Version>\(.*\)</Version>.*:\1:p' Directory.Build.props)
commit=$(git rev-parse HEAD)
time=$(git log -1 --format=%ct)
name=gateway-$version
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

git clone -q --no-checkout . "$work/source"
git -C "$work/source" checkout -q "$commit"
dotnet publish "$work/source/src/Gateway" -c Release -o "$work/$name" --nologo -v quiet \
    -p:UseAppHost=false -p:SourceRevisionId="$commit" -p:ContinuousIntegrationBuild=true -p:PathMap="$work/source=/source"
cp LICENSE README.md CHANGELOG.md gateway.yaml deploy/release/gateway deploy/systemd/gateway.service deploy/systemd/gateway.sysusers "$work/$name/"
tar --sort=name --mtime="@$time" --owner=0 --group=0 --numeric-owner --mode=go=rX,u+rw -C "$work" -cf - "$name" | gzip -9n >"$out/$name.tar.gz"
(cd "$out" && sha256sum "$name.tar.gz" >SHA256SUMS)
cat "$out/SHA256SUMS"
