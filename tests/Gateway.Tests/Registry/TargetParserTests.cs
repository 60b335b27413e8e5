using FsCheck;
using FsCheck.Fluent;
using Gateway.Oci;
using Gateway.Registry;
using Gateway.Repositories;
using Xunit;
using static Microsoft.AspNetCore.Http.StatusCodes;

namespace Gateway.Tests.Registry;

public sealed class TargetParserTests
{
    private const string Sha256 = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    [Theory]
    [InlineData("/v2/", "Ping", "", "")]
    [InlineData("/v2", "Ping", "", "")]
    [InlineData("/v2/_catalog?n=1", "Catalog", "", "")]
    [InlineData("/token?service=x&scope=y", "Token", "", "")]
    [InlineData("/-/decisions/d-7F3K", "Decision", "", "d-7F3K")]
    [InlineData("/v2/a/tags/list", "Tags", "a", "")]
    [InlineData("/v2/a/b/c/manifests/latest", "Manifest", "a/b/c", "latest")]
    [InlineData("/v2/a/manifests/" + Sha256, "Manifest", "a", Sha256)]
    [InlineData("/v2/a/blobs/" + Sha256, "Blob", "a", Sha256)]
    [InlineData("/v2/a/referrers/" + Sha256, "Referrers", "a", Sha256)]
    [InlineData("/v2/a/blobs/uploads/", "Uploads", "a", "")]
    [InlineData("/v2/a/blobs/uploads", "Uploads", "a", "")]
    [InlineData("/v2/a/blobs/uploads/0123abcd", "Upload", "a", "0123abcd")]
    [InlineData("/v2/manifests/blobs/manifests/tags", "Manifest", "manifests/blobs", "tags")]
    [InlineData("/v2/a/blobs/uploads/manifests/b", "Manifest", "a/blobs/uploads", "b")]
    [InlineData("/v2/a/tags/list/tags/list", "Tags", "a/tags/list", "")]
    public void Paths_of_the_specification_are_read(string target, string route, string repository, string reference)
    {
        var (read, problem) = TargetParser.Parse(target);

        Assert.Null(problem);
        Assert.Equal((Enum.Parse<Route>(route), repository, reference), (read.Route, read.Repository.ToString(), read.ReferenceText));
    }

