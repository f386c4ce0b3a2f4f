#!/bin/sh
# Every C file of the tree is as clang-format leaves it. `format.sh --fix` makes it so.
set -eu
cd "$(dirname "$0")/../.."
tool=$(command -v clang-format-14 || command -v clang-format) || { echo "no clang-format"; exit 1; }
files=$(find core platform test -name '*.[ch]' | sort)
[ -n "$files" ]
if [ "${1:-}" = --fix ]; then
	echo "$files" | xargs "$tool" -i
else
	echo "$files" | xargs "$tool" --dry-run -Werror
	echo "$(echo "$files" | wc -l) checked, 0 findings"
fi
