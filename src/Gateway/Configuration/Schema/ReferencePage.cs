using System.Text;

namespace Gateway.Configuration;

/// <summary>Writes docs/configuration.md from the declaration, so the page cannot differ from it.</summary>
internal static class ReferencePage
{
    private const string Preface = """
        # gateway.yaml

        <!-- Written by `gateway schema --markdown`; change the declaration in src/Gateway/Configuration and run it again. -->

        Every key has a default. Without a file, or with an empty one, the gateway serves built-in storage on
        `http://127.0.0.1:5000`. [Examples](examples/) show whole files, [access.md](access.md) shows accounts and rights,
        [cli.md](cli.md) the command line.

        **Which file.** `--config FILE`, which must exist. Without the option: `./gateway.yaml`, otherwise `/etc/gateway/gateway.yaml`;
        neither needs to exist. Relative paths in the file start from its folder (from the working directory for `/dev/stdin`). The
        format is YAML 1.2 without anchors, aliases and tags.

        **Mistakes.** An unknown key, a wrong type or an invalid value is refused. All mistakes are reported at once:
        `gateway.yaml:7:5: cache.maxSiz: unknown key; did you mean maxSize?` `gateway verify` reports them without serving. Keys of
        later versions are refused by name.

        **Environment.** Variables that begin with `GATEWAY__` override the file: `GATEWAY__STORAGE__PATH=/srv/registry` sets
        `storage.path`.
        - Case is ignored, and `_` stands for any character that the name of a variable cannot contain.
          `GATEWAY__UPSTREAMS__DOCKER_IO__LIBRARY=false` means the upstream `docker.io`, if the file names it or it is well known.
          Any other new upstream has the written name, in lower case (`GATEWAY__UPSTREAMS__CORP__URL=…`; with `env`, Compose and
          Kubernetes also `GATEWAY__UPSTREAMS__registry.corp.example__URL=…`).
        - A number is a place in a list, from 0; the next free place adds an item: `GATEWAY__LISTEN__0=http://127.0.0.1:8080`.
        - A list or section can be written as YAML: `GATEWAY__ROUTES='[{ prefix: "", storage: built-in }]'`.
        - A variable that ends in `__FILE` names a file with the value:
          `GATEWAY__UPSTREAMS__DOCKER_IO__CREDENTIALS__PASSWORD__FILE=/run/secrets/hub`.
        - A variable that matches no key is a mistake like any other.

        **Changes while running.** The gateway reads the whole file again when it changes, and on SIGHUP. A file with a mistake changes
        nothing. The same is true of a file that changes `listen`, `tls`, `operator`, `audit` or `storage`, which need a restart; the log
        says so. Requests in progress keep the configuration that they started with.

        **Well-known upstreams** have a built-in url and token servers, so `ghcr.io: {}` is enough:
        """;

    public static string Write()
    {
        var page = new StringBuilder(Preface.TrimEnd()).Append(' ');
        page.AppendJoin(", ", WellKnownUpstreams.Keys.Select(key => $"`{key}`")).Append(".\n");
        WriteSection(page, "", GatewaySchema.Root);
        return page.ToString().ReplaceLineEndings("\n");
    }

    private static void WriteSection(StringBuilder page, string path, SettingType type)
    {
        page.Append(path.Length == 0 ? "\n## Top level\n" : $"\n## `{path}`\n");
        page.Append("\n| key | expected | default | meaning |\n|---|---|---|---|\n");
        foreach (var setting in type.Settings)
            page.Append($"| `{setting.Name}` | {Cell(Expected(setting.Type))} | {Cell(Default(setting))} | {Cell(setting.Summary)} |\n");
        foreach (var setting in type.Settings) WriteBelow(page, Reading.Join(path, setting.Name), setting.Type);
    }

    private static void WriteBelow(StringBuilder page, string path, SettingType type)
    {
        if (type.Item is { } item) WriteBelow(page, $"{path}[]", item);
        else if (type.Value is { } value) WriteBelow(page, $"{path}.<key>", value);
        else if (type.Settings.Count > 0) WriteSection(page, path, type);
    }

    private static string Default(Setting setting) => setting.Default switch
    {
        null => "*required*",
        ['(', .. var words, ')'] => words,
        var text => $"`{text}`",
    };

    private static string Expected(SettingType type) =>
        type.Item is { Settings.Count: > 0 } && !type.TakesScalar ? "a list of sections, see below" : type.Expected;

    private static string Cell(string text) => text.Replace("|", "\\|", StringComparison.Ordinal);
}
