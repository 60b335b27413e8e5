using System.Text;

namespace Gateway.Fuzz;

/// <summary>
/// One parser under inputs that nobody meant for it. Each target is a class of its own, so that two run at a time and any can be run alone.
/// </summary>
public abstract class FuzzTarget
{
    /// <summary>What to begin with, beside the files of <c>Corpus/&lt;name&gt;/</c>.</summary>
    protected virtual IEnumerable<byte[]> Inputs => [];

    /// <summary>Words of the format, which chance alone would not find.</summary>
    protected virtual string[] Words => [];

    /// <summary>Longest input made, in bytes.</summary>
    protected virtual int MaxLength => 8 * 1024;

    /// <summary>
    /// Gives an input to the parser, and throws where what came of it is wrong.
    /// Answers what came of it in a few words: an input with an answer not met before is kept and built upon.
    /// </summary>
    protected abstract string Try(byte[] input);

    [Fact]
    public void Takes_or_refuses_whatever_comes_and_never_breaks()
    {
        var name = GetType().Name;
        var fuzzer = new Fuzzer(name, Try, [.. Corpus.Of(name), .. Inputs], Words, MaxLength);
        var result = fuzzer.Run(Settings.Time, Settings.Inputs, Settings.Seed);
        TestContext.Current.TestOutputHelper?.WriteLine(result.ToString());
        Assert.True(result.Failure is null, result.ToString());
        Assert.True(result.Runs > 0);
    }

    /// <summary>Inputs as text.</summary>
    protected static IEnumerable<byte[]> Texts(params string[] texts) => texts.Select(Encoding.UTF8.GetBytes);

    /// <summary>An input as text; bytes that are no UTF-8 become U+FFFD.</summary>
    protected static string TextOf(byte[] input) => Encoding.UTF8.GetString(input);

    /// <summary>An input as headers come from Kestrel and HttpClient: a character for each byte.</summary>
    protected static string HeaderOf(byte[] input) => Encoding.Latin1.GetString(input);
}

/// <summary>How long and from where, by the environment.</summary>
internal static class Settings
{
    // Ends what a very slow machine would not; on others the inputs are counted.
    private const double UsualSeconds = 60;

    // By count and not by time: from one seed these are the same inputs on every machine, quick or slow, and all of them have held.
    // Chosen: with 37 targets, two at a time, less than a minute in all.
    private const long UsualInputs = 2_000;

    /// <summary>Longest for each target: <c>GATEWAY_FUZZ_SECONDS</c>.</summary>
    public static TimeSpan Time { get; } = TimeSpan.FromSeconds(Number("GATEWAY_FUZZ_SECONDS") ?? UsualSeconds);

    /// <summary>Most inputs of a target; without end where <c>GATEWAY_FUZZ_SECONDS</c> says how long.</summary>
    public static long Inputs { get; } = Number("GATEWAY_FUZZ_SECONDS") is null ? UsualInputs : long.MaxValue;

    /// <summary><c>GATEWAY_FUZZ_SEED</c>; always the same where nobody asks for a longer run.</summary>
    public static int Seed { get; } =
        (int?)Number("GATEWAY_FUZZ_SEED") ?? (Number("GATEWAY_FUZZ_SECONDS") is null ? 1 : Random.Shared.Next());

    private static double? Number(string variable) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text
            ? double.Parse(text, System.Globalization.CultureInfo.InvariantCulture)
            : null;
}
