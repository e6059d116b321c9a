# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# TAP in the guest; the host's side (vmlib/tap.py) numbers the tests of all guests of a program.

tap_count=0
tap_failed=0
tap_dir=/run/tap
mkdir -p $tap_dir

# A program may define tap_on_failure, which prints more about a test that failed.

tap_indent() {
	sed 's/^/#   /' "$1"
}

# The subshell of a test: any failing command ends it and says where.
tap_body() (
	set -eE -o pipefail
	trap 'echo "failed at ${BASH_SOURCE##*/}:$LINENO: $BASH_COMMAND" >&2' ERR
	"$@"
)

# t NAME COMMAND...: one test. The command, mostly a function, runs in a subshell with "set -e", so
# what it wants to leave for later goes into files. Exit code 77 is a skip, its last line why.
t() {
	local name=$1 start=${EPOCHREALTIME/./} rc tenths

	shift
	tap_count=$((tap_count + 1))
	tap_body "$@" >$tap_dir/out 2>&1
	rc=$?
	tenths=$(((${EPOCHREALTIME/./} - start) / 100000))
	case $rc in
	0)
		echo "ok - $name"
		;;
	77)
		echo "ok - $name # SKIP $(tail -n 1 $tap_dir/out)"
		;;
	*)
		tap_failed=$((tap_failed + 1))
		echo "not ok - $name"
		tail -n 60 $tap_dir/out >$tap_dir/tail
		tap_indent $tap_dir/tail
		if declare -F tap_on_failure >/dev/null; then
			tap_on_failure >$tap_dir/tail
			tap_indent $tap_dir/tail
		fi
		;;
	esac
	echo "# $((tenths / 10)).$((tenths % 10)) s"
	return $rc
}

# skip WHY: inside a test
skip() {
	echo "$*"
	exit 77
}

# must NAME COMMAND...: a test without which the rest makes no sense
must() {
	t "$@"
	[ $? = 0 ] && return
	echo "Bail out! $1"
	exit 1
}

# tap_done: the plan; call it last
tap_done() {
	echo "1..$tap_count"
	[ $tap_failed = 0 ]
	exit
}
