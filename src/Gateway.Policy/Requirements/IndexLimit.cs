namespace Gateway.Policy;

/// <summary>Limits the manifests below one index: digests rule out cycles, but bound neither depth nor number.</summary>
internal sealed class IndexLimit(ParserOptions parser) : IRequirement
{
    public bool Descends => false;

    public void Check(Evaluation evaluation)
    {
        if (Find(evaluation.Input) is { } finding) evaluation.Findings.Add(finding);
    }

    private Finding? Find(PolicyInput input)
    {
        if (input.Descendants.Length > parser.Limits.MaxDescriptors)
        {
            return Problem(
                $"expected at most {parser.Limits.MaxDescriptors} manifests below the index, got {input.Descendants.Length}",
                "split it, or raise policy.parser.maxDescriptors");
        }
        if (!IsDeeper(input, parser.MaxIndexDepth)) return null;
        return Problem(
            $"expected at most {parser.MaxIndexDepth} levels of indexes below the index, got more",
            "flatten them, or raise policy.parser.maxIndexDepth");
    }

    private static Finding Problem(string what, string fix) => new(ReasonCodes.LimitIndex, what, fix);

    // Level by level, each index once per level: graphs with shared parts, or with a cycle through a sha512 digest, terminate after max +
    // 1 levels.
    private static bool IsDeeper(PolicyInput input, int max)
    {
        var indexes = input.Descendants.Where(static d => d.Manifest.IsIndex)
            .DistinctBy(static d => d.Digest).ToDictionary(static d => d.Digest, static d => d.Manifest);
        IReadOnlyCollection<Manifest> level = [input.Manifest];
        for (var depth = 0; level.Count > 0; depth++)
        {
            if (depth > max) return true;
            var children = level.SelectMany(static index => index.Children).Select(static child => child.Digest).Distinct();
            level = [.. children.Where(indexes.ContainsKey).Select(digest => indexes[digest])];
        }
        return false;
    }
}
