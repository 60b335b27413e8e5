using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Exporters;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;

// Measures the parts of a request separately: bench/README.md, "Parts". The benchmarks run in this process, because the types that they
// measure are internal and a generated project could not name them.
var config = ManualConfig.CreateEmpty()
    .AddLogger(ConsoleLogger.Default)
    .AddColumnProvider(DefaultColumnProviders.Instance)
    .AddExporter(MarkdownExporter.GitHub)
    .AddDiagnoser(MemoryDiagnoser.Default)
    .AddJob(Job.Default.WithToolchain(new InProcessEmitToolchain(TimeSpan.FromMinutes(5), logOutput: false)).WithIterationCount(15))
    .WithArtifactsPath(Path.Combine(Path.GetTempPath(), "gateway-bench-parts"));
BenchmarkSwitcher.FromAssembly(typeof(Gateway.Bench.WarmPull).Assembly).Run(args.Length == 0 ? ["--filter", "*"] : args, config);
