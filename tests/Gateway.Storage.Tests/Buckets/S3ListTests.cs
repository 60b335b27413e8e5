using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>Lists of stores that page otherwise than S3.</summary>
public sealed partial class S3ListTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("gateway-s3-list-");

    public void Dispose() => _folder.Delete(recursive: true);

    private S3Bucket Open(Uri endpoint)
    {
        var (access, secret) = (Path.Combine(_folder.FullName, "access"), Path.Combine(_folder.FullName, "secret"));
        File.WriteAllText(access, "AKID");
        File.WriteAllText(secret, "secret");
        var options = new S3Options("images")
        {
            Endpoint = endpoint, PathStyle = true, AccessKeyFile = access, SecretKeyFile = secret, AnswerLimit = Patience.Of(2),
        };
        return S3Bucket.Open(options, TimeProvider.System, NullLogger.Instance);
    }

    private static string PageOf(bool isTruncated, params IEnumerable<string> keys) =>
        $"<ListBucketResult><IsTruncated>{(isTruncated ? "true" : "false")}</IsTruncated>"
        + string.Concat(keys.Select(static key => $"<Contents><Key>{key}</Key><ETag>&quot;e&quot;</ETag><Size>1</Size></Contents>"))
        + "</ListBucketResult>";

    [GeneratedRegex("start-after=([a-z0-9]*)")]
    private static partial Regex StartAfter { get; }

    [Fact]
    public async Task List_goes_on_after_its_last_key_when_the_store_gives_no_token()
    {
        string[] all = ["k1", "k2", "k3", "k4", "k5"];
        ScriptedStore store = null!;
        store = new ScriptedStore(request =>
        {
            var after = StartAfter.Match(store.Requests[request.Number - 1]).Groups[1].Value;
            var rest = all.Where(key => string.CompareOrdinal(key, after) > 0).ToArray();
            return request.AnswerAsync(200, PageOf(rest.Length > 2, rest.Take(2)));
        });
        await using (store)
        {
            using var bucket = Open(store.Endpoint);
            var listed = new List<string>();
            await foreach (var found in bucket.ListAsync("k", null, default).Take(20)) listed.Add(found.Key);
            Assert.Equal(all, listed);
        }
    }

    [Fact]
    public async Task List_ends_with_an_error_when_the_store_sends_the_same_page_again()
    {
        await using var store = new ScriptedStore(request => request.AnswerAsync(200, PageOf(true, "k1", "k2")));
        using var bucket = Open(store.Endpoint);
        var listed = new List<string>();
        var error = await Assert.ThrowsAsync<BucketException>(async () =>
        {
            await foreach (var found in bucket.ListAsync("k", null, default).Take(20)) listed.Add(found.Key);
        });
        Assert.Equal(["k1", "k2"], listed);
        Assert.Contains("the same page again", error.Message, StringComparison.Ordinal);
    }
}
