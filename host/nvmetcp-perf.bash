# SPDX-License-Identifier: BSD-2-Clause
# bash completion for nvmetcp-perf: options, their words, and the begin of transport strings.

_nvmetcp_perf() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} words option

	COMPREPLY=()
	# "--rw=rand" comes as three words: the option, "=", and the begin of the value
	option=$prev
	if [[ $cur == = ]]; then
		cur=
	elif [[ $prev == = ]]; then
		option=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	case ${option//-/_} in
	__rw | __readwrite) words="read write trim randread randwrite randtrim rw readwrite randrw" ;;
	_o | __output_format) words="normal json json+" ;;
	__eta) words="auto always never" ;;
	__rate_process) words="linear poisson" ;;
	__random_distribution) words="random zipf:" ;;
	__iopolicy) words="numa round-robin queue-depth" ;;
	__sweep) words="rate iodepth rate: iodepth:" ;;
	__output | __plot) compopt -o default; return ;;
	__tcp_congestion) words=$(cat /proc/sys/net/ipv4/tcp_available_congestion_control 2>/dev/null) ;;
	__bs | __bsrange | __bssplit | __rwmix* | __offset | __size | __io_size | __randseed | \
		__fsync | __runtime | __ramp_time | __rate | __rate_iops | __iodepth | __numjobs | \
		__queues | __cpus* | __ctrl_loss_tmo | __max_errors | __percentile_list | __name)
		return
		;;
	*)
		if [[ $cur == -* ]]; then
			words=$(nvmetcp-perf --help 2>/dev/null | grep -o -- '--[a-z0-9_]*' | sort -u)
			# names may be written with '-' as well
			[[ $cur == --*-* ]] && words=${words//_/-}
		else
			words="trtype=tcp trtype=pcie"
		fi
		;;
	esac
	COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _nvmetcp_perf nvmetcp-perf
