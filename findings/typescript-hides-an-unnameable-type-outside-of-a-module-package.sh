#!/usr/bin/env bash
# TypeScript 7.0.2, --module nodenext --declaration: an exported value whose inferred type cannot be named is TS2883 in a package with
# `"type": "module"`. The same file in a folder without package.json compiles without an error, and the declaration has an
# import that its users cannot resolve. So a test of declarations needs the package.json of a real consumer, or it passes falsely.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund typescript@7.0.2
mkdir -p app/node_modules/library/lib
cat >app/node_modules/library/package.json <<'JSON'
{ "name": "library", "version": "1.0.0", "type": "module", "exports": { ".": { "types": "./index.d.ts" } } }
JSON
echo "export declare function make(): import('./lib/hidden.js').Hidden;" >app/node_modules/library/index.d.ts
echo "export interface Hidden { readonly value: number }" >app/node_modules/library/lib/hidden.d.ts
echo "import { make } from 'library'; export const made = make();" >app/index.ts
check() { (cd app && ../node_modules/.bin/tsc --module nodenext --declaration --emitDeclarationOnly --strict --outDir out index.ts 2>&1 || true) | { grep -oE 'TS[0-9]+' || true; } | sort -u | tr '\n' ' '; }
rm -f app/package.json
without=$(check)
echo '{ "type": "module" }' >app/package.json
with=$(check)
echo "without package.json: ${without:-no error}"
echo "with \"type\": \"module\": ${with:-no error}"
cat app/out/index.d.ts 2>/dev/null || true
if [ -z "$without" ] && [ "$with" = 'TS2883 ' ]; then
  echo 'ok: the error appears only in a module package'
else
  echo 'CHANGED: see above'
  exit 1
fi
