using System.CommandLine;
using System.Globalization;
using System.Reflection;
using System.Text;

namespace Gateway.Commands;

/// <summary><c>gateway man</c>: prints the manual page, in the macros of man(7), from the definitions of the commands.</summary>
internal static class ManCommand
{
    public static Command Create()
    {
        var command = new Command("man", "Prints the manual page: gateway man > /usr/share/man/man1/gateway.1");
        command.SetAction(parsed => parsed.InvocationConfiguration.Output.Write(Page(parsed.RootCommandResult.Command)));
        return command;
    }

    private static string Page(Command root)
    {
        var version = typeof(ManCommand).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $".TH GATEWAY 1 \"\" \"gateway {Escape(version.Split('+')[0])}\" \"User Commands\"\n");
        text.Append(".SH NAME\ngateway \\- an OCI registry in front of other registries\n");
        text.Append(".SH SYNOPSIS\n.B gateway\n.RI [ COMMAND ]\n.RI [ OPTIONS ]\n");
        text.Append(CultureInfo.InvariantCulture, $".SH DESCRIPTION\n{Line(root.Description)}\nWithout a command it is \\fBserve\\fR.\n");
        text.Append(".SH COMMANDS\n");
        foreach (var command in root.Subcommands) Add(text, command, "gateway");
        text.Append("""
            .SH EXIT STATUS
            .TP
            .B 0
            Success.
            .TP
            .B 1
            A failure: a mistake in the configuration, a port in use, no answer.
            .TP
            .B 2
            An invalid command line. The commands of \fBgateway policy\fR return the verdict: 0 allow, 1 deny, 2 warn, 3 quarantine, 4 an error.
            .SH FILES
            .TP
            .I gateway.yaml\fR, \fI/etc/gateway/gateway.yaml
            The configuration; \fBgateway schema \-\-markdown\fR prints every key.
            .SH ENVIRONMENT
            .TP
            .B GATEWAY__SECTION__KEY
            Replaces a key of the configuration.
            .TP
            .B GATEWAY_OPERATOR_TOKEN
            The token for \fB\-\-server\fR.
            .TP
            .B GATEWAY_PASSWORD
            The password for \fB\-\-user\fR.

            """.ReplaceLineEndings("\n"));
        return text.ToString();
    }

    private static void Add(StringBuilder text, Command command, string before)
    {
        if (command.Hidden) return;
        var name = $"{before} {command.Name}";
        if (command.Subcommands.Count > 0)
        {
            foreach (var below in command.Subcommands) Add(text, below, name);
            return;
        }
        text.Append(CultureInfo.InvariantCulture, $".SS \"{Escape(name)}{string.Concat(command.Arguments.Select(Synopsis))}\"\n");
        text.Append(Line(command.Description));
        foreach (var argument in command.Arguments) Item(text, $"\\fI{Escape(argument.Name)}\\fR", argument.Description);
        foreach (var option in command.Options.Where(option => !option.Hidden))
        {
            var names = string.Join(", ", option.Aliases.Prepend(option.Name).Distinct().Select(each => $"\\fB{Escape(each)}\\fR"));
            var value = option.ValueType == typeof(bool) ? "" : $" \\fI{Escape(option.HelpName ?? "VALUE")}\\fR";
            Item(text, names + value, option.Description);
        }
    }

    private static string Synopsis(Argument argument) =>
        argument.Arity.MinimumNumberOfValues == 0 ? $" [{Escape(argument.Name)}]" : $" {Escape(argument.Name)}";

    private static void Item(StringBuilder text, string term, string? description) =>
        text.Append(CultureInfo.InvariantCulture, $".TP\n{term}\n{Line(description)}");

    private static string Line(string? text) => string.IsNullOrWhiteSpace(text) ? "" : Escape(text.Trim()) + "\n";

    // A line that begins with a dot or an apostrophe would be a request of roff; a plain hyphen would be typeset as another character.
    private static string Escape(string text)
    {
        var escaped = text.Replace("\\", "\\e", StringComparison.Ordinal).Replace("-", "\\-", StringComparison.Ordinal)
            .Replace("\"", "\\(dq", StringComparison.Ordinal);
        return escaped is ['.' or '\'', ..] ? "\\&" + escaped : escaped;
    }
}
