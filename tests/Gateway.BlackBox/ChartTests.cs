using System.Text.RegularExpressions;
using Gateway.BlackBox.Rig;
using k8s;
using k8s.Models;

namespace Gateway.BlackBox;

/// <summary>
/// deploy/kubernetes: helm lints and renders the chart, and every document is read strictly as the type of the Kubernetes API that it
/// names, so that an unknown or misplaced field fails.
/// </summary>
public sealed class ChartTests : IDisposable
{
    private static readonly string Folder = Path.Combine(RigFolder.Repository, "deploy", "kubernetes");
    private static readonly string Chart = Path.Combine(Folder, "gateway");

    private static readonly string[] Everything =
    [
        "tls.secretName=gateway-tls", "access.htpasswdSecret=accounts", "serviceMonitor.enabled=true", "prometheusRule.enabled=true",
        "replicas=3", "cacheOnly=true", "operator.tokenSecret=own",
        "sharing.secret=set", "sharing.redis.address=redis:6379", "sharing.redis.passwordSecret=redis", "sharing.tls.secretName=set-tls",
        "secretMounts[0].secretName=keys", "secretMounts[0].mountPath=/etc/keys",
        "networkPolicy.clients[0].ipBlock.cidr=10.0.0.0/8", "networkPolicy.upstreams[0].ipBlock.cidr=0.0.0.0/0",
        "nodeSelector.disk=fast", "persistence.storageClass=fast", "imagePullSecrets[0].name=pull",
    ];

    // The Prometheus operator's types are no part of the Kubernetes API.
    private static readonly Dictionary<string, Type> Types = new()
    {
        ["monitoring.coreos.com/v1/ServiceMonitor"] = typeof(Resource),
        ["monitoring.coreos.com/v1/PrometheusRule"] = typeof(Resource),
    };

    private readonly Client _client = new();

    public void Dispose() => _client.Dispose();

    [Fact]
    public async Task Chart_has_no_lint() => (await _client.HelmAsync("lint", "--strict", Chart)).Succeeded();

    [Fact]
    public async Task Every_document_is_valid_with_the_default_values()
    {
        var documents = await RenderAsync();

        Assert.Equal(
            ["ConfigMap", "NetworkPolicy", "PodDisruptionBudget", "Secret", "Service", "Service", "StatefulSet"],
            documents.Select(static document => document.Kind).Order());
    }

    [Fact]
    public async Task Every_document_is_valid_with_every_value_set()
    {
        var documents = await RenderAsync(Everything);

        Assert.Contains(documents, static document => document.Kind == "ServiceMonitor");
        Assert.Contains(documents, static document => document.Kind == "PrometheusRule");
        var pod = documents.OfType<V1StatefulSet>().Single().Spec.Template.Spec;
        var mounted = pod.Containers.Single().VolumeMounts.Select(static mount => mount.Name);
        Assert.Equal(pod.Volumes.Select(static volume => volume.Name).Append("data").Order(), mounted.Order());
        Assert.Contains("keys", pod.Volumes.Select(static volume => volume.Secret?.SecretName));
    }

    [Fact]
    public async Task Pod_runs_without_privileges()
    {
        var pod = (await RenderAsync()).OfType<V1StatefulSet>().Single().Spec.Template.Spec;
        var container = Assert.Single(pod.Containers).SecurityContext;

        Assert.Equal((true, "RuntimeDefault"), (pod.SecurityContext.RunAsNonRoot, pod.SecurityContext.SeccompProfile.Type));
        Assert.Equal((false, true), (container.AllowPrivilegeEscalation, container.ReadOnlyRootFilesystem));
        Assert.Equal(["ALL"], container.Capabilities.Drop);
        Assert.False(pod.AutomountServiceAccountToken);
    }

    [Theory]
    [InlineData]
    [InlineData("tls.secretName=gateway-tls", "access.htpasswdSecret=accounts")]
    [InlineData("replicas=3", "cacheOnly=true", "sharing.secret=set")]
    [InlineData("replicas=3", "cacheOnly=true", "sharing.secret=set", "sharing.tls.secretName=set-tls")]
    public async Task Configuration_of_the_pod_is_one_that_the_gateway_accepts(params string[] values)
    {
        var text = (await RenderAsync(values)).OfType<V1ConfigMap>().Single().Data["gateway.yaml"];
        var secrets = _client.Folder["secrets"];
        using var folder = new TempFolder();
        var authority = new Authority(folder);
        _client.Folder.Write("secrets/operator/token", new string('t', 40));
        _client.Folder.Write("secrets/access/htpasswd", "");
        _client.Folder.Write("secrets/replicas/secret", new string('s', 32));
        foreach (var (name, made) in (IEnumerable<(string, string)>)[
            ("tls.crt", authority.CertificateFile), ("tls.key", authority.KeyFile), ("ca.crt", authority.CertificateFile)])
            _client.Folder.Write($"secrets/replicas-tls/{name}", await File.ReadAllTextAsync(made));
        _client.Folder.Write("secrets/tls/tls.crt", await File.ReadAllTextAsync(authority.CertificateFile));
        _client.Folder.Write("secrets/tls/tls.key", await File.ReadAllTextAsync(authority.KeyFile));
        var file = _client.Folder.Write("gateway.yaml", text.Replace("/run/secrets/gateway", secrets, StringComparison.Ordinal));

        // As in the pod.
        if (values.Contains("sharing.secret=set"))
            _client.Environment["GATEWAY__REPLICAS__ADVERTISE"] = Regex.Match(text, @"https?://gw-0\.\S*").Value;

        (await _client.RunAsync("dotnet", GatewayProcess.Assembly, "verify", "--config", file)).Succeeded();
    }

