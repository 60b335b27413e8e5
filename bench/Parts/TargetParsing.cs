using BenchmarkDotNet.Attributes;
using Gateway.Registry;

namespace Gateway.Bench;

/// <summary>A request target, read once for each request.</summary>
public class TargetParsing
{
    private static readonly string ByDigest = $"/v2/library/nginx/manifests/sha256:{new string('a', 64)}?ns=docker.io";

    [Benchmark]
    public object ManifestByTag() => TargetParser.Parse("/v2/library/nginx/manifests/latest");

    [Benchmark]
    public object ManifestByDigestWithNs() => TargetParser.Parse(ByDigest);
}
