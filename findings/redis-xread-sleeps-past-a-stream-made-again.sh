#!/usr/bin/env bash
# Redis 7.0 (Debian 12): a reader that is blocked in XREAD is not told that its stream is deleted. If the stream is made again with
# lower ids, it sleeps past every new entry: XREAD answers only above the id that it asked for. XREADGROUP on the same key is told
# (UNBLOCKED). So BLOCK 0 is no way to follow a stream: let it end, and compare the identity of the stream each time.
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
for n in 1 2 3; do redis xadd s "$n-0" n "$n" >/dev/null; done
redis xgroup create s readers 3-0 >/dev/null
redis xread block 8000 streams s 3-0 >plain.txt &
plain=$!
redis xreadgroup group readers one block 8000 streams s '>' >group.txt 2>&1 &
group=$!
for _ in $(seq 50); do [ "$(redis info clients | tr -d '\r' | grep blocked_clients)" = blocked_clients:2 ] && break; sleep 0.1; done
redis del s >/dev/null
for n in 1 2; do redis xadd s "$n-0" n "young $n" >/dev/null; done
wait "$plain" "$group" || true
told=$(tr -d '\n' <plain.txt)
group_told=$(head -1 group.txt)
echo "XREAD BLOCK from 3-0, after DEL and two entries of the new stream: '$told'"
echo "XREADGROUP: '$group_told'"
echo "the new stream holds $(redis xlen s) entries"
if [ -z "$told" ] && [[ "$group_told" == UNBLOCKED* ]]; then
  echo 'ok: XREAD sleeps over the new stream, XREADGROUP is told'
else
  echo 'CHANGED: see above'
  exit 1
fi
