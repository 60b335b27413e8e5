using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>The clients of <see cref="ImageTests"/>, when each request is answered by another gateway of one bucket.</summary>
public sealed class BucketImageTests(BucketFixture fixture) : ImageTests(fixture), IClassFixture<BucketFixture>;

/// <summary>See <see cref="BucketImageTests"/>.</summary>
public sealed class BucketCosignTests(BucketFixture fixture) : CosignTests(fixture), IClassFixture<BucketFixture>;

/// <summary>See <see cref="BucketImageTests"/>.</summary>
public sealed class BucketHelmTests(BucketFixture fixture) : HelmTests(fixture), IClassFixture<BucketFixture>;

/// <summary>See <see cref="BucketImageTests"/>.</summary>
public sealed class BucketReferrerTests(BucketFixture fixture) : ReferrerTests(fixture), IClassFixture<BucketFixture>;

/// <summary>See <see cref="BucketImageTests"/>.</summary>
public sealed class BucketListAndMountTests(BucketFixture fixture) : ListAndMountTests(fixture), IClassFixture<BucketFixture>;

/// <summary>See <see cref="BucketImageTests"/>.</summary>
public sealed class BucketEncryptedImageTests(BucketFixture fixture) : EncryptedImageTests(fixture), IClassFixture<BucketFixture>;
