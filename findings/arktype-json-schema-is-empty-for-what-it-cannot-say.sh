#!/usr/bin/env bash
# arktype 2.2.10: the Standard JSON Schema of a transform's output, a Date or a bigint is `{}`, without an error.
# `{}` accepts every value. arktype's own toJsonSchema() throws for the same types, and zod throws in both ways.
# So a document made from `~standard.jsonSchema` silently loses the type: look for `{}` in the result.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund node@24.21.0 arktype@2.2.10 zod@4.6.7
cat >check.mjs <<'JS'
import { type } from 'arktype';
import { z } from 'zod';

const options = { target: 'draft-2020-12' };
const cases = {
  'a transform, output': [type('string').pipe((text) => text.length), z.string().transform((text) => text.length)],
  'a Date': [type('Date'), z.date()],
  'a bigint': [type('bigint'), z.bigint()],
};
const attempt = (call) => {
  try {
    const { $schema, ...schema } = call();
    return JSON.stringify(schema);
  } catch {
    return 'throws';
  }
};
let changed = false;
for (const [name, [ark, zod]] of Object.entries(cases)) {
  const seen = [
    attempt(() => ark['~standard'].jsonSchema.output(options)),
    attempt(() => ark.out.toJsonSchema()),
    attempt(() => zod['~standard'].jsonSchema.output(options)),
  ];
  console.log(`${name}: arktype's standard interface ${seen[0]}, its own ${seen[1]}, zod's standard interface ${seen[2]}`);
  if (seen[0] !== '{}' || seen[2] !== 'throws') changed = true;
  if (name !== 'a transform, output' && seen[1] !== 'throws') changed = true;
}
console.log(changed ? 'CHANGED: see above' : 'ok: arktype 2.2.10 answers {} where zod 4.6.7 throws');
process.exitCode = changed ? 1 : 0;
JS
node_modules/.bin/node check.mjs
