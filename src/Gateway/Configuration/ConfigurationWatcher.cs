using System.Runtime.InteropServices;
using System.Threading.Channels;

namespace Gateway.Configuration;

/// <summary>
/// Reads the configuration again when its file changes and on SIGHUP, and applies it if it has no mistake. Watches the folder, because
/// editors and Kubernetes replace the file.
/// </summary>
internal sealed class ConfigurationWatcher : IAsyncDisposable
{
    /// <summary>Programs write a file in several steps; it is read after this time without a change.</summary>
    private static readonly TimeSpan Quiet = TimeSpan.FromMilliseconds(200);

    private readonly string? _path;
    private readonly Func<LoadedConfiguration> _load;
    private readonly Func<GatewayOptions, CancellationToken, Task> _apply;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;

    /// <summary>True requests a reload even if the text is the same, because files that it names may have changed.</summary>
    private readonly Channel<bool> _signals =
        Channel.CreateBounded<bool>(new BoundedChannelOptions(16) { FullMode = BoundedChannelFullMode.DropWrite });

    private readonly CancellationTokenSource _stopping = new();
    private readonly PosixSignalRegistration _hangup;
    private readonly FileSystemWatcher? _folder;
    private readonly Task _running;
    private GatewayOptions _current;
    private string? _text;

    /// <param name="path">The file that was read; null for none.</param>
    /// <param name="load">Reads everything again.</param>
    /// <param name="apply">Applies the new options; not called if they need a restart. If this or <paramref name="load"/> throws, the
    /// exception is logged, the old configuration stays in force, and the next change is handled as usual.</param>
    public ConfigurationWatcher(
        string? path,
        GatewayOptions current,
        Func<LoadedConfiguration> load,
        Func<GatewayOptions, CancellationToken, Task> apply,
        TimeProvider clock,
        ILogger logger)
    {
        (_path, _current, _load, _apply, _clock, _logger) = (path, current, load, apply, clock, logger);
        _text = ReadText();
        _folder = WatchFolder();
        _hangup = PosixSignalRegistration.Create(PosixSignal.SIGHUP, context =>
        {
            context.Cancel = true;
            Ask();
        });
        _running = RunAsync();
    }

    /// <summary>Called after each reload: null if the new configuration is in force, otherwise the reason.</summary>
    public Action<string?>? Told { get; init; }

    /// <summary>Likely mistakes in a valid configuration, one line each.</summary>
    public Func<LoadedConfiguration, IEnumerable<string>>? Doubts { get; init; }

    /// <summary>Requests a reload, as SIGHUP does.</summary>
    public void Ask() => _signals.Writer.TryWrite(true);

    public async ValueTask DisposeAsync()
    {
        _hangup.Dispose();
        _folder?.Dispose();
        await _stopping.CancelAsync();
        await _running;
        _stopping.Dispose();
    }

    private async Task RunAsync()
    {
        try
        {
            while (await _signals.Reader.WaitToReadAsync(_stopping.Token))
            {
                await Task.Delay(Quiet, _clock, _stopping.Token);
                var isAsked = false;
                while (_signals.Reader.TryRead(out var asked)) isAsked |= asked;
                var text = ReadText();
                if (isAsked || text != _text) await ReloadAsync();
                _text = text;
            }
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
        }
    }

    private async Task ReloadAsync()
    {
        if (_path is not null && ConfigurationLoader.IsStream(_path))
        {
            Log.ReadOnce(_logger, _path);
            return;
        }
        try
        {
            var loaded = _load();
            foreach (var mistake in loaded.Mistakes) Log.Refused(_logger, mistake.ToString());
            if (loaded.Options is not { } next)
            {
                Told?.Invoke(loaded.Mistakes[0].ToString());
                return;
            }
            if (RestartKeys.Changed(_current, next) is { Count: > 0 } keys)
            {
                Log.NeedsRestart(_logger, string.Join(", ", keys));
                Told?.Invoke($"a change of {string.Join(", ", keys)} needs a restart");
                return;
            }
            await _apply(next, _stopping.Token);
            _current = next;
            Log.Reloaded(_logger, loaded.Path ?? "(no file)");
            foreach (var doubt in Doubts?.Invoke(loaded) ?? []) Log.Doubtful(_logger, doubt);
            Told?.Invoke(null);
        }
        catch (Exception problem) when (problem is not OperationCanceledException)
        {
            Log.ApplyFailed(_logger, problem);
            Told?.Invoke(problem.Message);
        }
    }

    private FileSystemWatcher? WatchFolder()
    {
        if (_path is null || ConfigurationLoader.IsStream(_path)) return null;
        try
        {
            var folder = new FileSystemWatcher(Path.GetDirectoryName(Path.GetFullPath(_path))!);
            folder.Changed += (_, _) => _signals.Writer.TryWrite(false);
            folder.Created += (_, _) => _signals.Writer.TryWrite(false);
            folder.Renamed += (_, _) => _signals.Writer.TryWrite(false);
            folder.Error += (_, _) => _signals.Writer.TryWrite(false);
            folder.EnableRaisingEvents = true;
            return folder;
        }
        catch (Exception problem) when (problem is IOException or ArgumentException)
        {
            Log.NotWatched(_logger, _path, problem.Message);
            return null;
        }
    }

    /// <summary>Null while there is no file, for instance between an editor's removal and renaming.</summary>
    private string? ReadText()
    {
        try
        {
            return _path is null || ConfigurationLoader.IsStream(_path) ? null : BoundedFile.ReadText(_path);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
