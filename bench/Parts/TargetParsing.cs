using BenchmarkDotNet.Attributes;
using Gateway.Registry;

namespace Gateway.Bench;

/// <summary>Parsing of a request target, which happens once for each request.</summary>
public class TargetParsing
{
    private readonly string _byTag = "/v2/library/nginx/manifests/latest";
    private readonly string _byDigest = $"/v2/library/nginx/manifests/sha256:{new string('a', 64)}?ns=docker.io";

    [Benchmark]
    public object ManifestByTag() => TargetParser.Parse(_byTag);

    [Benchmark]
    public object ManifestByDigestWithNs() => TargetParser.Parse(_byDigest);
}
