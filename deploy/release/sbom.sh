#!/usr/bin/env bash
# Writes the SBOM of the product, in CycloneDX's JSON: the packages of the program with versions, licenses and hashes. docs/releases.md
#
#   deploy/release/sbom.sh [FOLDER]      default: ./release
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
out=${1:-$root/release}
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$root"
version=$(sed -n 's:.*<Version>\(.*\)</Version>.*:\1:p' Directory.Build.props)
dotnet tool restore --verbosity quiet
dotnet restore src/Gateway --verbosity quiet
dotnet tool run dotnet-CycloneDX src/Gateway/Gateway.csproj --recursive --disable-package-restore \
    --set-name gateway --set-version "$version" --set-type Application --output "$out" --filename "gateway-$version.cdx.json" --output-format Json
