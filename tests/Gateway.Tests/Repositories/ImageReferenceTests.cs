using Gateway.Repositories;
using Xunit;

namespace Gateway.Tests.Repositories;

public sealed class ImageReferenceTests
{
    private const string Digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    [Theory]
    [InlineData("nginx", "docker.io", "nginx", "latest")]
    [InlineData("nginx:1.27", "docker.io", "nginx", "1.27")]
    [InlineData("bitnami/redis:7", "docker.io", "bitnami/redis", "7")]
    [InlineData("docker.io/library/nginx:1.27", "docker.io", "library/nginx", "1.27")]
    [InlineData("ghcr.io/org/app", "ghcr.io", "org/app", "latest")]
    [InlineData("localhost/app:1", "localhost", "app", "1")]
    [InlineData("registry:5000/team/app:v1", "registry:5000", "team/app", "v1")]
    [InlineData("registry:5000/team/app", "registry:5000", "team/app", "latest")]
    [InlineData("ghcr.io/org/app@" + Digest, "ghcr.io", "org/app", Digest)]
    [InlineData("ghcr.io/org/app:v1@" + Digest, "ghcr.io", "org/app", Digest)]
    public void Image_name_is_parsed_as_container_tools_parse_it(string text, string registry, string path, string reference)
    {
        var image = ImageReference.Parse(text);
        Assert.Equal((registry, path, reference), (image?.Registry, image?.Path, image?.Reference.ToString()));
    }

    [Theory]
    [InlineData("")]
    [InlineData("UPPER/case")]
    [InlineData("ghcr.io/")]
    [InlineData("app:")]
    [InlineData("app:bad tag")]
    [InlineData("app@sha256:short")]
    [InlineData("${REGISTRY}/app:1")]
    [InlineData("https://ghcr.io/org/app")]
    [InlineData("ghcr.io/org/../app")]
    public void Text_that_is_not_an_image_name_is_rejected(string text) => Assert.Null(ImageReference.Parse(text));
}
