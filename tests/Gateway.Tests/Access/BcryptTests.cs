using Gateway.Access;
using Xunit;

namespace Gateway.Tests.Access;

public sealed class BcryptTests
{
    [Fact]
    public void Hash_matches_only_its_password_and_has_a_new_salt_each_time()
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
    [InlineData("", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy")]
    [InlineData("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW")]
    [InlineData("U*U*", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK")]
    [InlineData("U*U*U", "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a")]
    public void Hashes_of_crypt_blowfish_are_read_under_each_prefix(string password, string hash)
    {
        foreach (var prefix in (string[])["$2a$", "$2b$", "$2y$"])
        {
            var prefixed = prefix + hash[4..];
            Assert.True(Bcrypt.Verify(password, prefixed), prefixed);
            Assert.False(Bcrypt.Verify(password + "x", prefixed), prefixed);
        }
    }

    /// <summary>Written by <c>htpasswd -niB -C 5</c> and <c>-C 10</c> of Apache 2.4.</summary>
    [Theory]
    [InlineData("hunter2", "$2y$05$8ZsXZ8Q8TSQEsxMnz2JE3ujk6rLbvjIJN/cNWY82zNFXfjmAk9w9.")]
    [InlineData("hunter2", "$2y$10$q5Myd6VrKFQpmOvcU1U5DOWBz1S/TT7JLqVzyepruiTQ46VAEac9e")]
    [InlineData("pässwörd 水", "$2y$05$rEvrEegv9RhfudniPzR44Os/w9SDVOwrzI/9kuSOhtE9.NWL8xqvG")]
    [InlineData(
        "000000000000000000000000000000000000000000000000000000000000000000000000",
        "$2y$05$NCqhcTyjBKbWyDq9Ll.u8ulW5zPU3Obz5fvOw2rm3Z69ED7WrWN0G")]
    public void Hashes_of_htpasswd_are_read(string password, string hash)
    {
        Assert.True(Bcrypt.Verify(password, hash));
        Assert.False(Bcrypt.Verify(password[1..], hash));
    }

    [Fact]
    public void Bytes_of_a_password_after_72_do_not_count() =>
        Assert.True(Bcrypt.Verify(new string('ü', 36) + "more", Bcrypt.Hash(new string('ü', 36), Bcrypt.LeastCost)));

    [Fact]
    public void Password_with_a_zero_character_never_matches_and_is_not_hashed()
    {
        Assert.False(Bcrypt.Verify("U*U\0", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"));
        Assert.Throws<ArgumentException>(() => Bcrypt.Hash("U*U\0", Bcrypt.LeastCost));
    }

    [Theory]
    [InlineData("")]
    [InlineData("hunter2")]
    [InlineData("$apr1$x$y")]
    [InlineData("$2x$05$......................................................")]
    [InlineData("$2y$04$.....................................................")]
    [InlineData("$2y$17$.....................................................")]
    [InlineData("$2y$-5$.....................................................")]
    [InlineData("$2y$05$....................................................ü")]
    [InlineData("$2y$05$....................................................=")]
    [InlineData("$2y$10$short")]
    public void Text_that_is_no_accepted_hash_has_no_cost_and_matches_no_password(string text)
    {
        Assert.Null(Bcrypt.CostOf(text));
        Assert.False(Bcrypt.Verify("hunter2", text));
    }
}
