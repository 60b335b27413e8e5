namespace Gateway.PullThrough;

/// <summary>The fetches under way: at most one per digest, whoever asks.</summary>
internal sealed class FetchTable
{
}
