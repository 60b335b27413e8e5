using System.Net;
using System.Security.Cryptography.X509Certificates;
using Amazon.Runtime;

namespace Gateway.Storage;

/// <summary>Makes the SDK's connections to a store whose certificate an authority of a file has signed.</summary>
/// <param name="file">The authorities, in PEM. No other is trusted for the store.</param>
internal sealed class S3TrustedClients(string file, TimeSpan connectLimit) : HttpClientFactory
{
    public override HttpClient CreateHttpClient(IClientConfig clientConfig)
    {
        // As the SDK makes them, but for the authorities.
        return new(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            ConnectTimeout = connectLimit,
            SslOptions = { CertificateChainPolicy = PolicyOf(file) },
        })
        {
            // Each attempt has its own deadline.
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    /// <summary>Trusts the authorities of a file alone; null for the system's.</summary>
    public static X509ChainPolicy? PolicyOf(string? file)
    {
        if (file is null) return null;
        // A private authority often publishes no list of revoked certificates.
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.ImportFromPemFile(file);
        return policy;
    }
}
