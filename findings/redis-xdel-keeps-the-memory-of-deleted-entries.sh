#!/usr/bin/env bash
# Redis 7.0 (Debian 12): XDEL gives memory back only when all entries of a node (100 entries or 4 kB by default) are gone. A stream in
# which each entry supersedes an older one, apart from a few that stay, keeps its nodes: here 400 entries use more than ten times
# the memory of the same 400 entries in a fresh stream. XLEN does not show it. Keep superseded values in a hash instead.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq redis-server redis-tools libjemalloc2 liblzf1 2>/dev/null
for package in *.deb; do dpkg -x "$package" .; done
export LD_LIBRARY_PATH="$folder/usr/lib/x86_64-linux-gnu"
./usr/bin/redis-server --version
./usr/bin/redis-server --port 0 --unixsocket "$folder/redis.sock" --save '' --dir "$folder" >server.log 2>&1 &
redis() { ./usr/bin/redis-cli -s "$folder/redis.sock" "$@"; }
for _ in $(seq 100); do redis ping >/dev/null 2>&1 && break; sleep 0.1; done
# 20,000 entries; each fiftieth stays, the others are deleted once they are superseded.
redis eval '
  for n = 1, 20000 do
    redis.call("XADD", KEYS[1], n .. "-0", "payload", string.rep("x", 50))
    if n > 1 and (n - 1) % 50 ~= 0 then redis.call("XDEL", KEYS[1], (n - 1) .. "-0") end
  end
  for _, entry in ipairs(redis.call("XRANGE", KEYS[1], "-", "+")) do
    redis.call("XADD", KEYS[2], entry[1], "payload", entry[2][2])
  end' 2 used fresh >/dev/null
used=$(redis memory usage used samples 0)
fresh=$(redis memory usage fresh samples 0)
echo "held: $(redis xlen used) and $(redis xlen fresh) entries; memory: $used and $fresh bytes, $((used / fresh)) times"
if [ "$(redis xlen used)" = "$(redis xlen fresh)" ] && [ $((used / fresh)) -ge 10 ]; then
  echo 'ok: deleted entries keep their memory'
else
  echo 'CHANGED: see above'
  exit 1
fi
