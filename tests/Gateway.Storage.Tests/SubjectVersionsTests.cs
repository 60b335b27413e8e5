using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

public sealed class SubjectVersionsTests
{
    private static Digest Subject(int number) => Digest.Of(BitConverter.GetBytes(number));

    [Fact]
    public void Versions_of_the_newest_subjects_stay_when_the_oldest_are_forgotten()
    {
        var versions = new SubjectVersions();
        for (var i = 1; i <= 4097; i++) versions.Raise(Subject(i), i);
        Assert.Equal(4097, versions.Of(Subject(4097)));
        Assert.Equal(2049, versions.Of(Subject(2049)));
    }

    [Fact]
    public void Forgotten_subject_counts_as_changed_with_the_latest_one_that_was_forgotten()
    {
        var versions = new SubjectVersions();
        for (var i = 1; i <= 4097; i++) versions.Raise(Subject(i), i);
        Assert.Equal(2048, versions.Of(Subject(1)));
        Assert.Equal(2048, versions.Of(Subject(-1)));
        Assert.Equal(4097, versions.Latest);
    }
}
