using System.Net;
using System.Text.Json;

namespace Gateway.Commands.Doctor;

/// <summary>The answer to one request of the doctor, whole.</summary>
/// <param name="Status">Null if there was no answer.</param>
/// <param name="Failure">Why there was no answer; empty if there was one.</param>
/// <param name="Took">Time to the headers.</param>
internal sealed record Asked(
    HttpStatusCode? Status, string Failure, TimeSpan Took, IReadOnlyDictionary<string, string> Headers, byte[] Body)
{
    /// <summary>Bytes of a body that the doctor reads; of a longer one, only the beginning.</summary>
    public const int MaxBody = 4 << 20;

    public bool IsSuccess => Status is >= HttpStatusCode.OK and < HttpStatusCode.MultipleChoices;

    /// <summary>A header's value; null if it is absent.</summary>
    public string? this[string header] => Headers.GetValueOrDefault(header);

    /// <summary>The message of the first error of a registry's error body; otherwise the status, or why there was no answer.</summary>
    public string Says
    {
        get
        {
            if (Status is not { } status) return Failure;
            try
            {
                using var document = JsonDocument.Parse(Body);
                var first = document.RootElement.GetProperty("errors")[0];
                return $"{(int)status} {first.GetProperty("code").GetString()}: {first.GetProperty("message").GetString()}";
            }
            catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or IndexOutOfRangeException)
            {
                return $"status {(int)status}";
            }
        }
    }
}
