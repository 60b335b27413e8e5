using Gateway.Configuration;
using Xunit;

namespace Gateway.Tests.Configuration;

public sealed class WorkloadFileTests : IDisposable
{
    private readonly string _path = Path.GetTempFileName();

    public void Dispose() => File.Delete(_path);

    private IReadOnlyList<string> ImagesIn(string text)
    {
        File.WriteAllText(_path, text);
        return WorkloadFile.ImagesIn(_path);
    }

    [Fact]
    public void Images_of_every_kind_of_container_of_every_document_are_found_once() => Assert.Equal(
        ["nginx:1.27", "ghcr.io/org/init:1", "busybox", "ghcr.io/org/side:2"],
        ImagesIn("""
            apiVersion: apps/v1
            kind: Deployment
            spec:
              template:
                spec:
                  containers:
                    - { name: web, image: "nginx:1.27" }
                  initContainers:
                    - name: init
                      image: ghcr.io/org/init:1
                  ephemeralContainers:
                    - image: busybox
            ---
            apiVersion: v1
            kind: List
            items:
              - kind: Pod
                spec: { containers: [{ image: nginx:1.27 }, { image: ghcr.io/org/side:2 }] }
            """));

    [Fact]
    public void Images_of_custom_resources_and_volumes_are_found_but_not_those_of_Ceph() => Assert.Equal(
        ["quay.io/org/worker:1", "ghcr.io/org/model:1"],
        ImagesIn("""
            kind: Workflow
            spec:
              templates: [{ script: { image: quay.io/org/worker:1 } }]
              volumes:
                - image: { reference: ghcr.io/org/model:1 }
                - rbd: { image: disk }
            """));

    [Fact]
    public void Images_of_compose_services_are_found_also_behind_anchors_and_merges() => Assert.Equal(
        ["redis:7", "postgres:17"],
        ImagesIn("""
            x-base: &base
              image: redis:7
            services:
              cache: { <<: *base }
              again: *base
              db: { image: postgres:17, build: . }
              own: { build: . }
            """));

    [Fact]
    public void A_file_without_images_has_none() => Assert.Empty(ImagesIn("a: [1, 2]\n---\n---\nimage:\n"));

    [Theory]
    [InlineData("image: {{ .Values.image }}\n  x: }")]
    [InlineData("a: [")]
    public void Template_is_refused_as_not_YAML(string text) =>
        Assert.Contains("render a chart's templates first", Assert.Throws<IOException>(() => ImagesIn(text)).Message);

    [Fact]
    public void Deep_nesting_in_a_workload_file_is_refused() => Assert.Throws<IOException>(() => ImagesIn(new string('[', 100_000)));
}
