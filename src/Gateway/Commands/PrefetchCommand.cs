using System.CommandLine;
using System.Text.Json;
using Gateway.Configuration;
using Gateway.Operations;

namespace Gateway.Commands;

/// <summary><c>gateway prefetch</c>: makes a running gateway fetch images in advance, and waits for them.</summary>
internal static class PrefetchCommand
{
    public static Command Create()
    {
        var (asked, json) = (new TargetGateway(), AdminCommand.Json());
        var references = new Argument<string[]>("REFERENCE")
        {
            Description = "Images such as nginx:1.27 or ghcr.io/org/app@sha256:….", Arity = ArgumentArity.ZeroOrMore,
        };
        var from = new Option<string[]>("--from")
        {
            Description = "Kubernetes manifests or compose files whose images to fetch; /dev/stdin for a pipe.", HelpName = "FILE",
        };
        var platform = new Option<string[]>("--platform")
        {
            Description = "Only these platforms of an index, such as linux/amd64; all by default.", HelpName = "PLATFORM",
        };
        var command = new Command("prefetch", "Fetches images in advance, and waits until they are cached.")
        {
            references, from, platform, asked.Config, asked.Server, json,
        };
        command.Validators.Add(result =>
        {
            if (result.GetValue(references) is { Length: 0 } && result.GetValue(from) is null or { Length: 0 })
                result.AddError("expected an image such as nginx:1.27, or --from with a file that lists images; got neither");
        });
        command.SetAction((parsed, cancellationToken) => AdminCommand.RunAsync(
            parsed, asked,
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
        var (done, told, bytes) = (0, 0, 0L);
        var progress = new ProgressLine(invocation.Error);
        await progress.ShowAsync($"0 of {images.Length} images");
        foreach (var some in images.Chunk(ImagePrefetch.MaxReferences))
        {
            var request = new PrefetchRequest(some, platforms);
            await foreach (var each in gateway.StreamAsync(
                "prefetch", request, AdminJson.Default.PrefetchRequest, AdminJson.Default.PrefetchOutcome, cancellationToken))
            {
                if (each.Problem is null) done++;
                (told, bytes) = (told + 1, bytes + each.Bytes);
                var line = asJson ? JsonSerializer.Serialize(each, AdminJson.Default.PrefetchOutcome) : Line(each);
                await progress.ClearAsync();
                await invocation.Output.WriteLineAsync(line);
                await progress.ShowAsync($"{told} of {images.Length} images, {AdminCommand.Bytes(bytes)}");
            }
        }
        await progress.ClearAsync();
        return done == images.Length ? 0 : 1;
    }

    private static string Line(PrefetchOutcome each) => each.Problem is { } problem
        ? $"failed   {each.Reference}  {problem}"
        : $"{(each.FetchedBytes > 0 ? "fetched" : "here"),-7}  {each.Reference}  {AdminCommand.Bytes(each.Bytes)}"
            + $", {AdminCommand.Bytes(each.FetchedBytes)} of them fetched";
}
