# bash completion for relaisctl(8)

_relaisctl()
{
	local word=${COMP_WORDS[COMP_CWORD]}
	local before=${COMP_WORDS[COMP_CWORD-1]}
	local commands="status list show top watch wait retry hold release cancel
		resend relay providers route import backup doctor
		reload"
	local selection="--state --relay --sender --recipient --submitter --tag
		--since"
	local change="$selection --all --reason --dry-run --yes"
	local states="waiting queued delivering held parked delivered failed
		expired cancelled partial"
	local keys="--provider --url --host --port --security --authentication
		--username --password --password-file --password-command
		--credential --from --from-name --reply-to --reply-to-name
		--description --yaml"
	local columns="name provider host port security login sender state
		queued delivered enabled default managed"
	local command="" action="" i words=""

	for ((i = 1; i < COMP_CWORD; i++)); do
		[[ ${COMP_WORDS[i]} == -* ]] && continue
		case ${COMP_WORDS[i-1]} in
		--state|--relay|--sender|--recipient|--submitter|--tag|--since|\
		--limit|--after|--interval|--timeout|--reason|--for|--until|--socket|\
		--from|--to|--user|--priority|--filter|--sort|--provider|\
		--url|--host|--port|--security|--authentication|--username|\
		--password-file|--password-command|--credential|--from-name|\
		--reply-to|--reply-to-name|--description|--yaml|--move-to)
			continue ;;
		esac
		if [[ -z $command ]]; then
			command=${COMP_WORDS[i]}
		elif [[ $command == @(relay|route) && -z $action ]]; then
			action=${COMP_WORDS[i]}
		fi
	done

	case $before in
	--state)
		mapfile -t COMPREPLY < <(compgen -W "$states" -- "$word")
		return ;;
	--submitter|--user)
		mapfile -t COMPREPLY < <(compgen -u -- "$word")
		return ;;
	--socket|--password-file|--yaml)
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return ;;
	--security)
		mapfile -t COMPREPLY < <(compgen -W "tls starttls opportunistic
		    none" -- "$word")
		return ;;
	--sort)
		mapfile -t COMPREPLY < <(compgen -W "$columns" -- "$word")
		return ;;
	--filter)
		mapfile -t COMPREPLY < <(compgen -S = -W "$columns" -- "$word")
		return ;;
	--relay|--move-to)
		mapfile -t COMPREPLY < <(compgen -W "$(_relaisctl_relays)" \
		    -- "$word")
		return ;;
	--priority)
		mapfile -t COMPREPLY < <(compgen -W "urgent normal bulk" -- \
		    "$word")
		return ;;
	--sender|--recipient|--tag|--since|--limit|--after|--timeout|--reason|\
	--interval|\
	--for|--until|--from|--to|--provider|--url|--host|--port|\
	--authentication|--username|--password-command|--credential|\
	--from-name|--reply-to|--reply-to-name|--description)
		return ;;
	esac

	case $command in
	"") words=$commands ;;
	list) words="$selection --all --limit" ;;
	show) words=$(_relaisctl_ids) ;;
	top) words="--interval" ;;
	import) words="--dry-run --yes postfix msmtp nullmailer ssmtp dma" ;;
	backup)
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		[[ $word == -* ]] || return ;;
	doctor) words="--host" ;;
	watch) words="--after" ;;
	wait) words="--timeout $(_relaisctl_ids)" ;;
	retry|release|cancel|resend) words="$change $(_relaisctl_ids)" ;;
	hold) words="$change --for --until $(_relaisctl_ids)" ;;
	relay)
		case $action in
		"") words="list show add set remove enable disable default
			pause resume test" ;;
		list) words="--filter --sort" ;;
		test) words="$keys --to $(_relaisctl_relays)" ;;
		add) words="$keys --default" ;;
		set) words="$keys $(_relaisctl_relays)" ;;
		remove) words="--move-to --yes $(_relaisctl_relays)" ;;
		pause) words="--reason --for --until $(_relaisctl_relays)" ;;
		show|resume|enable|disable|default)
			words=$(_relaisctl_relays) ;;
		esac ;;
	route)
		case $action in
		"") words="explain" ;;
		explain) words="--from --to --user --tag --priority" ;;
		esac ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words --json --help --socket" \
	    -- "$word")
}

# Ids of what waits, and names of relays; nothing if relaisd doesn't answer.
_relaisctl_ids()
{
	relaisctl list --json 2>/dev/null |
	    sed -n 's/^{"id":"\([0-9a-z]*\)".*/\1/p'
}

_relaisctl_relays()
{
	relaisctl relay list --json 2>/dev/null |
	    sed -n 's/^{"name":"\([^"]*\)".*/\1/p'
}

complete -F _relaisctl relaisctl
