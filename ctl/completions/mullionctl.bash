# Completion of mullionctl(1) for bash.

_mullionctl_guests() {
	mullionctl list 2>/dev/null | awk 'NR > 1 { print $1 }'
}

_mullionctl() {
	local current=${COMP_WORDS[COMP_CWORD]} command='' position=0 i
	local commands='check keys list status start stop kill table traps vram shutdown windows
		screenshot focus fullscreen move resize leave'
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		[[ ${COMP_WORDS[i]} == --* || ${COMP_WORDS[i]} == -[jhV] ]] && continue
		if [[ -z $command ]]; then
			command=${COMP_WORDS[i]}
		else
			position=$((position + 1))
		fi
	done
	if [[ $current == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W '--json --help --version' -- "$current")
		return
	fi
	case $command:$position in
		:*) mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$current") ;;
		check:*) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
		keys:0) mapfile -t COMPREPLY < <(compgen -W 'text names scdoc-host scdoc-guest' -- "$current") ;;
		fullscreen:0)
			mapfile -t COMPREPLY < <(compgen -W "$(_mullionctl_guests) off" -- "$current")
			;;
		screenshot:0)
			mapfile -t COMPREPLY < <(compgen -W "$(_mullionctl_guests)" -- "$current"
				compgen -f -- "$current")
			;;
		screenshot:1) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
		status:0 | start:0 | stop:0 | kill:0 | traps:0 | focus:0 | move:0 | resize:0)
			mapfile -t COMPREPLY < <(compgen -W "$(_mullionctl_guests)" -- "$current")
			;;
	esac
}

complete -o filenames -F _mullionctl mullionctl
