namespace Gateway.Bench;

/// <summary>One request for one object.</summary>
/// <param name="Object">Its number.</param>
/// <param name="Size">In bytes; the same for every request.</param>
internal readonly record struct Request(int Object, long Size);

/// <summary>
/// The requests to a pull-through cache: whole images, with a popularity by a zipf law that drifts, layers shared through base images, and
/// occasional jobs that pull many images once. The same seed gives the same trace.
/// </summary>
internal sealed class Trace
{
    private const int Images = 2000;
    private const int Bases = 60;
    private const int Pulls = 40_000;

    // A popular image is released again at this rate; its old tag is not requested any more.
    private const int PullsBetweenReleases = 20;

    // A scan pulls 150 images once each; two in five pulls belong to scans.
    private const int PullsBetweenScans = 225;
    private const int ScanLength = 150;

    private readonly Random _random;
    private readonly double[] _cumulated;
    private readonly List<long> _sizes = [];
    private readonly int[][] _bases;
    private readonly int[][] _images;
    private readonly int[] _byRank;
    private readonly List<Request> _requests = [];

    /// <param name="skew">Exponent of the zipf law: the n-th image is requested 1/n^skew as often as the first.</param>
    /// <param name="withScans">Whether jobs pull many images once in between.</param>
    public Trace(int seed, double skew, bool withScans)
    {
        _random = new(seed);
        _cumulated = Zipf(Images, skew);
        _bases = [.. Enumerable.Range(0, Bases).Select(_ => Layers(1, 3))];
        _images = [.. Enumerable.Range(0, Images).Select(_ => NewImage())];
        _byRank = [.. Enumerable.Range(0, Images)];
        _random.Shuffle(_byRank);
        for (var pull = 0; pull < Pulls; pull++)
        {
            if (pull % PullsBetweenReleases == 0) Release(_byRank[Drawn()]);
            if (pull % PullsBetweenReleases == 0) Drift();
            Pull(_images[_byRank[Drawn()]]);
            if (withScans && pull % PullsBetweenScans == 0) Scan();
        }
        Footprint = _requests.DistinctBy(r => r.Object).Sum(r => r.Size);
    }

    public IReadOnlyList<Request> Requests => _requests;

    /// <summary>Total bytes of all requested objects: a cache of this size would evict nothing.</summary>
    public long Footprint { get; }

    // Every other scan requests old images, the others builds that are not requested again.
    private void Scan()
    {
        var isOfBuilds = _random.Next(2) == 0;
        for (var i = 0; i < ScanLength; i++) Pull(isOfBuilds ? NewImage() : _images[_random.Next(Images)]);
    }

    // A release replaces the manifests, the config and one or two layers; the others stay.
    private void Release(int image)
    {
        var old = _images[image];
        var renewed = 3 + _random.Next(1, 3);
        _images[image] = [.. old.Select((part, i) => i < renewed ? NewObject(_sizes[part]) : part)];
    }

    // Exchanges the popularity of two neighbors with that of distant images.
    private void Drift()
    {
        var (a, b) = (_random.Next(Images), _random.Next(Images));
        (_byRank[a], _byRank[b]) = (_byRank[b], _byRank[a]);
    }

    // A node requests the index and the manifest each time, and has some of the layers already.
    private void Pull(int[] image)
    {
        for (var i = 0; i < image.Length; i++)
        {
            if (i < 3 || _random.Next(4) > 0) _requests.Add(new(image[i], _sizes[image[i]]));
        }
    }

    // Index, manifest, config, own layers, then the layers of a shared base image.
    private int[] NewImage() =>
    [
        NewObject(LogNormal(1600, 0.5)), NewObject(LogNormal(1800, 0.6)), NewObject(LogNormal(6000, 0.8)),
        .. Layers(1, 6), .. _bases[(int)(Bases * Math.Pow(_random.NextDouble(), 2))],
    ];

    // Median 3 MiB, one in a hundred above 400 MiB, at most 2 GiB: roughly what public registries have.
    private int[] Layers(int fewest, int most) =>
        [.. Enumerable.Range(0, _random.Next(fewest, most + 1)).Select(_ => NewObject(Math.Min(LogNormal(3 << 20, 2.1), 2L << 30)))];

    private int NewObject(long size)
    {
        _sizes.Add(size);
        return _sizes.Count - 1;
    }

    private long LogNormal(double median, double sigma)
    {
        var normal = Math.Sqrt(-2 * Math.Log(1 - _random.NextDouble())) * Math.Cos(2 * Math.PI * _random.NextDouble());
        return Math.Max(100, (long)(median * Math.Exp(sigma * normal)));
    }

    private int Drawn()
    {
        var at = Array.BinarySearch(_cumulated, _random.NextDouble() * _cumulated[^1]);
        return Math.Min(at < 0 ? ~at : at, Images - 1);
    }

    private static double[] Zipf(int count, double skew)
    {
        var sum = 0.0;
        return [.. Enumerable.Range(1, count).Select(n => sum += Math.Pow(n, -skew))];
    }
}
