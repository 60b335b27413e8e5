#!/usr/bin/env bash
# Builds the program as one file for each platform, with the .NET runtime in it: it needs no installed runtime. docs/releases.md describes it.
#
#   deploy/release/single.sh [FOLDER [PLATFORM...]]      default: ./release, linux-x64 and linux-arm64
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
out=${1:-$root/release}
shift || true
[ $# -gt 0 ] || set -- linux-x64 linux-arm64
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$root"
[ -z "$(git status --porcelain)" ] || { echo "release: expected a clean checkout, got uncommitted changes; commit or stash them" >&2; exit 1; }

commit=$(git rev-parse HEAD)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git clone -q --no-checkout . "$work/source"
git -C "$work/source" checkout -q "$commit"
for platform in "$@"; do
    dotnet publish "$work/source/src/Gateway" -c Release -r "$platform" --self-contained -o "$work/$platform" --nologo -v quiet \
        -p:PublishSingleFile=true -p:DebugType=none -p:GenerateDocumentationFile=false \
        -p:SourceRevisionId="$commit" -p:ContinuousIntegrationBuild=true -p:PathMap="$work/source=/source"
    mv "$work/$platform/gateway" "$out/gateway-$platform"
done
cd "$out"
sha256sum gateway-linux-* | tee SHA256SUMS.single
