using Gateway.Configuration;
using Gateway.Storage;
using Xunit;

namespace Gateway.Tests.Configuration;

/// <summary>The <c>storage.s3</c> section.</summary>
public sealed class BucketSchemaTests : IDisposable
{
    private readonly string _key = Path.GetTempFileName();

    public void Dispose() => File.Delete(_key);

    [Fact]
    public void Every_key_is_read()
    {
        var bucket = Yaml.Good(
            $$"""
            storage:
              s3:
                bucket: images
                endpoint: https://s3.example.com:9000
                region: eu-1
                prefix: team/registry
                pathStyle: false
                accessKeyFile: {{_key}}
                secretKeyFile: {{_key}}
                checksums: off
                redirect: signed
                staleFor: 1h
            """).Storage.S3!;

        Assert.Equal((true, TimeSpan.FromHours(1)), (bucket.RedirectsSigned, bucket.StaleFor));
        Assert.Equal(
            new S3Options("images")
            {
                Endpoint = new("https://s3.example.com:9000"),
                Region = "eu-1",
                Prefix = "team/registry/",
                PathStyle = false,
                AccessKeyFile = _key,
                SecretKeyFile = _key,
                Checksums = S3Checksums.Off,
            },
            bucket.Store);
    }

    [Theory]
    [InlineData("region: eu-central-1", false)]
    [InlineData("endpoint: http://127.0.0.1:9000", true)]
    public void Bucket_is_in_the_path_unless_it_is_in_AWS(string text, bool expected)
    {
        var bucket = Yaml.Good($"storage: {{ s3: {{ bucket: images, {text} }} }}").Storage.S3!;

        Assert.Equal((expected, "", S3Checksums.Auto), (bucket.Store.IsPathStyle, bucket.Store.Prefix, bucket.Store.Checksums));
        Assert.Equal((false, TimeSpan.FromMinutes(10)), (bucket.RedirectsSigned, bucket.StaleFor));
    }

    [Theory]
    [InlineData("", "storage.s3.bucket: must be written")]
    [InlineData("bucket: images", "storage.s3: expected endpoint or region, got neither; add endpoint: ")]
    [InlineData("bucket: Images, region: a", "storage.s3.bucket: expected a bucket's name")]
    [InlineData("bucket: ab, region: a", "storage.s3.bucket: expected a bucket's name")]
    [InlineData("bucket: a/b, region: a", "storage.s3.bucket: expected a bucket's name")]
    [InlineData("bucket: images, endpoint: s3.example.com", "storage.s3.endpoint: expected a URL")]
    [InlineData("bucket: images, endpoint: 'https://key:secret@s3.example.com'", "remove the credentials from the URL")]
    [InlineData("bucket: images, region: 'eu 1'", "storage.s3.region: expected a region")]
    [InlineData("bucket: images, region: a, prefix: /registry", "storage.s3.prefix: expected names")]
    [InlineData("bucket: images, region: a, prefix: a/../b", "storage.s3.prefix: expected names")]
    [InlineData("bucket: images, region: a, checksums: maybe", "storage.s3.checksums: expected auto or on or off")]
    [InlineData("bucket: images, region: a, redirect: on", "storage.s3.redirect: expected off or signed")]
    [InlineData("bucket: images, region: a, staleFor: 25h", "storage.s3.staleFor: expected a duration from 0s to 24h")]
    [InlineData("bucket: images, region: a, accessKeyFile: /none", "storage.s3.accessKeyFile: expected the path of a file")]
    [InlineData("bucket: images, region: a, secretKey: x", "storage.s3.secretKey: unknown key")]
    public void Mistake_is_named(string text, string expected) =>
        Assert.Contains(expected, Yaml.Mistake($"storage: {{ s3: {{ {text} }} }}"));

    [Theory]
    [InlineData("accessKeyFile", "secretKeyFile")]
    [InlineData("secretKeyFile", "accessKeyFile")]
    public void One_key_without_the_other_is_refused(string written, string missing) =>
        Assert.Contains(
            $"storage.s3.{written}: expected {missing} too, got only {written}; add {missing}",
            Yaml.Mistake($"storage: {{ s3: {{ bucket: images, region: a, {written}: {_key} }} }}"));

    [Fact]
    public void Change_of_the_bucket_needs_a_restart()
    {
        static GatewayOptions Options(string prefix) => new()
        {
            Storage = new() { S3 = new() { Store = new("images") { Prefix = prefix } } },
        };

        Assert.Equal(["storage"], RestartKeys.Changed(Options("a/"), Options("b/")));
        Assert.Empty(RestartKeys.Changed(Options("a/"), Options("a/")));
    }
}