    [Theory]
    [InlineData("/v2/a/blobs/sha256%3Ae3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    [InlineData("/v2/a/blobs/sha256%3ae3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    public void Only_the_colon_of_a_digest_may_be_percent_encoded(string target) =>
        Assert.Equal(Sha256, TargetParser.Parse(target).Target.Digest.ToString());

    [Theory]
    [InlineData("/index.html")]
    [InlineData("/favicon.ico")]
    [InlineData("/v1/_ping")]
    [InlineData("/v2/_catalog/")]
    [InlineData("/v2/a")]
    [InlineData("/v2/a/tags")]
    [InlineData("/v2/a/nouns/latest")]
    [InlineData("/token/")]
    [InlineData("/-/decisions/")]
    [InlineData("/v2/a/blobs/uploads/~")]
    public void Paths_of_nothing_are_unknown(string target) =>
        Assert.Equal((Route.Unknown, null), (TargetParser.Parse(target).Target.Route, TargetParser.Parse(target).Problem));

    // What two programs could read in two ways.
    [Theory]
    [InlineData("")]
    [InlineData("*")]
    [InlineData("http://elsewhere/v2/")]
    [InlineData("v2/")]
    [InlineData("/v2/../etc/passwd")]
    [InlineData("/v2/a/./tags/list")]
    [InlineData("/v2/a/%2e%2e/tags/list")]
    [InlineData("/v2/a%2fb/tags/list")]
    [InlineData("/v2/a%2Fb/tags/list")]
    [InlineData("/v2/a%5cb/tags/list")]
    [InlineData(@"/v2/a\b/tags/list")]
    [InlineData("/v2/a;x=1/tags/list")]
    [InlineData("/v2//a/tags/list")]
    [InlineData("/v2/a//tags/list")]
    [InlineData("/v2/a/tags/list//")]
    [InlineData("/v2/%61/tags/list")]
    [InlineData("/v2/a%00/tags/list")]
    [InlineData("/v2/Prod/app/tags/list")]
    [InlineData("/v2/prod./app/tags/list")]
    [InlineData("/v2/-a/tags/list")]
    [InlineData("/v2/a___b/tags/list")]
    [InlineData("/v2/a\u00e9/tags/list")]
    [InlineData("/v2/a\u212a/tags/list")]
    [InlineData("/v2/a b/tags/list")]
    [InlineData("/v2/a/manifests/late%73t%3A")]
    public void Paths_that_could_be_read_in_two_ways_are_refused(string target)
    {
        var (_, problem) = TargetParser.Parse(target);

        Assert.Equal((RegistryErrorCode.NAME_INVALID, Status400BadRequest), (problem?.Code, problem?.Status));
    }

    [Fact]
    public void Name_beyond_255_characters_is_refused() =>
        Assert.Equal(RegistryErrorCode.NAME_INVALID, TargetParser.Parse($"/v2/{new string('a', 300)}/tags/list").Problem?.Code);

    [Theory]
    [InlineData("/v2/a/blobs/sha256:abc")]
    [InlineData("/v2/a/blobs/latest")]
    [InlineData("/v2/a/blobs/md5:d41d8cd98f00b204e9800998ecf8427e")]
    [InlineData("/v2/a/blobs/sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855")]
    [InlineData("/v2/a/manifests/sha256:baddigeststring")]
    [InlineData("/v2/a/referrers/sha512:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    [InlineData("/v2/a/blobs/uploads/?digest=sha256:abc")]
    [InlineData("/v2/a/blobs/uploads/?digest-algorithm=sha384")]
    [InlineData("/v2/a/blobs/uploads/?mount=../../etc/passwd")]
    public void Digests_are_checked_before_anything_is_looked_up(string target) =>
        Assert.Equal(RegistryErrorCode.DIGEST_INVALID, TargetParser.Parse(target).Problem?.Code);

    [Theory]
    [InlineData("/v2/a/manifests/.hidden")]
    [InlineData("/v2/a/manifests/-x")]
    [InlineData("/v2/a/manifests/a~b")]
    [InlineData("/v2/a/manifests/" + Sha256 + "?tag=a/b")]
    public void Tags_are_checked(string target) => Assert.Equal(RegistryErrorCode.TAG_INVALID, TargetParser.Parse(target).Problem?.Code);

    // Other spellings of an upstream, and what would be dialled if the key were an address.
    [Theory]
    [InlineData("DOCKER.IO")]
    [InlineData("docker.io.")]
    [InlineData("docker.io%00")]
    [InlineData("docker.io&ns=docker.io")]
    [InlineData("docker.io&ns=evil")]
    [InlineData("evil%23@docker.io")]
    [InlineData("user@docker.io")]
    [InlineData("docker.io:")]
    [InlineData("docker.io:0")]
    [InlineData("docker.io:65536")]
    [InlineData("docker..io")]
    [InlineData("-docker.io")]
    [InlineData("docker.io/path")]
    [InlineData("%64ocker.io%2")]
    [InlineData("d%c3%a9.io")]
    [InlineData("%ff")]
    [InlineData("[::1]")]
    [InlineData("")]
    public void Namespace_that_is_not_a_plain_host_is_refused(string ns) =>
        Assert.Equal(RegistryErrorCode.NAME_INVALID, TargetParser.Parse($"/v2/a/tags/list?ns={ns}").Problem?.Code);

    [Theory]
    [InlineData("docker.io")]
    [InlineData("registry-1.docker.io")]
    [InlineData("localhost:5000")]
    [InlineData("127.0.0.1:8080")]
    public void Namespace_is_read_unchanged(string ns) =>
        Assert.Equal(ns, TargetParser.Parse($"/v2/a/tags/list?ns={ns}").Target.Query.Namespace);

    [Theory]
    [InlineData("0", 0)]
    [InlineData("7", 7)]
    [InlineData("1000", 1000)]
    [InlineData("1001", 1000)]
    [InlineData("99999999999999999999999999", 1000)]
    public void A_page_is_never_larger_than_its_limit(string n, int count) =>
        Assert.Equal(count, TargetParser.Parse($"/v2/a/tags/list?n={n}").Target.Query.Count);

    [Theory]
    [InlineData("n=-1")]
    [InlineData("n=")]
    [InlineData("n=1e3")]
    [InlineData("n=%2B1")]
    [InlineData("n=1&n=2")]
    [InlineData("last=%zz")]
    [InlineData("last=%0d%0a")]
    [InlineData("last=a&last=b")]
    [InlineData("artifactType=%1b[2J")]
    public void Parameters_of_no_form_are_refused(string query) =>
        Assert.Equal(Status400BadRequest, TargetParser.Parse($"/v2/a/tags/list?{query}").Problem?.Status);

    [Fact]
    public void Parameters_that_we_do_not_know_are_ignored() =>
        Assert.Null(TargetParser.Parse("/v2/a/blobs/uploads/?origin=x&origin=%&%zz").Problem);

    [Fact]
    public void A_plus_in_an_artifact_type_is_a_plus() =>
        Assert.Equal(
            "application/a+json",
            TargetParser.Parse($"/v2/a/referrers/{Sha256}?artifactType=application/a+json").Target.Query.ArtifactType);

    [Fact]
    public void Ten_tags_are_taken_and_the_eleventh_is_too_many()
    {
        var ten = string.Join('&', Enumerable.Range(0, 10).Select(i => $"tag=v{i}"));

        Assert.Equal(10, TargetParser.Parse($"/v2/a/manifests/{Sha256}?{ten}&tag=v0").Target.Query.Tags.Length);
        Assert.Equal(Status414UriTooLong, TargetParser.Parse($"/v2/a/manifests/{Sha256}?{ten}&tag=v10").Problem?.Status);
    }

    [Fact]
    public void What_is_printed_is_read_back_as_the_same()
    {
        var targets =
            from components in Gen.Elements("a", "blobs", "uploads", "tags", "list", "manifests", "referrers", "a.b", "a__b", "v2")
                .NonEmptyListOf()
            from tag in Gen.Elements("latest", "_", "v1.0-rc.1", "uploads", "list")
            from route in Gen.Elements(Route.Tags, Route.Manifest, Route.Blob, Route.Uploads, Route.Upload, Route.Referrers)
            from byDigest in Gen.Elements(true, false)
            let digest = Digest.Of(System.Text.Encoding.ASCII.GetBytes(tag), byDigest ? DigestAlgorithm.Sha512 : DigestAlgorithm.Sha256)
            select new Target(route)
            {
                Repository = RepositoryName.Parse(string.Join('/', components.Take(8))),
                Id = route == Route.Upload ? tag.Replace('.', '0').Replace('-', '0') : "",
                Offset = route == Route.Upload && byDigest ? tag.Length : null,
                Reference = route is Route.Blob or Route.Referrers || (route == Route.Manifest && byDigest) ? new(digest)
                    : route == Route.Manifest ? new(TagName.Parse(tag)) : default,
            };

        Prop.ForAll(targets.ToArbitrary(), target => TargetParser.Parse(target.Path) is { Problem: null } read && read.Target == target)
            .QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Any_text_is_parsed_without_an_exception() =>
        Prop.ForAll<string>(text => TargetParser.Parse("/v2/" + text) is var read && read.Target is not null).QuickCheckThrowOnFailure();
}
