using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Gateway.Bench;

// Measures the gateway and its peers in turns, and prints one table: bench/README.md. bench/run starts it.
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
try
{
    return Run(Settings.Read(args));
}
catch (UsageException e)
{
    Console.Error.WriteLine($"bench: {e.Message}");
    return 2;
}

static int Run(Settings settings)
{
    var work = Directory.CreateDirectory(Path.Combine(settings.Work, "servers")).FullName;
    var peers = new Peers(settings, work);
    using var cold = new ColdRows(settings, peers);
    using var push = new PushRows(settings, peers);
    var (warm, start) = (new WarmRows(settings, peers), new StartRows(settings, peers));
    using var repositories = new RepositoriesGateway(settings, peers);
    var (console, collection) = (new ConsoleRows(settings, repositories), new CollectionRows(settings, repositories));
    using var bucket = new BucketRows(settings, peers);
    Row[] all =
    [
        .. cold.All(), .. warm.All(), .. push.All(), .. start.All(), .. console.All(), .. collection.All(), .. bucket.All(),
        .. warm.BesideIdle(),
    ];
    var rows = all.Where(row => settings.Measures(row.Name)).ToArray();
    // The servers end with this process. A second signal does not end it before them: a shell may pass on what its group got too.
    AppDomain.CurrentDomain.ProcessExit += (_, _) => End(work);
    using var terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
    using var interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
    if (rows.Length == 0) throw new UsageException("expected --rows and --except to leave a row, got none; bench/run --list prints all");
    if (settings.OnlyList)
    {
        foreach (var row in rows) Console.WriteLine(row.Name);
        return 0;
    }
    WriteCertificate(work);
    File.WriteAllText(Path.Combine(work, "htpasswd"), Configurations.Account + "\n");
    Console.WriteLine($"{TableWriter.Machine()}{(settings.IsQuick ? "; quick, not to be quoted" : "")}\n");
    TableWriter.Head();
    var (began, failed) = (Stopwatch.GetTimestamp(), 0);
    foreach (var row in rows) failed += Measure(settings, peers, row) ? 0 : 1;
    Console.WriteLine($"\n{rows.Length} rows in {Stopwatch.GetElapsedTime(began).TotalSeconds:0} s");
    return failed == 0 ? 0 : 1;
}

static void Stop(PosixSignalContext signal)
{
    signal.Cancel = true;
    if (!Server.IsOver) Environment.Exit(1);
}

static bool Measure(Settings settings, Peers peers, Row row)
{
    var (series, start) = (new Series(), Stopwatch.GetTimestamp());
    peers.ForgetPeaks();
    try
    {
        row.Measure(series);
    }
    catch (Exception) when (Server.IsOver)
    {
        // Another thread ends this process, after the servers.
        Thread.Sleep(Timeout.Infinite);
        throw;
    }
    catch (Exception e) when (e is InvalidOperationException or IOException)
    {
        // The other rows are still measured.
        Console.WriteLine($"| {row.Name} | failed: {e.Message.ReplaceLineEndings(" ")} | | | | | | |");
        return false;
    }
    peers.NotePeaks(series);
    TableWriter.Write(row, series);
    Console.Error.WriteLine($"bench: {row.Name}: {Stopwatch.GetElapsedTime(start).TotalSeconds:0} s");
    if (settings.Samples is { } file)
    {
        File.AppendAllLines(file, series.Servers.SelectMany(server => series.Of(server).Select(s =>
            string.Join(
                '\t', row.Name, server, s.Value, s.Cpu, s.P50, s.P99, s.First, s.Upstream, series.Peaks.GetValueOrDefault(server)))));
    }
    return true;
}

static void End(string work)
{
    Server.EndAll();
    if (Directory.Exists(work)) Directory.Delete(work, recursive: true);
}

static void WriteCertificate(string work)
{
    using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
    var names = new SubjectAlternativeNameBuilder();
    names.AddDnsName("localhost");
    request.CertificateExtensions.Add(names.Build());
    using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(30));
    Connection.Thumbprint = certificate.GetCertHashString();
    File.WriteAllText(Path.Combine(work, "cert.pem"), certificate.ExportCertificatePem());
    File.WriteAllText(Path.Combine(work, "key.pem"), key.ExportPkcs8PrivateKeyPem());
}