    [Theory]
    [InlineData("replicas=2", "set cacheOnly: true if clients cannot push")]
    [InlineData("replicas=2,cacheOnly=true", "set sharing.secret to its name")]
    [InlineData("sharing.redis.address=redis:6379", "sharing.redis.address: set sharing.secret too")]
    [InlineData("config.replicas.listen=http://0.0.0.0:5002", "config.replicas: the chart sets it from sharing; remove it")]
    [InlineData("config.listen=http://0.0.0.0:80", "config.listen: the chart sets it; remove it")]
    [InlineData("config.storage.path=/data", "config.storage.path: the chart sets it; remove it")]
    public async Task Values_that_cannot_work_are_refused(string value, string expected)
    {
        var refused = (await _client.HelmAsync("template", "gw", Chart, "--set", value)).Failed();

        Assert.Contains(expected, refused.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Replicas_know_each_other_by_the_names_of_their_pods_and_only_they_reach_the_port_between_them()
    {
        var documents = await RenderAsync(Everything);

        var yaml = documents.OfType<V1ConfigMap>().Single().Data["gateway.yaml"];
        foreach (var pod in (string[])["gw-0", "gw-1", "gw-2"])
            Assert.Contains($"- https://{pod}.gw-pods.default.svc:5002", yaml, StringComparison.Ordinal);
        Assert.Contains("address: redis:6379", yaml, StringComparison.Ordinal);
        var environment = documents.OfType<V1StatefulSet>().Single().Spec.Template.Spec.Containers.Single().Env;
        var own = environment.Single(static each => each.Name == "GATEWAY__REPLICAS__ADVERTISE");
        Assert.Equal("https://$(POD_NAME).gw-pods.default.svc:5002", own.Value);
        var pods = documents.OfType<V1Service>().Single(static each => each.Metadata.Name == "gw-pods");
        Assert.Contains(pods.Spec.Ports, static port => port is { Name: "replicas", Port: 5002 });
        var policy = documents.OfType<V1NetworkPolicy>().Single().Spec;
        var into = policy.Ingress.Single(static rule => rule.Ports.Any(static port => port.Port == "replicas"));
        Assert.Equal("gw", Assert.Single(into.FromProperty).PodSelector.MatchLabels["app.kubernetes.io/instance"]);
        Assert.Contains(policy.Egress, static rule => rule.Ports?.Any(static port => port.Port == "5002") == true);
    }

    [Fact]
    public async Task Replicas_that_accept_pushes_keep_pushed_content_in_a_bucket()
    {
        var documents = await RenderAsync(
            "replicas=3", "sharing.secret=set", "config.storage.s3.bucket=images", "config.storage.s3.endpoint=https://s3.example");

        var yaml = documents.OfType<V1ConfigMap>().Single().Data["gateway.yaml"];
        Assert.Contains("bucket: images", yaml, StringComparison.Ordinal);
        Assert.Equal(3, documents.OfType<V1StatefulSet>().Single().Spec.Replicas);
    }

    [Fact]
    public async Task Chart_has_the_alert_rules_of_the_lab() => Assert.Equal(
        await File.ReadAllTextAsync(Path.Combine(RigFolder.Repository, "deploy", "compose", "prometheus", "alerts.yml")),
        await File.ReadAllTextAsync(Path.Combine(Chart, "files", "alerts.yml")));

    [Theory]
    [InlineData("containerd-daemonset.yaml", "ConfigMap DaemonSet")]
    [InlineData("require-gateway.yaml", "ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding")]
    public async Task Example_is_valid(string file, string kinds)
    {
        var documents = Read(await File.ReadAllTextAsync(Path.Combine(Folder, "examples", file)));

        Assert.Equal(kinds.Split(' '), documents.Select(static document => document.Kind));
    }

    [Fact]
    public void Unknown_field_is_not_accepted() => Assert.ThrowsAny<Exception>(
        () => Read("apiVersion: v1\nkind: Service\nmetadata: { name: a }\nspec: { prots: [] }\n"));

    private async Task<IKubernetesObject[]> RenderAsync(params string[] values)
    {
        var options = values.SelectMany(static value => new[] { "--set", value });
        return Read((await _client.HelmAsync(["template", "gw", Chart, .. options])).Succeeded().Stdout);
    }

    private static IKubernetesObject[] Read(string text) =>
        [.. KubernetesYaml.LoadAllFromString(text, Types, strict: true).Cast<IKubernetesObject>()];

    /// <summary>A resource of another API: its envelope.</summary>
    private sealed class Resource : IKubernetesObject
    {
        public string ApiVersion { get; set; } = "";

        public string Kind { get; set; } = "";

        public V1ObjectMeta? Metadata { get; set; }

        public object? Spec { get; set; }
    }
}
