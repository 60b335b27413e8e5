using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization;
using Gateway.Configuration;
using Gateway.Storage;

namespace Gateway.Commands;

/// <summary><c>gateway backup</c> and <c>gateway repair</c>: a copy of a volume that is in use, and a journal that is damaged.</summary>
internal static partial class BackupCommand
{
    public static Command Create()
    {
        var to = new Argument<string>("FOLDER") { Description = "Where the backup goes: an empty or absent folder." };
        var copy = new Option<bool>("--copy") { Description = "Copy every file, also where hard links are possible." };
        var cache = new Option<bool>("--cached") { Description = "Also what was fetched from upstreams." };
        var (config, json) = (ConfigurationFile.Option(), AdminCommand.Json());
        var command = new Command("backup", "Copies the volume, while a gateway serves it, to a folder that a gateway can serve.")
        {
            to, copy, cache, config, json,
        };
        command.SetAction((parsed, cancellationToken) => RunAsync(parsed, config, storage =>
        {
            if (storage.S3 is { } s3)
                throw new IOException($"pushed content is in the bucket {s3.Store.Bucket}, and not in {storage.Path}; back up the bucket");
            var report = VolumeBackup.Make(
                storage.Path, parsed.GetRequiredValue(to), !parsed.GetValue(copy), parsed.GetValue(cache), cancellationToken);
            var output = parsed.InvocationConfiguration.Output;
            if (parsed.GetValue(json)) output.WriteLine(JsonSerializer.Serialize(report, UpkeepJson.Default.BackupReport));
            else Print(output, report);
            return 0;
        }));
        return command;
    }

    public static Command Repair()
    {
        var dryRun = new Option<bool>("--dry-run") { Description = "Only print what would be lost." };
        var (config, json) = (ConfigurationFile.Option(), AdminCommand.Json());
        var command = new Command("repair", "Repairs a damaged journal of a volume that no gateway uses, and prints what is lost.")
        {
            dryRun, config, json,
        };
        command.SetAction((parsed, _) => RunAsync(parsed, config, storage =>
        {
            var report = JournalRepair.Run(storage.Path, !parsed.GetValue(dryRun), TimeProvider.System);
            var output = parsed.InvocationConfiguration.Output;
            if (parsed.GetValue(json)) output.WriteLine(JsonSerializer.Serialize(report, UpkeepJson.Default.RepairReport));
            else Print(output, report);
            return 0;
        }));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, Option<string?> config, Func<StorageOptions, int> run)
    {
        var error = parsed.InvocationConfiguration.Error;
        if ((await ConfigurationFile.LoadAsync(parsed.GetValue(config), error)).Options is not { } options) return 1;
        try
        {
            return run(options.Storage);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            await error.WriteLineAsync($"gateway: {e.Message}");
            return 1;
        }
    }

    private static void Print(TextWriter output, BackupReport report)
    {
        var how = report.IsLinked ? "as hard links" : "copied";
        output.WriteLine($"{report.Repositories} repositories, {report.Files} files, {AdminCommand.Bytes(report.Bytes)}, {how}");
        foreach (var tag in report.Dropped) output.WriteLine($"left out: {tag}, which was deleted meanwhile");
    }

    private static void Print(TextWriter output, RepairReport report)
    {
        if (report.Lost.Count == 0)
        {
            output.WriteLine($"the journal is not damaged; {report.Readable} changes are applied at the next start");
            return;
        }
        foreach (var lost in report.Lost)
        {
            var count = lost.Count is { } known ? $"at most {known}" : "an unknown number of";
            output.WriteLine($"lost: {count} changes after number {lost.After}: {lost.Segment}, {lost.Length} bytes at {lost.Offset}");
        }
        output.WriteLine($"kept: {report.Readable} changes, in {string.Join(", ", report.Repositories)}");
        output.WriteLine(report.SetAside is { } folder
            ? $"the original segments are in {folder}; start the gateway, and push again what is missing"
            : "nothing was changed; run without --dry-run to repair");
    }

    [JsonSerializable(typeof(BackupReport))]
    [JsonSerializable(typeof(RepairReport))]
    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
    private sealed partial class UpkeepJson : JsonSerializerContext;
}
