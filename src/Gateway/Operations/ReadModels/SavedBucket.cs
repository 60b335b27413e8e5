namespace Gateway.Operations.ReadModels;

/// <summary>What the cache did within one step of time.</summary>
/// <param name="From">The start of the step.</param>
/// <param name="Hits">Requests that were answered from the cache.</param>
/// <param name="Misses">Requests for which an upstream was asked for content.</param>
/// <param name="Served">Bytes of blobs that clients of pull-through repositories received.</param>
/// <param name="Fetched">Bytes that were fetched from upstreams.</param>
public sealed record SavedBucket(DateTimeOffset From, long Hits, long Misses, long Served, long Fetched);
