using Gateway.Policy.Signatures;
using Xunit;

namespace Gateway.Policy.Tests.Signatures.Forged;

/// <summary>One forgery: the requirement that genuine evidence satisfies, the change, and the expected refusal.</summary>
/// <param name="Name">The name in the test's output.</param>
/// <param name="Code">The expected code.</param>
/// <param name="Why">A part of the expected message.</param>
/// <param name="Change">Changes the genuine evidence.</param>
internal sealed record Forgery(string Name, string Code, string Why, Func<Draft, Draft> Change)
{
    /// <summary>The requirement, and the genuine evidence for it.</summary>
    public Func<Draft, Draft> Honest { get; init; } = static draft => draft;

    /// <summary>The formats that the forgery applies to.</summary>
    public Func<Form, bool> Can { get; init; } = static _ => true;

    /// <summary>Asserts that the genuine evidence is admitted and the forged evidence is refused for its own reason.</summary>
    public void AssertRefused(Draft draft)
    {
        var honest = Honest(draft);
        var admitted = honest.Ask();
        Assert.True(admitted.IsSatisfied, $"{Name}, the genuine original: {admitted.Why}");
        var check = Change(honest).Ask();
        Assert.False(check.IsSatisfied, $"{Name}: {check.Why}");
        var (code, why) = check.Findings is [{ Result: { IsTrusted: false } only }] ? (only.Code, only.Why) : (check.Code, check.Why);
        Assert.True(code == Code && why.Contains(Why, StringComparison.Ordinal), $"{Name}: expected {Code} '{Why}', got {code} '{why}'");
    }

    public static TheoryData<string, string> Vectors(IEnumerable<Form> forms, IReadOnlyCollection<Forgery> forgeries)
    {
        var vectors = new TheoryData<string, string>();
        foreach (var form in forms)
        {
            foreach (var forgery in forgeries.Where(f => f.Can(form))) vectors.Add(form.Name, forgery.Name);
        }
        return vectors;
    }

    public static byte[] Flip(byte[] bytes, int at)
    {
        var changed = (byte[])bytes.Clone();
        changed[at < 0 ? bytes.Length + at : at] ^= 0x01;
        return changed;
    }
}
