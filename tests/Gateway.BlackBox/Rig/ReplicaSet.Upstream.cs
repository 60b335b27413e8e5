using Scripted;

namespace Gateway.BlackBox.Rig;

/// <summary>What the upstream was asked for.</summary>
internal sealed partial class ReplicaSet
{
    /// <summary>The GETs of a blob that the upstream received.</summary>
    public ReceivedRequest[] GetsOf(string digest) =>
        [.. Upstream.Requests.Where(each => each.Method == "GET" && each.Reference == digest)];

    /// <summary>
    /// The GETs of a whole blob that the upstream received. A replica that a stalled machine kept from another one's bytes requests the
    /// rest of them as a range, rightly.
    /// </summary>
    public int WholesOf(string digest) => GetsOf(digest).Count(each => !each.Headers.ContainsKey("Range"));

    /// <summary>The ranges of requests and the bytes that were sent for each.</summary>
    public static string Text(IEnumerable<ReceivedRequest> gets) => string.Join(
        "; ", gets.Select(each => $"{each.Headers.GetValueOrDefault("Range", "whole")}: {each.Status}, {each.BytesSent}"));

    /// <summary>
    /// Bytes of a blob that were requested from the upstream more than once. A fetch requests the whole, and may then cut that response
    /// where a closed range beside it begins; so the whole counts up to the first range.
    /// </summary>
    public long RequestedTwice(string digest, long length)
    {
        var ranges = GetsOf(digest).Select(each => each.Headers.TryGetValue("Range", out var range) ? Range(range) : (From: 0, End: length))
            .OrderBy(each => each.From).ToArray();
        var (wholes, parts) = (ranges.Count(each => each == (0, length)), ranges.Where(each => each != (0, length)).ToArray());
        var twice = Math.Max(0, wholes - 1) * length;
        for (var i = 1; i < parts.Length; i++) twice += Math.Max(0, parts[i - 1].End - parts[i].From);
        return twice;
    }

    private static (long From, long End) Range(string header)
    {
        var bounds = header["bytes=".Length..].Split('-');
        return (long.Parse(bounds[0]), long.Parse(bounds[1]) + 1);
    }
}
