using System.CommandLine;
using System.Text.Json;
using Gateway.Configuration;
using Gateway.Operations;

namespace Gateway.Commands;

/// <summary><c>gateway prefetch</c>: has a running gateway fetch images ahead of need, and waits for them.</summary>
internal static class PrefetchCommand
{
    public static Command Create()
    {
        var (config, json) = (ConfigurationFile.Option(), AdminCommand.Json());
        var references = new Argument<string[]>("REFERENCE")
        {
            Description = "Images, such as nginx:1.27 or ghcr.io/org/app@sha256:….", Arity = ArgumentArity.ZeroOrMore,
        };
        var from = new Option<string[]>("--from")
        {
            Description = "Kubernetes manifests or compose files whose images to fetch; /dev/stdin for a pipe.", HelpName = "FILE",
        };
        var platform = new Option<string[]>("--platform")
        {
            Description = "Of an index only these, such as linux/amd64; all when left out.", HelpName = "PLATFORM",
        };
        var command = new Command("prefetch", "Fetches images ahead of need, and waits until they are here.")
        {
            references, from, platform, config, json,
        };
        command.SetAction((parsed, cancellationToken) => AdminCommand.RunAsync(
            parsed.GetValue(config), parsed.InvocationConfiguration.Error,
            async gateway =>
            {
                string[] images = [.. parsed.GetValue(references)!, .. (parsed.GetValue(from) ?? []).SelectMany(WorkloadFile.ImagesIn)];
                return await FetchAsync(
                    gateway, [.. images.Distinct(StringComparer.Ordinal)], parsed.GetValue(platform) ?? [], parsed.InvocationConfiguration,
                    parsed.GetValue(json), cancellationToken);
            },
            offline: null));
        return command;
    }

    private static async Task<int> FetchAsync(
        OperatorClient gateway, string[] images, string[] platforms, InvocationConfiguration invocation, bool asJson,
        CancellationToken cancellationToken)
    {
        if (images.Length == 0)
            throw new IOException("no image was named; expected one such as nginx:1.27, or a file by --from that names some");
        var done = 0;
        foreach (var some in images.Chunk(ImagePrefetch.MaxReferences))
        {
            var request = new PrefetchRequest(some, platforms);
            await foreach (var each in gateway.StreamAsync(
                "prefetch", request, AdminJson.Default.PrefetchRequest, AdminJson.Default.PrefetchOutcome, cancellationToken))
            {
                if (each.Problem is null) done++;
                var line = asJson ? JsonSerializer.Serialize(each, AdminJson.Default.PrefetchOutcome) : Line(each);
                await invocation.Output.WriteLineAsync(line);
            }
        }
        return done == images.Length ? 0 : 1;
    }

    private static string Line(PrefetchOutcome each) => each.Problem is { } problem
        ? $"failed   {each.Reference}  {problem}"
        : $"{(each.FetchedBytes > 0 ? "fetched" : "here"),-7}  {each.Reference}  {AdminCommand.Bytes(each.Bytes)}"
            + $", {AdminCommand.Bytes(each.FetchedBytes)} of them fetched";
}
