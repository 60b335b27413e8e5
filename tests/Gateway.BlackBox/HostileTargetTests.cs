using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>Targets that spell one name in two ways, or name something outside: sent byte for byte.</summary>
public sealed class HostileTargetTests(RegistryFixture fixture) : IClassFixture<RegistryFixture>
{
    private const string Hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    [Theory]
    [InlineData("sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855")]
    [InlineData("SHA256:" + Hex)]
    [InlineData("sha256:" + "e3b0")]
    [InlineData("sha256:" + Hex + "00")]
    [InlineData("sha256:" + Hex + "%0a")]
    [InlineData("sha256:" + Hex + "%00")]
    [InlineData("%D1%95ha256:" + Hex)]
    [InlineData("md5:d41d8cd98f00b204e9800998ecf8427e")]
    [InlineData("sha512:" + Hex)]
    [InlineData("sha256:..%2f..%2f..%2fetc%2fpasswd")]
    [InlineData("sha256:%2e%2e")]
    public async Task Digest_in_any_other_form_is_refused(string digest)
    {
        var (blob, blobBody) = await RawSocket.SendAsync(fixture.Registry.Host, "GET", $"/v2/hostile/targets/blobs/{digest}");
        var (referrers, _) = await RawSocket.SendAsync(fixture.Registry.Host, "GET", $"/v2/hostile/targets/referrers/{digest}");
        var (upload, _) = await RawSocket.SendAsync(
            fixture.Registry.Host, "POST", $"/v2/hostile/targets/blobs/uploads/?digest={digest}", body: []);

        AssertRefused(blob);
        AssertRefused(referrers);
        AssertRefused(upload);
        Assert.DoesNotContain("root:", blobBody, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Prod/app")]
    [InlineData("prod//app")]
    [InlineData("prod/./app")]
    [InlineData("prod/../app")]
    [InlineData("prod%2Fapp")]
    [InlineData("prod/app/")]
    [InlineData("prod/%2e%2e/app")]
    [InlineData("prod/_layers")]
    [InlineData("prod/a%00b")]
    [InlineData("prod/%C3%A4pp")]
    [InlineData("..")]
    [InlineData("../../../etc")]
    public async Task Repository_name_in_any_other_form_is_refused(string name)
    {
        var (get, body) = await RawSocket.SendAsync(fixture.Registry.Host, "GET", $"/v2/{name}/manifests/latest");
        var (push, _) = await RawSocket.SendAsync(fixture.Registry.Host, "POST", $"/v2/{name}/blobs/uploads/", body: []);

        AssertRefused(get);
        AssertRefused(push);
        Assert.DoesNotContain("root:", body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Name_of_300_characters_is_refused()
    {
        var (status, _) = await RawSocket.SendAsync(fixture.Registry.Host, "POST", $"/v2/{new string('a', 300)}/blobs/uploads/", body: []);

        AssertRefused(status);
    }

    [Theory]
    [InlineData("-latest")]
    [InlineData(".latest")]
    [InlineData("la%20test")]
    [InlineData("..")]
    [InlineData("la%2ftest")]
    [InlineData("%E2%82%AC")]
    public async Task Tag_in_any_other_form_is_refused(string tag)
    {
        var (get, _) = await RawSocket.SendAsync(fixture.Registry.Host, "GET", $"/v2/hostile/targets/manifests/{tag}");
        var (put, _) = await RawSocket.SendAsync(
            fixture.Registry.Host, "PUT", $"/v2/hostile/targets/manifests/{tag}", $"Content-Type: {OciLayout.ImageManifest}\r\n",
            "{}"u8.ToArray());

        AssertRefused(get);
        AssertRefused(put);
    }

    [Theory]
    [InlineData("a%0d%0aX-Injected:%20yes")]
    [InlineData("%1b%5b2J")]
    public async Task Control_characters_are_not_returned_in_headers_or_text(string name)
    {
        var (_, rest) = await RawSocket.SendAsync(fixture.Registry.Host, "GET", $"/v2/{name}/manifests/latest");

        Assert.DoesNotContain("\nX-Injected", rest, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain('\u001b', rest);
    }

    [Fact]
    public async Task Upload_of_one_repository_is_not_found_in_another()
    {
        using var raw = new RawClient(fixture.Registry.Host);
        var location = await raw.OpenUploadAsync("hostile/mine");

        var stolen = location.Replace("hostile/mine", "hostile/yours", StringComparison.Ordinal);
        using var answer = await raw.SendAsync(HttpMethod.Patch, stolen, RawClient.Chunk([1, 2, 3], 0));

        await RawClient.ExpectErrorAsync(answer, 404, "BLOB_UPLOAD_UNKNOWN");
    }

    /// <summary>
    /// Asserts a refusal: an error of the spec for an invalid name or digest, or no route. Never content, and never an internal error.
    /// </summary>
    private static void AssertRefused(int status) => Assert.Contains(status, (int[])[400, 404, 405]);
}
