using Gateway.Oci;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;

namespace Gateway.Tests.Repositories;

/// <summary>
/// A repository whose policy requires a signature, for tests of one collaborator of the gate at a time: its backing and its evaluator,
/// without the gate between them and the test.
/// </summary>
internal sealed class CollaboratorRig : IAsyncDisposable
{
    public static readonly RepositoryName Name = RepositoryName.Parse("prod/app");

    private CollaboratorRig(HoldRig gate) => Gate = gate;

    /// <summary>The gate of the same repository, which prepares what the test needs.</summary>
    public HoldRig Gate { get; }

    public IBacking Backing => Gate.Volume.Pushed(Name);

    public Evaluator Evaluator => EvaluatorOf(Name, Backing);

    public Evaluator EvaluatorOf(RepositoryName name, IBacking backing) =>
        new Evaluations(new(Gate.Policy), new(Gate.Volume.DecisionRing), Gate.Clock).Of(name, backing);

    public static async Task<CollaboratorRig> OpenAsync(OnMissing onMissing = OnMissing.Quarantine) =>
        new(await HoldRig.OpenAsync(onMissing));

    /// <summary>A manifest that the repository has.</summary>
    public async Task<StoredManifest> ReadAsync(Digest digest) =>
        await Backing.ReadLinkedAsync(digest, default) ?? throw new InvalidOperationException($"{digest} is not stored");

    /// <summary>A manifest that was not pushed yet, about this subject.</summary>
    public static StoredManifest Unpushed(string text, Digest? subject = null)
    {
        var config = new Descriptor(MediaTypes.OciConfig, Digest.Of(System.Text.Encoding.UTF8.GetBytes(text)), text.Length);
        var about = subject is { } digest ? new Descriptor(MediaTypes.OciManifest, digest, 1) : null;
        var bytes = GateRig.Manifest(config, subject: about);
        return new(Digest.Of(bytes), ManifestReader.Read(bytes, null, ManifestLimits.Plain).Manifest!, bytes) { IsStored = false };
    }

    public async Task<bool> HasAsync(Digest digest) =>
        await Backing.ReadLinkAsync(digest, LinkKind.Manifest, default) is not null;

    public ValueTask DisposeAsync() => Gate.DisposeAsync();
}
