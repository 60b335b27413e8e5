using System.CommandLine;
using Gateway.Configuration;
using Gateway.Operations;

namespace Gateway.Commands;

/// <summary><c>gateway prefetch</c>: makes a running gateway fetch images in advance, and waits for them.</summary>
internal static class PrefetchCommand
{
    public static Command Create()
    {
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
        const string description = "Fetches images in advance, and waits until they are cached.";
        var command = AdminCommand.Create("prefetch", description, [references, from, platform], call =>
        {
            string[] images = [.. call.Value(references), .. (call.Value(from) ?? []).SelectMany(WorkloadFile.ImagesIn)];
            return FetchAsync(call, [.. images.Distinct(StringComparer.Ordinal)], call.Value(platform) ?? []);
        });
        command.Validators.Add(result =>
        {
            if (result.GetValue(references) is { Length: 0 } && result.GetValue(from) is null or { Length: 0 })
                result.AddError("expected an image such as nginx:1.27, or --from with a file that lists images; got neither");
        });
        return command;
    }

    private static async Task<int> FetchAsync(GatewayCall call, string[] images, string[] platforms)
    {
        var (done, told, bytes) = (0, 0, 0L);
        var progress = new ProgressLine(call.Error);
        await progress.ShowAsync($"0 of {images.Length} images");
        foreach (var some in images.Chunk(ImagePrefetch.MaxReferences))
        {
            var request = new PrefetchRequest(some, platforms);
            await foreach (var each in call.Gateway.StreamAsync(AdminCalls.Prefetch, request, call.CancellationToken))
            {
                if (each.Problem is null) done++;
                (told, bytes) = (told + 1, bytes + each.Bytes);
                await progress.ClearAsync();
                await call.WriteAsync(each, AdminJson.Default.PrefetchOutcome, Line(each));
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
