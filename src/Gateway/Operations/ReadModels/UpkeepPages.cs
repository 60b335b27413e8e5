using System.Text.Json;
using Gateway.Configuration;
using Gateway.Storage;

namespace Gateway.Operations.ReadModels;

/// <summary>What keeps the gateway in order.</summary>
/// <param name="Jobs">The latest jobs, such as collections; the latest first.</param>
/// <param name="Problems">What keeps the gateway from working well.</param>
/// <param name="Damaged">Number of contents whose bytes do not have their digest.</param>
/// <param name="DamagedContent">Some of them, with where their files were set aside.</param>
/// <param name="Trash">Disk space of the trash.</param>
/// <param name="Runtime">The version of .NET that runs it.</param>
public sealed record UpkeepPage(
    IReadOnlyList<JobRow> Jobs, IReadOnlyList<string> Problems, int Damaged, IReadOnlyList<DamagedRow> DamagedContent,
    long Trash, IReadOnlyList<CertificateRow> Certificates,
    string Version, string Runtime);

/// <summary>Content whose bytes do not have its digest, so that it is not served.</summary>
/// <param name="Root"><c>pushed</c> or <c>staged</c>.</param>
/// <param name="File">Where its file was set aside, below the volume; null when it is still in its place.</param>
public sealed record DamagedRow(string Root, string Digest, long Bytes, string? File);

/// <param name="State"><c>running</c>, <c>done</c>, <c>failed</c> or <c>stopped</c>.</param>
/// <param name="Progress">What it does now; null when it does not run.</param>
/// <param name="Result">Its report, as JSON; null before the end.</param>
public sealed record JobRow(
    string Id, string Kind, string State, string StartedBy, DateTimeOffset StartedAt, DateTimeOffset? EndedAt, bool IsDryRun,
    string? Progress, string? Problem, string? Result);

/// <param name="Problem">Why it cannot be read; null when it can.</param>
public sealed record CertificateRow(string Listener, string File, string? Subject, DateTimeOffset? Until, string? Problem);

/// <summary>Makes the page of upkeep.</summary>
internal sealed class UpkeepPages(Jobs jobs, Health health, Damage damage, TrashContents trash, ConfigurationInForce inForce)
{
    private const int MostJobs = 20;
    private const int MostDamaged = 50;

    public UpkeepPage Read()
    {
        var options = inForce.Current;
        return new(
            [.. jobs.All().Take(MostJobs).Select(RowOf)],
            [.. health.Problems().Select(static p => $"{p.Check}: {p.Problem}"), .. health.Warnings()], damage.Count,
            [.. damage.List(MostDamaged).Select(static d => new DamagedRow(d.Root, d.Digest.ToString(), d.Bytes, d.File))], trash.DiskSpace,
            [.. Certificates(options)], BuildInfo.Version, Environment.Version.ToString());
    }

    private static JobRow RowOf(Job job) => new(
        job.Id, job.Kind, JsonNamingPolicy.CamelCase.ConvertName(job.State.ToString()), job.StartedBy, job.StartedAt, job.EndedAt,
        job.IsDryRun, job.Progress is { } p ? $"{p.Step}: {p.Done}{(p.Total is { } all ? $" of {all}" : "")} {p.Unit}" : null, job.Problem,
        job.Result?.GetRawText());

    private static IEnumerable<CertificateRow> Certificates(GatewayOptions options)
    {
        foreach (var listener in options.Listen.Where(static l => l.Url.Scheme == Uri.UriSchemeHttps))
        {
            if ((listener.Tls ?? options.Tls) is { } tls) yield return CertificateOf(listener.Url, tls);
        }
        if (options.Operator.Url.Scheme == Uri.UriSchemeHttps && (options.Operator.Tls ?? options.Tls) is { } own)
            yield return CertificateOf(options.Operator.Url, own);
    }

    private static CertificateRow CertificateOf(Uri listener, TlsOptions tls)
    {
        var (name, file) = (listener.GetLeftPart(UriPartial.Authority), tls.Certificate);
        try
        {
            using var read = System.Security.Cryptography.X509Certificates.X509Certificate2.CreateFromPem(BoundedFile.ReadText(file));
            return new(name, file, read.Subject, read.NotAfter.ToUniversalTime(), null);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or System.Security.Cryptography.CryptographicException)
        {
            return new(name, file, null, null, e.Message);
        }
    }
}
