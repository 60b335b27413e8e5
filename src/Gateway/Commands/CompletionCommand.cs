using System.CommandLine;

namespace Gateway.Commands;

/// <summary><c>gateway completion</c>: prints a script with which a shell completes commands, options and their values.</summary>
internal static class CompletionCommand
{
    // Each script calls the program with the directive to which System.CommandLine replies with one candidate per line.
    private const string Bash = """
        # gateway completion bash > /etc/bash_completion.d/gateway
        _gateway() {
            local IFS=$'\n'
            COMPREPLY=($(compgen -W "$(gateway "[suggest:${COMP_POINT}]" "${COMP_LINE}" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
            [ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
        }
        complete -F _gateway gateway
        """;

    private const string Zsh = """
        #compdef gateway
        # gateway completion zsh > "${fpath[1]}/_gateway"
        _gateway() {
            local -a candidates
            candidates=("${(@f)$(gateway "[suggest:${CURSOR}]" "${BUFFER}" 2>/dev/null)}")
            compadd -- "${candidates[@]}" || _files
        }
        compdef _gateway gateway
        """;

    private const string Fish = """
        # gateway completion fish > ~/.config/fish/completions/gateway.fish
        function __gateway
            set -l line (commandline -cp)
            gateway "[suggest:"(string length -- $line)"]" "$line" 2>/dev/null
        end
        complete -c gateway -a '(__gateway)'
        """;

    public static Command Create()
    {
        var shell = new Argument<string>("SHELL") { Description = "bash, zsh or fish." };
        shell.AcceptOnlyFromAmong("bash", "zsh", "fish");
        var command = new Command("completion", "Prints the script by which a shell completes this program's command line.") { shell };
        command.SetAction(parsed => parsed.InvocationConfiguration.Output.WriteLine(parsed.GetValue(shell) switch
        {
            "bash" => Bash,
            "zsh" => Zsh,
            _ => Fish,
        }));
        return command;
    }
}
