#!/usr/bin/env bash
# npm 11.19.1: a peer dependency that is marked optional still ends an install with ERESOLVE where another version of it is present,
# though the package never needs it. `>=18` also excludes release candidates (19.0.0-rc.1). Only the range `*` never conflicts.
# So a package with several entry points gives its optional peers `*` and checks the version where an entry needs it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir tool && cd tool && npm init -y >/dev/null && npm install --silent --no-audit --no-fund npm@11.19.1 && cd ..
npm() { "$folder/tool/node_modules/.bin/npm" "$@"; }
npm --version
attempt() { # range, react version
  rm -rf package app && mkdir package app
  cat >package/package.json <<JSON
{ "name": "library", "version": "1.0.0", "peerDependencies": { "react": "$1" },
  "peerDependenciesMeta": { "react": { "optional": true } } }
JSON
  (cd package && npm pack --silent >/dev/null)
  echo '{ "name": "app", "version": "1.0.0" }' >app/package.json
  if (cd app && npm install --silent --no-audit --no-fund "react@$2" ../package/library-1.0.0.tgz) 2>error.txt; then
    echo installed
  else
    (cd app && npm install --no-audit --no-fund "react@$2" ../package/library-1.0.0.tgz 2>&1 || true) | grep -o ERESOLVE | head -1
  fi
}
old=$(attempt '>=18' 17.0.2)
candidate=$(attempt '>=18' 19.0.0-rc.1)
any=$(attempt '*' 17.0.2)
anyCandidate=$(attempt '*' 19.0.0-rc.1)
echo "optional peer react >=18: beside react 17.0.2 $old, beside 19.0.0-rc.1 $candidate"
echo "optional peer react *:    beside react 17.0.2 $any, beside 19.0.0-rc.1 $anyCandidate"
if [ "$old $candidate $any $anyCandidate" = 'ERESOLVE ERESOLVE installed installed' ]; then
  echo 'ok: an optional peer still conflicts'
else
  echo 'CHANGED: see above'
  exit 1
fi
