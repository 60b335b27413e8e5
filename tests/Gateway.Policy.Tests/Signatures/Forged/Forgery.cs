using Gateway.Policy.Signatures;
using Xunit;

namespace Gateway.Policy.Tests.Signatures.Forged;

/// <summary>One way to forge: what honest evidence is asked for, what is then changed, and what must be said of it.</summary>
/// <param name="Name">What a test calls it.</param>
/// <param name="Code">The code that names it.</param>
/// <param name="Why">A part of the sentence that names it.</param>
/// <param name="Change">Makes the forged of the honest.</param>
internal sealed record Forgery(string Name, string Code, string Why, Func<Draft, Draft> Change)
{
    /// <summary>The question, and what is honest under it.</summary>
    public Func<Draft, Draft> Honest { get; init; } = static draft => draft;

    /// <summary>The forms that it can be done to.</summary>
    public Func<Form, bool> Can { get; init; } = static _ => true;

    /// <summary>Asserts that the honest one is admitted, and the forged one refused for what it is.</summary>
    public void AssertRefused(Draft draft)
    {
        var honest = Honest(draft);
        var admitted = honest.Ask();
        Assert.True(admitted.IsSatisfied, $"{Name}, the honest one: {admitted.Why}");
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
