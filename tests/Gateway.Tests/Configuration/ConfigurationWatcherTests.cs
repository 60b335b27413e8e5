using System.Threading.Channels;
using Gateway.Commands.Policy;
using Gateway.Configuration;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Gateway.Tests.Configuration;

public sealed class ConfigurationWatcherTests : IAsyncDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("gateway-watcher-");
    private readonly Channel<GatewayOptions> _applied = Channel.CreateUnbounded<GatewayOptions>();
    private readonly LineLogger _log = new();
    private readonly Channel<string> _told = Channel.CreateUnbounded<string>();
    private ConfigurationWatcher? _watcher;

    private string File => Path.Combine(_folder.FullName, "gateway.yaml");

    public async ValueTask DisposeAsync()
    {
        if (_watcher is not null) await _watcher.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Changed_file_is_reloaded()
    {
        Start("cache: { maxSize: 1GiB }");

        await Write("cache: { maxSize: 2GiB }");

        Assert.Equal(2L << 30, (await Applied()).Cache.MaxSize);
    }

    [Fact]
    public async Task Replaced_file_is_reloaded()
    {
        Start("cache: { maxSize: 1GiB }");
        await System.IO.File.WriteAllTextAsync(File + ".new", "cache: { maxSize: 3GiB }");

        System.IO.File.Move(File + ".new", File, overwrite: true);

        Assert.Equal(3L << 30, (await Applied()).Cache.MaxSize);
    }

    [Fact]
    public async Task Swapped_link_to_a_folder_is_noticed_as_Kubernetes_swaps_it()
    {
        await WriteVersion("one", "cache: { maxSize: 1GiB }");
        System.IO.File.CreateSymbolicLink(Path.Combine(_folder.FullName, "..data"), "one");
        System.IO.File.CreateSymbolicLink(File, "..data/gateway.yaml");
        Watch();
        await WriteVersion("two", "cache: { maxSize: 4GiB }");

        System.IO.File.Delete(Path.Combine(_folder.FullName, "..data"));
        System.IO.File.CreateSymbolicLink(Path.Combine(_folder.FullName, "..data"), "two");

        Assert.Equal(4L << 30, (await Applied()).Cache.MaxSize);
    }

    [Fact]
    public async Task File_with_mistakes_changes_nothing_and_logs_every_mistake()
    {
        Start("cache: { maxSize: 1GiB }");

        await Write("cache: { maxSiz: 2GiB }\nstorag: {}\n");
        await _log.Has("cache.maxSiz: unknown key; did you mean maxSize?");
        await _log.Has("storag: unknown key; did you mean storage?");

        await Write("cache: { maxSize: 5GiB }");
        Assert.Equal(5L << 30, (await Applied()).Cache.MaxSize);
    }

    [Fact]
    public async Task Reload_that_throws_is_logged_and_the_next_change_is_reloaded()
    {
        var mayRead = false;
        await System.IO.File.WriteAllTextAsync(File, "cache: { maxSize: 1GiB }");
        Watch(() => Volatile.Read(ref mayRead) ? Load() : throw new InvalidOperationException("unexpected"));

        await Write("cache: { maxSize: 2GiB }");
        await _log.Has("the previous one stays in force");

        Volatile.Write(ref mayRead, true);
        await Write("cache: { maxSize: 7GiB }");
        Assert.Equal(7L << 30, (await Applied()).Cache.MaxSize);
    }

    [Fact]
    public async Task Likely_mistakes_in_the_configuration_in_force_are_logged()
    {
        Start("cache: { maxSize: 1GiB }");

        const string Rule = "{ id: few, match: { repos: [Prod/app] }, require: { limits: { maxLayers: 3 } } }";
        await Write($"policy: {{ default: allow, rules: [ {Rule} ] }}");

        await _log.Has("RULE_NEVER: 'Prod/app' matches no repository");
    }

    [Fact]
    public async Task Change_that_needs_a_restart_is_rejected_with_its_keys()
    {
        Start("cache: { maxSize: 1GiB }");

        await Write("cache: { maxSize: 2GiB }\nlisten: http://127.0.0.1:5999\nstorage: { path: ./elsewhere }\n");
        await _log.Has("a change of listen, storage needs a restart");

        Assert.False(_applied.Reader.TryRead(out _));
    }

    [Theory]
    [InlineData("cache: { maxSize: 2GiB }", "taken up")]
    [InlineData("cache: { maxSiz: 2GiB }", "cache.maxSiz: unknown key")]
    [InlineData("listen: http://127.0.0.1:5999", "a change of listen needs a restart")]
    public async Task Each_reload_reports_its_result(string text, string expected)
    {
        Start("cache: { maxSize: 1GiB }");

        await Write(text);

        var told = await _told.Reader.ReadAsync().AsTask().InTimeAsync("the reload is told");
        Assert.Contains(expected, told, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Requested_reload_happens_even_if_the_text_is_unchanged()
    {
        Start("cache: { maxSize: 1GiB }");

        _watcher!.Ask();

        Assert.Equal(1L << 30, (await Applied()).Cache.MaxSize);
    }

    [Fact]
    public async Task Rewriting_equal_listeners_is_not_a_change()
    {
        const string Text = "listen: [{ url: 'http://127.0.0.1:0', hosts: [a.example] }]\n";
        Start(Text);

        await Write(Text + "cache: { maxSize: 6GiB }");

        Assert.Equal(6L << 30, (await Applied()).Cache.MaxSize);
    }

    private void Start(string text)
    {
        System.IO.File.WriteAllText(File, text);
        Watch();
    }

    private void Watch(Func<LoadedConfiguration>? load = null) =>
        _watcher = new(
            File, Load().Options!, load ?? Load, async (next, stop) => await _applied.Writer.WriteAsync(next, stop), TimeProvider.System,
            _log)
        {
            Told = why => _told.Writer.TryWrite(why ?? "taken up"),
            Doubts = PolicyLintCommand.Doubts,
        };

    private LoadedConfiguration Load() => ConfigurationLoader.Load(File, []);

    private Task Write(string text) => System.IO.File.WriteAllTextAsync(File, text);

    private async Task WriteVersion(string name, string text)
    {
        var version = _folder.CreateSubdirectory(name);
        await System.IO.File.WriteAllTextAsync(Path.Combine(version.FullName, "gateway.yaml"), text);
    }

    private async Task<GatewayOptions> Applied() => await _applied.Reader.ReadAsync().AsTask().InTimeAsync("the configuration is applied");
}
