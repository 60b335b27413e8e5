using System.CommandLine;
using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Gateway.Configuration;

namespace Gateway.Commands;

/// <summary><c>gateway promote</c>: makes a running gateway bind a tag to a manifest of another of its repositories.</summary>
internal static class PromoteCommand
{
    // The gateway reads and evaluates content on its own disk, which takes far less.
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public static Command Create()
    {
        var from = new Argument<string>("from") { Description = "Source: repository@digest or repository:tag." };
        var to = new Argument<string>("to") { Description = "Destination: repository:tag." };
        var config = ConfigurationFile.Option();
        var server = new Option<string?>("--server")
        {
            Description = "The gateway's address; by default the first of 'listen' in the configuration.", HelpName = "URL",
        }.Expecting("an address such as http://127.0.0.1:5000", TargetGateway.IsAddress);
        var user = new Option<string?>("--user") { Description = "The account; set its password in GATEWAY_PASSWORD." };
        var command = new Command("promote", "Binds a tag to a manifest of another repository, with the evidence that the policy requires.")
        {
            from, to, config, server, user,
        };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var (output, error) = (parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error);
            var url = parsed.GetValue(server) is { } named ? new Uri(named) : null;
            if (url is null)
            {
                if ((await ConfigurationFile.LoadAsync(parsed.GetValue(config), error)).Options is not { } options) return 1;
                url = options.Listen[0].Url;
            }
            return await PromoteAsync(
                url, parsed.GetValue(user), parsed.GetRequiredValue(from), parsed.GetRequiredValue(to), output, error, cancellationToken);
        });
        return command;
    }

    private static async Task<int> PromoteAsync(
        Uri server, string? user, string from, string to, TextWriter output, TextWriter error, CancellationToken cancellationToken)
    {
        using var client = new HttpClient { Timeout = Limit };
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server, "/-/promote"))
        {
            Content = new StringContent(
                JsonSerializer.Serialize(new(from, to), PromoteJson.Default.Promotion), Encoding.UTF8, "application/json"),
        };
        if (user is not null)
        {
            if (Environment.GetEnvironmentVariable("GATEWAY_PASSWORD") is not { Length: > 0 } password)
            {
                await error.WriteLineAsync($"gateway: expected the password of {user} in the variable GATEWAY_PASSWORD, got none; set it");
                return 1;
            }
            var credentials = $"{user}:{password}";
            request.Headers.Authorization = new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(credentials)));
        }
        try
        {
            using var answer = await client.SendAsync(request, cancellationToken);
            if (answer.IsSuccessStatusCode)
            {
                await output.WriteLineAsync($"{to} is now {string.Join(' ', answer.Headers.GetValues("Docker-Content-Digest"))}");
                return 0;
            }
            var body = await answer.Content.ReadAsStringAsync(cancellationToken);
            var hint = answer.StatusCode == HttpStatusCode.Unauthorized
                ? "; give the account with --user and its password in GATEWAY_PASSWORD"
                : "";
            await error.WriteLineAsync($"gateway: {Message(body, (int)answer.StatusCode)}{hint}");
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
        {
            await error.WriteLineAsync($"gateway: {server} does not answer: {e.Message}");
        }
        return 1;
    }

    private static string Message(string body, int status)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            return document.RootElement.GetProperty("errors")[0].GetProperty("message").GetString() ?? $"status {status}";
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or IndexOutOfRangeException)
        {
            return $"status {status}";
        }
    }
}

/// <summary>The request to <c>/-/promote</c>.</summary>
internal sealed record Promotion(string From, string To);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(Promotion))]
internal sealed partial class PromoteJson : JsonSerializerContext;
