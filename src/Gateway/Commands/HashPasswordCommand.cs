using System.CommandLine;
using System.Text;
using Gateway.Access;

namespace Gateway.Commands;

/// <summary><c>gateway hash-password NAME</c>: prints a line for the htpasswd file.</summary>
internal static class HashPasswordCommand
{
    public static Command Create()
    {
        var name = new Argument<string>("NAME") { Description = "The account's name." };
        var cost = new Option<int>("--cost")
        {
            Description = "Cost of the hash, from 5 to 16; each step doubles the time.",
            DefaultValueFactory = _ => Bcrypt.DefaultCost,
        };
        cost.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is < Bcrypt.LeastCost or > Bcrypt.MostCost)
                result.AddError("--cost: expected a whole number from 5 to 16");
        });
        name.Validators.Add(result =>
        {
            var given = result.Tokens.Count == 1 ? result.Tokens[0].Value : "";
            if (given.Length == 0 || given.Contains(':') || given is Caller.Anonymous or Caller.Everybody)
                result.AddError($"NAME: expected a name without a colon, other than anonymous and *, got '{given}'");
        });
        var command = new Command("hash-password", "Reads a password from standard input and prints its line for the htpasswd file.")
        {
            name, cost,
        };
        command.SetAction(async parsed =>
            await RunAsync(parsed.GetRequiredValue(name), parsed.GetValue(cost), parsed.InvocationConfiguration));
        return command;
    }

    private static async Task<int> RunAsync(string name, int cost, InvocationConfiguration streams)
    {
        var password = await ReadPasswordAsync(streams.Error);
        if (Problem(password) is { } problem)
        {
            await streams.Error.WriteLineAsync($"gateway hash-password: {problem}");
            return 1;
        }
        await streams.Output.WriteLineAsync($"{name}:{Bcrypt.Hash(password!, cost)}");
        return 0;
    }

    private static string? Problem(string? password)
    {
        if (string.IsNullOrEmpty(password)) return "expected a password on standard input, got none";
        return Encoding.UTF8.GetByteCount(password) > Bcrypt.MostBytes
            ? $"expected a password of at most {Bcrypt.MostBytes} bytes; bcrypt ignores the rest"
            : null;
    }

    /// <summary>The first line of standard input; on a terminal the command prompts for it and does not echo it.</summary>
    private static async Task<string?> ReadPasswordAsync(TextWriter prompt)
    {
        if (Console.IsInputRedirected) return await Console.In.ReadLineAsync();
        await prompt.WriteAsync("Password: ");
        var password = new StringBuilder();
        while (Console.ReadKey(intercept: true) is { Key: not ConsoleKey.Enter } key)
        {
            if (key.Key != ConsoleKey.Backspace) password.Append(key.KeyChar);
            else if (password.Length > 0) password.Length--;
        }
        await prompt.WriteLineAsync();
        return password.ToString();
    }
}
