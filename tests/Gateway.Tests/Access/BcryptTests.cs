using Gateway.Access;
using Xunit;

namespace Gateway.Tests.Access;

public sealed class BcryptTests
{
    [Fact]
    public void Hash_is_of_its_password_only_and_never_twice_the_same()
    {
        var hash = Bcrypt.Hash("hunter2", 5);

        Assert.StartsWith("$2y$05$", hash);
        Assert.Equal(5, Bcrypt.CostOf(hash));
        Assert.True(Bcrypt.Verify("hunter2", hash));
        Assert.False(Bcrypt.Verify("hunter3", hash));
        Assert.False(Bcrypt.Verify("", hash));
        Assert.NotEqual(hash, Bcrypt.Hash("hunter2", 5));
    }

    /// <summary>Vectors of crypt_blowfish 1.3, wrapper.c (public domain).</summary>
    [Theory]
    [InlineData("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW")]
    [InlineData("U*U*", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK")]
    [InlineData("U*U*U", "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a")]
    public void Hashes_of_others_are_read(string password, string hash)
    {
        Assert.True(Bcrypt.Verify(password, hash));
        Assert.True(Bcrypt.Verify(password, hash.Replace("$2a$", "$2b$", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("hunter2")]
    [InlineData("$apr1$x$y")]
    [InlineData("$2y$04$......................................................")]
    [InlineData("$2y$17$......................................................")]
    [InlineData("$2y$10$short")]
    public void What_is_no_hash_that_we_read_has_no_cost(string text) => Assert.Null(Bcrypt.CostOf(text));
}
