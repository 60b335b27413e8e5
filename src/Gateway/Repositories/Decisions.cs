using System.Collections.Concurrent;
using System.Security.Cryptography;

namespace Gateway.Repositories;

/// <summary>The latest decisions that refused or warned, by id, so that the one who was refused can ask why.</summary>
internal sealed class Decisions
{
    /// <summary>Decisions remembered; each is below 2 KiB.</summary>
    private const int Capacity = 4096;

    private readonly ConcurrentDictionary<string, Decision> _byId = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<string> _order = new();

    /// <summary>A name for a decision: 40 random bits, so that nobody guesses another's.</summary>
    public static string NewId() => "d-" + RandomNumberGenerator.GetString("ABCDEFGHJKMNPQRSTUVWXYZ23456789", 8);

    public void Remember(Decision decision)
    {
        _byId[decision.Id] = decision;
        _order.Enqueue(decision.Id);
        while (_order.Count > Capacity && _order.TryDequeue(out var oldest)) _byId.TryRemove(oldest, out _);
    }

    public Decision? Find(string id) => _byId.GetValueOrDefault(id);
}
