#!/usr/bin/env bash
# walk.sh runs the blocks of the README's walk, of what it says on telemetry, of what it buys and of what it breaks by
# hand, against the running fleet, and checks what they say.
#   services/walk.sh                      the fleet of this folder
#   services/walk.sh find                 what it finds by experiments and by search instead: two minutes
#   MSCTL_FLAGS="--instance i1" services/walk.sh   a copy that `msctl up --isolated` started
set -euo pipefail
cd "$(dirname "$0")/.."

msctl() { command "${MSCTL:-msctl}" ${MSCTL_FLAGS:-} "$@"; }

fail() { echo "walk: $*" >&2; exit 1; }

# count prints how often a pattern stands in a text.
count() { { grep -o "$1" || true; } | wc -l; }

# blocks prints the commands under those headings of the README.
blocks() {
	awk -v headings="^## ($1)" '/^## / { walk = $0 ~ headings } /^```sh$/ { on = walk; next } /^```$/ { on = 0; next } on' README.md
}

if [ "${1:-}" = find ]; then
	flags=$(mktemp)
	cp services/flags.json "$flags"
	trap 'cp "$flags" services/flags.json; rm -f "$flags" services/flags.json.off' EXIT
	set -v
	# shellcheck disable=SC1090 # the walk itself
	source <(blocks 'Find what breaks it')
	set +v
	for pattern in breaker saga; do
		[ -s "out/$pattern/report.html" ] || fail "no report of $pattern"
	done
	grep -q '^title: omit payments:legacy .*POST /bank/txn' chaos-found.yaml || fail "the search found another mistake"
	cmp -s "$flags" services/flags.json || fail "a flag is left on"
	echo "walk: done, and what breaks is found as README.md says"
	exit
fi

set -v
# shellcheck disable=SC1090 # the walk itself
source <(blocks 'A walk|See every call|Buy something|Break it')
set +v

for n in 1 2; do
	got=$(mails | count "https://shop.example/$order-$n")
	[ "$got" -eq 1 ] || fail "$got mails for $order-$n, want 1"
done
same=$(for _ in 1 2; do send "$order-1" | count '"id":"[^"]*"'; done | sort -u)
[ "$same" = 1 ] || fail "the same request got another answer"
mails | grep "A caminho, Ana" > /dev/null || fail "the mail is not in Portuguese"
[ "$(api "$API/failed" | count "$order")" -eq 0 ] || fail "the failed queue is not empty"
confirmed=$(shop "$API/orders/$order-moka" | count '"status":"confirmed"')
[ "$confirmed" -eq 1 ] || fail "$order-moka is not confirmed"
refused=$(shop "$API/orders/$order-poor" | count '"reason":"payment_refused')
[ "$refused" -eq 1 ] || fail "$order-poor is not refused"
opened=$(msctl logs payments --since 5m --grep 'circuit changed' | count 'state"*[=:]"*open')
[ "$opened" -ge 1 ] || fail "the circuit to the bank has not opened"
if msctl open --print push > /dev/null 2>&1; then
	got=$(curl -s "$(msctl open --print legacy)/push/deliveries" | count "\"id\": *\"$order-[12]\"")
	[ "$got" -eq 2 ] || fail "$got pushes, want 2"
fi
echo "walk: done, and all of it as README.md says"
