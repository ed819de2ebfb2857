#!/usr/bin/env bash
# Redis 7.0 (Debian 12): XINFO STREAM has `max-deleted-entry-id`, which looks like the watermark of what is gone. Only XDEL moves it.
# XTRIM and the MAXLEN of XADD leave it at 0-0. So a reader cannot tell from it whether entries after its cursor were trimmed; it
# has to compare its cursor with `recorded-first-entry-id`, which is 0-0 again once the stream is empty.
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
field() { redis xinfo stream s | grep -A1 "^$1\$" | tail -1; }
for n in 1 2 3 4 5; do redis xadd s "$n-0" n "$n" >/dev/null; done
redis xtrim s maxlen 3 >/dev/null
redis xadd s maxlen 2 6-0 n 6 >/dev/null
trimmed="$(field max-deleted-entry-id) $(field recorded-first-entry-id)"
redis xdel s 5-0 >/dev/null
deleted="$(field max-deleted-entry-id)"
redis xtrim s maxlen 0 >/dev/null
emptied="$(field recorded-first-entry-id)"
echo "after trimming 1-0 to 4-0: max-deleted-entry-id and recorded-first-entry-id are $trimmed"
echo "after XDEL 5-0: max-deleted-entry-id is $deleted"
echo "after trimming everything: recorded-first-entry-id is $emptied"
if [ "$trimmed/$deleted/$emptied" = '0-0 5-0/5-0/0-0' ]; then
  echo 'ok: trimming leaves no watermark'
else
  echo 'CHANGED: see above'
  exit 1
fi
