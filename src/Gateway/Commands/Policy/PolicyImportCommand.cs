using System.CommandLine;
using Gateway.Configuration;

namespace Gateway.Commands.Policy;

/// <summary><c>gateway policy import</c>: converts the policy of another system to a <c>policy</c> section for gateway.yaml.</summary>
internal static class PolicyImportCommand
{
    public static Command Create()
    {
        var quay = File("--quay", "A config.yaml of Red Hat Quay; its artifact type settings are imported.");
        var cip = File("--cip", "ClusterImagePolicies of sigstore's policy-controller, in one or several documents.");
        var notation = File("--notation", "A trustpolicy.json of Notation, with its trust store.");
        var root = new Option<string>("--trusted-root")
        {
            Description = "The trusted_root.json for keyless authorities.", HelpName = "FILE",
            DefaultValueFactory = _ => "trusted_root.json",
        };
        var store = File("--trust-store", "The trust store for --notation; by default truststore beside the trust policy.");
        var host = new Option<string?>("--host")
        {
            Description = "The host in scopes of --notation that means this gateway; it is removed.", HelpName = "HOST",
        };
        var command = new Command(
            "import", "Prints a policy section made from the policy of another system; unsupported parts go to standard error.")
        {
            quay, cip, notation, root, store, host,
        };
        command.Validators.Add(result =>
        {
            if (new[] { quay, cip, notation }.Count(option => result.GetResult(option) is not null) != 1)
                result.AddError("expected exactly one of --quay, --cip and --notation");
        });
        command.SetAction(async (parsed, _) =>
        {
            var (output, error) = (parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error);
            if (parsed.GetValue(quay) is { } config) return await RunAsync(config, QuayImport.Read, output, error);
            if (parsed.GetValue(notation) is { } trust)
            {
                var beside = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(trust))!, "truststore");
                var folder = new NotationTrustStore(parsed.GetValue(store) ?? beside);
                return await RunAsync(
                    trust, (file, import) => new NotationImport(import, folder, parsed.GetValue(host)).Read(file), output, error);
            }
            return await RunAllAsync(
                parsed.GetValue(cip)!, (all, import) => new CipImport(import, parsed.GetValue(root)!).Read(all), output, error);
        });
        return command;
    }

    private static Option<string?> File(string name, string description) => new(name) { Description = description, HelpName = "FILE" };

    private static Task<int> RunAsync(
        string file, Func<ConfigurationNode, Import, MappingNode?> read, TextWriter output, TextWriter error) =>
        RunAllAsync(file, (documents, import) =>
        {
            if (documents.Count == 1) return read(documents[0], import);
            import.Refuse(documents[^1], "", $"expected one document, got {documents.Count}");
            return null;
        }, output, error);

    private static async Task<int> RunAllAsync(
        string file, Func<IReadOnlyList<ConfigurationNode>, Import, MappingNode?> read, TextWriter output, TextWriter error)
    {
        var import = new Import();
        var section = Read(file, read, import);
        if (section is not null && import.Refusals.Count == 0) Check(section, import);
        foreach (var refusal in import.Refusals) await error.WriteLineAsync(Printable.Line(refusal.ToString(), MaxMessage));
        foreach (var note in import.Notes) await error.WriteLineAsync(Printable.Line($"{note} (note)", MaxMessage));
        if (section is null || import.Refusals.Count > 0) return PolicyExit.Error;
        await output.WriteLineAsync($"# From {Printable.Line(file)}, by gateway policy import.");
        foreach (var comment in import.Comments) await output.WriteLineAsync($"# {Printable.Line(comment)}");
        await output.WriteAsync(YamlWriter.Write(Nodes.Map(section.Location, ("policy", section))));
        return import.Notes.Count > 0 ? PolicyExit.Warn : PolicyExit.Allow;
    }

    // Some lines of a terminal.
    private const int MaxMessage = 600;

    private static MappingNode? Read(string file, Func<IReadOnlyList<ConfigurationNode>, Import, MappingNode?> read, Import import)
    {
        try
        {
            var documents = YamlReader.ReadAll(BoundedFile.ReadText(file), file, import.Refusals);
            if (documents is [] && import.Refusals.Count == 0) documents = [new MappingNode(new(file, 1, 1), [])];
            return documents is null || import.Refusals.Count > 0 ? null : read(documents, import);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            import.Refusals.Add(new(new(file, 1, 1), "", $"expected a readable file: {problem.Message}"));
            return null;
        }
    }

    // The reader of gateway.yaml checks the result; its mistakes are reported at the place in the original file.
    private static void Check(MappingNode section, Import import)
    {
        var reading = new Reading(section.Location, Directory.GetCurrentDirectory());
        PolicySchema.Policy.TryRead(section, "policy", reading, out _);
        foreach (var mistake in reading.Mistakes)
        {
            // The operator must provide the root; gateway.yaml is refused until it exists.
            if (mistake.Path.EndsWith(".trustedRoot", StringComparison.Ordinal)) import.Notes.Add(mistake);
            else import.Refusals.Add(mistake);
        }
    }
}
