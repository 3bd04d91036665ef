# Completion of mullionctl(1) for fish.

function __mullionctl_guests
    mullionctl list 2>/dev/null | awk 'NR > 1 { print $1 }'
end

# True where the next word is the first argument of one of these commands.
function __mullionctl_at
    set -l words (string match -v -- '-*' (commandline -opc)[2..])
    test (count $words) -eq 1; and contains -- $words[1] $argv
end

set -l named status start stop kill traps focus fullscreen move resize screenshot

complete -c mullionctl -f
complete -c mullionctl -s j -l json -d 'print JSON'
complete -c mullionctl -s h -l help -d 'print the help'
complete -c mullionctl -s V -l version -d 'print the version'

complete -c mullionctl -n __fish_use_subcommand -a check -d 'report every error of the configuration'
complete -c mullionctl -n __fish_use_subcommand -a keys -d 'every key of the configuration'
complete -c mullionctl -n __fish_use_subcommand -a list -d 'the guests and their states'
complete -c mullionctl -n __fish_use_subcommand -a status -d 'all about one guest'
complete -c mullionctl -n __fish_use_subcommand -a start -d 'start a guest'
complete -c mullionctl -n __fish_use_subcommand -a stop -d 'have a guest power down'
complete -c mullionctl -n __fish_use_subcommand -a kill -d 'end a guest at once'
complete -c mullionctl -n __fish_use_subcommand -a table -d 'guest resources and the machine\'s'
complete -c mullionctl -n __fish_use_subcommand -a traps -d 'what a guest trapped for'
complete -c mullionctl -n __fish_use_subcommand -a vram -d 'the VRAM map'
complete -c mullionctl -n __fish_use_subcommand -a shutdown -d 'stop all guests, then mulliond'
complete -c mullionctl -n __fish_use_subcommand -a windows -d 'the guests\' windows'
complete -c mullionctl -n __fish_use_subcommand -a screenshot -d 'the session, or one guest\'s picture'
complete -c mullionctl -n __fish_use_subcommand -a focus -d 'focus and raise a guest\'s window'
complete -c mullionctl -n __fish_use_subcommand -a fullscreen -d 'one guest alone on the screen'
complete -c mullionctl -n __fish_use_subcommand -a move -d 'put a window\'s picture there'
complete -c mullionctl -n __fish_use_subcommand -a resize -d 'show a guest\'s picture in this size'
complete -c mullionctl -n __fish_use_subcommand -a leave -d 'end the session'

complete -c mullionctl -n "__mullionctl_at $named" -a '(__mullionctl_guests)'
complete -c mullionctl -n '__mullionctl_at fullscreen' -a off
complete -c mullionctl -n '__fish_seen_subcommand_from check screenshot' -F
complete -c mullionctl -n '__mullionctl_at keys' -a 'text names scdoc-host scdoc-guest'
