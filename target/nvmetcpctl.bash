# SPDX-License-Identifier: BSD-2-Clause
# bash completion for nvmetcpctl: commands, the addresses of NVMe functions, options.

_nvmetcpctl() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} words=() dev class i

	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-s | --socket | -o | --output-format) i=$((i + 1)) ;;
		-[tanwfqIk]) [[ ${words[0]} == discover ]] && i=$((i + 1)) ;;
		-*) ;;
		*) words+=("${COMP_WORDS[i]}") ;;
		esac
	done
	case $prev in
	-s | --socket | -i | --input-file) compopt -o default; return ;;
	-f | --host-iface)
		if [[ ${words[0]} == discover ]]; then
			COMPREPLY=($(compgen -W "$(cd /sys/class/net && echo *)" -- "$cur"))
			return
		fi
		;;
	-t | --transport)
		if [[ ${words[0]} == discover ]]; then
			COMPREPLY=($(compgen -W tcp -- "$cur"))
			return
		fi
		;;
	--output-format) COMPREPLY=($(compgen -W "normal json" -- "$cur")); return ;;
	esac
	if [[ $cur == -* ]]; then
		COMPREPLY=($(compgen -W "$(nvmetcpctl "${words[@]:0:3}" --help 2>/dev/null |
			grep -o -- '--[a-z0-9-]*')" -- "$cur"))
		return
	fi
	case "${words[*]}" in
	"") words="discover drive" ;;
	drive) words="list bind release identify smart-log get-log get-feature set-feature power admin-passthru io-passthru scsi-passthru reset
		subsystem-reset rescan format ns" ;;
	"drive ns") words="create delete attach detach" ;;
	discover* | "drive list"*) return ;;
	*)
		[[ ${#words[@]} -gt 3 ]] && return
		words=
		for dev in /sys/bus/pci/devices/*; do
			read -r class <"$dev/class" && [[ $class == 0x010802 ]] &&
				words+=" ${dev##*/}"
		done 2>/dev/null
		;;
	esac
	# addresses hold colons, which bash takes for the ends of words
	COMPREPLY=($(compgen -W "$words" -- "$cur"))
	declare -F __ltrimcolons_completions >/dev/null && __ltrimcolons_completions "$cur"
}
complete -F _nvmetcpctl nvmetcpctl
