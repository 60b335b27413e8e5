using System.Collections.Immutable;
using System.Globalization;
using Gateway.Oci;
using Gateway.Policy.Signatures;
using Gateway.Policy.Tests.Signatures.Keyless.Sigstore;

namespace Gateway.Policy.Tests.Signatures;

/// <summary>Signatures by key with a proven time, as cosign 2 stores them.</summary>
internal static class LoggedSignature
{
    private static readonly TestSigstore Sigstore = TestSigstore.Shared;

    // Read from its file once.
    private static readonly KeylessRootOptions Root = new(Sigstore.Root);

    /// <summary>Trust in these keys under <c>release</c>, and in the test's logs and time stamper.</summary>
    public static TrustOptions Trust(params TestKey[] keys) => TrustIn.Keys(keys) with
    {
        Keyless = ImmutableSortedDictionary<string, KeylessRootOptions>.Empty.Add("test", Root),
    };

    /// <summary>A signature of a manifest, with the log entry and time stamp that are requested; otherwise null.</summary>
    public static Evidence Of(Manifest manifest, TestKey key, DateTimeOffset? logged, DateTimeOffset? stamped = null)
    {
        var payload = Forge.Payload(Sample.DigestOf(manifest).ToString());
        var signature = key.Sign(payload);
        var layer = Forge.SimpleSigning(key, payload, signature);
        var annotations = layer.Annotations.ToList();
        if (logged is { } at)
        {
            var body = LogBodies.Rekord(payload, signature, key.Pem + "\n");
            annotations.Add(("dev.sigstore.cosign/bundle", Annotation(Sigstore.Rekor.Append("hashedrekord", "0.0.1", body, at))));
        }
        if (stamped is { } moment)
        {
            var stamp = Convert.ToBase64String(Sigstore.Stamper.Stamp(signature, moment));
            annotations.Add(("dev.sigstore.cosign/rfc3161timestamp", $$"""{"SignedRFC3161Timestamp":"{{stamp}}"}"""));
        }
        return Forge.Tagged(layer with { Annotations = [.. annotations] });
    }

    private static string Annotation(LogEntry entry) => string.Create(
        CultureInfo.InvariantCulture,
        $$"""
        {"SignedEntryTimestamp":"{{Convert.ToBase64String(entry.SignedEntryTimestamp!.Value.Span)}}","Payload":
        {"body":"{{Convert.ToBase64String(entry.CanonicalizedBody.Span)}}",
        "integratedTime":{{entry.IntegratedTime!.Value.ToUnixTimeSeconds()}},"logIndex":{{entry.LogIndex}},"logID":"{{Convert.ToHexStringLower(entry.LogId.Span)}}"} }
        """);
}
