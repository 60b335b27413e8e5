using FsCheck;
using FsCheck.Fluent;
using Gateway.Policy.Signatures.Keyless;
using Gateway.Policy.Tests.Signatures.Keyless.Sigstore;
using Xunit;

namespace Gateway.Policy.Tests.Signatures.Keyless;

/// <summary>
/// Inclusion proofs against the tree as RFC 6962 defines it, and the tree against the roots in the tests of certificate transparency.
/// </summary>
public sealed class MerkleProofTests
{
    private static readonly byte[][] KnownLeaves =
    [
        .. new[] { "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f" }
            .Select(Convert.FromHexString),
    ];

    [Theory]
    [InlineData(1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d")]
    [InlineData(2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125")]
    [InlineData(3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77")]
    [InlineData(4, "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7")]
    [InlineData(5, "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4")]
    [InlineData(6, "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef")]
    [InlineData(7, "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c")]
    [InlineData(8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328")]
    public void Proof_of_every_leaf_leads_to_the_known_root(int size, string root)
    {
        var leaves = KnownLeaves[..size];
        Assert.Equal(root, Convert.ToHexStringLower(NaiveTree.Root(leaves)));
        for (var i = 0; i < size; i++) Assert.True(Leads(leaves, i, size, NaiveTree.Path(i, leaves), Convert.FromHexString(root)));
    }

    // RFC 6962 §2.1.3: the proofs of d0, d3, d4 and d6 in the tree of seven have 3, 3, 3 and 2 nodes.
    [Theory]
    [InlineData(0, 3)]
    [InlineData(3, 3)]
    [InlineData(4, 3)]
    [InlineData(6, 2)]
    public void Proofs_of_the_RFC_example_have_the_documented_length(int index, int length) =>
        Assert.Equal(length, NaiveTree.Path(index, KnownLeaves[..7]).Count);

    [Fact]
    public void Proof_holds_for_its_own_leaf_size_path_and_root_only() => Prop.ForAll(
        Gen.Choose(1, 70).SelectMany(size => Gen.Choose(0, size - 1).Select(index => (size, index))).ToArbitrary(),
        at =>
        {
            var leaves = Enumerable.Range(0, at.size).Select(i => BitConverter.GetBytes(i)).ToList();
            var (way, root) = (NaiveTree.Path(at.index, leaves), NaiveTree.Root(leaves));
            var holds = Leads(leaves, at.index, at.size, way, root);
            var elsewhere = Enumerable.Range(0, at.size).Where(i => i != at.index);
            var other = elsewhere.Any(i => Leads(leaves, i, at.size, way, root, leaf: at.index));
            var otherSize = Leads(leaves, at.index, at.size, [.. way, new byte[32]], root)
                || (way.Count > 0 && Leads(leaves, at.index, at.size, way[..^1], root));
            var flipped = Enumerable.Range(0, way.Count).Any(i => Leads(leaves, at.index, at.size, Flip(way, i), root));
            return holds && !other && !otherSize && !flipped;
        }).QuickCheckThrowOnFailure();

    [Theory]
    [InlineData(-1, 8)]
    [InlineData(8, 8)]
    [InlineData(0, 0)]
    [InlineData(long.MaxValue, long.MaxValue)]
    public void Position_outside_the_tree_is_refused(long index, long size) =>
        Assert.False(MerkleProof.Leads(NaiveTree.Leaf(KnownLeaves[0]), index, size, [], NaiveTree.Leaf(KnownLeaves[0])));

    [Fact]
    public void Inner_node_is_not_accepted_as_an_entry()
    {
        byte[] node = [0x01, .. NaiveTree.Leaf(KnownLeaves[0]), .. NaiveTree.Leaf(KnownLeaves[1])];
        Assert.False(MerkleProof.Leads(MerkleProof.LeafHash(node), 0, 1, [], NaiveTree.Root(KnownLeaves[..2])));
        Assert.Equal(NaiveTree.Leaf(node), MerkleProof.LeafHash(node));
    }

    [Fact]
    public void Hash_of_another_length_in_a_proof_is_refused() =>
        Assert.False(Leads([.. KnownLeaves], 0, 2, [new byte[31]], NaiveTree.Root(KnownLeaves[..2])));

    private static bool Leads(IReadOnlyList<byte[]> leaves, int index, long size, List<byte[]> way, byte[] root, int? leaf = null) =>
        MerkleProof.Leads(MerkleProof.LeafHash(leaves[leaf ?? index]), index, size, [.. way.Select(h => (ReadOnlyMemory<byte>)h)], root);

    private static List<byte[]> Flip(List<byte[]> way, int index)
    {
        var changed = way.Select(h => (byte[])h.Clone()).ToList();
        changed[index][index % 32] ^= 0x10;
        return changed;
    }
}
