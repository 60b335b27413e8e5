using System.Diagnostics;
using System.Globalization;

namespace Gateway.Fuzz;

/// <summary>What a run came to.</summary>
/// <param name="Failure">Null when everything held.</param>
internal sealed record FuzzResult(string Target, int Seed, long Runs, TimeSpan Took, int Answers, string? Failure)
{
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Target}: {Runs} inputs in {Took.TotalSeconds:0.0} s ({Runs / Math.Max(Took.TotalSeconds, 0.001):0}/s), "
        + $"{Answers} different answers, seed {Seed}{(Failure is null ? "" : "\n" + Failure)}");
}

/// <summary>
/// Changes kept inputs at random, in ways that documents differ by, and gives them to a parser. The same seed makes the same inputs.
/// Without a compiler's help it does not see which lines ran; it keeps what the parser answered in a new way.
/// </summary>
internal sealed class Fuzzer(string target, Func<byte[], string> attempt, byte[][] corpus, string[] words, int maxLength)
{
    // What a request may cost at most, with room: no input here is longer than some KiB.
    private static readonly TimeSpan MaxTime = TimeSpan.FromSeconds(1);
    private const long MaxAllocated = 64 << 20;

    // After this an input is taken never to end. Long, for machines under test are slow.
    private static readonly TimeSpan Forever = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan ShrinkFor = TimeSpan.FromSeconds(5);

    // Inputs that are built upon. Chosen: answers that hold text of the input would fill the memory.
    private const int MaxKept = 4096;

    // Chosen: a code and the first word behind it.
    private const int KindLength = 24;
    private const int MaxOfKind = 32;

    // Longest part of an answer that is compared.
    private const int MaxAnswer = 512;

    private readonly List<byte[]> _kept = [];
    private readonly HashSet<string> _answers = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _kinds = new(StringComparer.Ordinal);
    private volatile byte[] _current = [];
    private long _runs;
    private string? _failure;

    /// <summary>Runs the whole corpus, and then as many changed inputs as the time allows, at most so many in all.</summary>
    public FuzzResult Run(TimeSpan time, long inputs, int seed)
    {
        var watch = Stopwatch.StartNew();
        // On a thread of its own: one that never ends can be told of.
        var thread = new Thread(() => Work(time, inputs, seed), 16 << 20) { IsBackground = true, Name = target };
        thread.Start();
        if (!thread.Join(time + ShrinkFor + Forever)) _failure = Describe(_current, "it does not come back", null);
        return new(target, seed, Interlocked.Read(ref _runs), watch.Elapsed, _answers.Count, _failure);
    }

    private void Work(TimeSpan time, long inputs, int seed)
    {
        var watch = Stopwatch.StartNew();
        foreach (var input in corpus)
        {
            if (!Holds(input)) return;
            _kept.Add(input);
        }
        var random = new Random(seed);
        var mutator = new Mutator(random, words, maxLength);
        while (watch.Elapsed < time && _runs < inputs)
        {
            // Half of the time what was found last, where something new is most likely near.
            var at = random.Next(2) == 0 ? _kept.Count - 1 - random.Next(Math.Min(_kept.Count, 16)) : random.Next(_kept.Count);
            if (!Holds(mutator.Change(_kept[at], _kept[random.Next(_kept.Count)]))) return;
        }
    }

    private bool Holds(byte[] input)
    {
        var (answer, problem) = Try(input);
        _runs++;
        if (problem is not null)
        {
            var least = Shrink(input, problem.Kind);
            _failure = Describe(least, problem.Message, Corpus.Save(target, least));
            return false;
        }
        if (_kept.Count < MaxKept && IsNew(Template(answer))) _kept.Add(input);
        return true;
    }

    // Of answers that begin alike only so many: some repeat the input without quoting it.
    private bool IsNew(string answer)
    {
        if (!_answers.Add(answer)) return false;
        var kind = answer[..Math.Min(answer.Length, KindLength)];
        var count = _kinds[kind] = _kinds.GetValueOrDefault(kind) + 1;
        return count <= MaxOfKind;
    }

    private sealed record Problem(string Kind, string Message);

    private (string Answer, Problem? Problem) Try(byte[] input)
    {
        _current = input;
        var (started, allocated) = (Stopwatch.GetTimestamp(), GC.GetAllocatedBytesForCurrentThread());
        try
        {
            var answer = attempt(input);
            allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
            if (allocated > MaxAllocated)
                return ("", new("memory", $"it took {allocated >> 20} MiB, expected at most {MaxAllocated >> 20}"));
            return Stopwatch.GetElapsedTime(started) > MaxTime && IsSlow(input)
                ? ("", new("time", $"it took more than {MaxTime.TotalSeconds:0} s of processor time"))
                : (answer, null);
        }
        catch (Exception e)
        {
            return ("", new(e.GetType().Name, e.ToString()));
        }
    }

    // By the processor's time: the clock on the wall goes on while others use the machine.
    private bool IsSlow(byte[] input)
    {
        var before = ThreadClock.Elapsed;
        attempt(input);
        return ThreadClock.Elapsed - before > MaxTime;
    }

    // Leaves out whatever can be left out without changing what is wrong.
    private byte[] Shrink(byte[] input, string kind)
    {
        var watch = Stopwatch.StartNew();
        for (var size = Math.Max(1, input.Length / 2); size > 0; size /= 2)
        {
            for (var at = 0; at + size <= input.Length && watch.Elapsed < ShrinkFor;)
            {
                byte[] less = [.. input.AsSpan(0, at), .. input.AsSpan(at + size)];
                if (Try(less).Problem?.Kind == kind) input = less;
                else at += size;
            }
        }
        return input;
    }

    private static string Describe(byte[] input, string what, string? file)
    {
        var shown = input.AsSpan(0, Math.Min(input.Length, 3072));
        var kept = file is null ? "" : $", kept in {file}";
        return $"{what}\ninput of {input.Length} bytes{kept}, in base 64: {Convert.ToBase64String(shown)}";
    }

    // Without what an answer repeats of the input: quoted text and numbers.
    private static string Template(string answer)
    {
        var (first, last) = (answer.AsSpan().IndexOfAny('\'', '"'), answer.AsSpan().LastIndexOfAny('\'', '"'));
        var told = first < last ? $"{answer.AsSpan(0, first)} {answer.AsSpan(last + 1)}" : answer;
        return string.Concat(told.Take(MaxAnswer).Where(c => !char.IsAsciiDigit(c)));
    }
}
