// Every command with its options and its help, in one place.
#include "qcc/Cli/Args.h"

using namespace qcc::cli;

namespace {
// How a model is compiled: options of `compile`, and of the commands that compile on the way.
#define QCC_MODEL_OPTIONS                                                                          \
  {"-O", Option::Joined}, {"--target", Option::Value}, {"--mcpu", Option::Value},                  \
      {"--functions", Option::Value}, {"--host-op", Option::Value}, {"--host-lib", Option::Value}, \
      {"--inputs", Option::Value}, {"--outputs", Option::Value}, {"--mattr", Option::Value},       \
      {"--quantize", Option::Value}, {"--skip", Option::Value}, {"--embed", Option::Value},        \
      {"--head", Option::Value}, {"--numerics", Option::Value}, {"--requantize", Option::Flag},    \
      {"--method", Option::Value}, {"--kv", Option::Value}, {"--attention", Option::Value},        \
      {"--accept", Option::Value}, {"--bind", Option::Value}, {"--recipe", Option::Value}, {       \
    "--blobs", Option::Value                                                                       \
  }
#define QCC_COMMON_OPTIONS                                                                         \
  {"--json", Option::Flag}, {"--help", Option::Flag}, {"-h", Option::Flag, "--help"}
#define QCC_CALIBRATION_OPTIONS                                                                    \
  {"--calib", Option::Value}, {"--calib-samples", Option::Value}, {"--mem-limit", Option::Value},  \
  {                                                                                                \
    "--seed", Option::Value                                                                        \
  }
#define QCC_BUDGET_OPTIONS                                                                         \
  {"--budget-size", Option::Value}, {"--budget-latency", Option::Value},                           \
      {"--cost-table", Option::Value}, {"--eval-data", Option::Value}, {                           \
    "--require-measured", Option::Flag                                                             \
  }
#define QCC_DATA_OPTIONS                                                                           \
  QCC_CALIBRATION_OPTIONS, QCC_BUDGET_OPTIONS, {"--ctx", Option::Value}, {                         \
    "--labels", Option::Value                                                                      \
  }

constexpr Option compileOptions[] = {QCC_MODEL_OPTIONS,
                                     QCC_COMMON_OPTIONS,
                                     QCC_DATA_OPTIONS,
                                     {"-o", Option::Value},
                                     {"--output", Option::Value, "-o"},
                                     {"--emit", Option::Value},
                                     {"--triple", Option::Value},
                                     {"--from", Option::Value},
                                     {"--to", Option::Value},
                                     {"--dump-stages", Option::Value},
                                     {"--report", Option::Value},
                                     {"--attribution", Option::Value},
                                     {"--threads", Option::Value},
                                     {"--weights", Option::Value},
                                     {"--shape", Option::Value},
                                     {"--name", Option::Value},
                                     {"--validate-passes", Option::Flag}};

constexpr Option quantizeOptions[] = {QCC_MODEL_OPTIONS,
                                      QCC_COMMON_OPTIONS,
                                      QCC_DATA_OPTIONS,
                                      {"-o", Option::Value},
                                      {"--output", Option::Value, "-o"},
                                      {"--work", Option::Value},
                                      {"--dump-stages", Option::Value},
                                      {"--report", Option::Value},
                                      {"--attribution", Option::Value},
                                      {"--emit", Option::Value},
                                      {"--threads", Option::Value},
                                      {"--shape", Option::Value},
                                      {"--name", Option::Value}};

constexpr Option calibrateOptions[] = {QCC_COMMON_OPTIONS,
                                       {"-o", Option::Value},
                                       {"--output", Option::Value, "-o"},
                                       {"--data", Option::Value},
                                       {"--ctx", Option::Value},
                                       {"--limit", Option::Value},
                                       {"--ranges-only", Option::Flag},
                                       {"--mem-limit", Option::Value},
                                       {"--seed", Option::Value},
                                       {"--target", Option::Value},
                                       {"--threads", Option::Value},
                                       {"--bind", Option::Value},
                                       {"--blobs", Option::Value},
                                       {"--inputs", Option::Value},
                                       {"--outputs", Option::Value},
                                       {"--functions", Option::Value},
                                       {"--host-op", Option::Value},
                                       {"--host-lib", Option::Value}};

constexpr Option sweepOptions[] = {QCC_MODEL_OPTIONS,
                                   QCC_COMMON_OPTIONS,
                                   QCC_CALIBRATION_OPTIONS,
                                   {"--data", Option::Value},
                                   {"--tokens", Option::Value},
                                   {"--pairs", Option::Value},
                                   {"--ctx", Option::Value},
                                   {"--labels", Option::Value},
                                   {"--limit", Option::Value},
                                   {"--threads", Option::Value},
                                   {"--latency-at", Option::Value}};

constexpr Option tuneOptions[] = {
    QCC_COMMON_OPTIONS,          {"-o", Option::Value},        {"--output", Option::Value, "-o"},
    {"--target", Option::Value}, {"--threads", Option::Value}, {"--seconds", Option::Value},
    {"--model", Option::Flag}};

constexpr Option compareOptions[] = {QCC_MODEL_OPTIONS,           QCC_CALIBRATION_OPTIONS,
                                     QCC_BUDGET_OPTIONS,          QCC_COMMON_OPTIONS,
                                     {"--data", Option::Value},   {"--ctx", Option::Value},
                                     {"--limit", Option::Value},  {"--layerwise", Option::Flag},
                                     {"--top", Option::Value},    {"--threads", Option::Value},
                                     {"--device", Option::Value}, {"--force-level", Option::Value}};

constexpr Option runOptions[] = {QCC_MODEL_OPTIONS,
                                 QCC_DATA_OPTIONS,
                                 QCC_COMMON_OPTIONS,
                                 {"--test-data", Option::Value},
                                 {"--input", Option::Value},
                                 {"--output-dir", Option::Value},
                                 {"--random", Option::Value},
                                 {"--reference", Option::Flag},
                                 {"--threads", Option::Value},
                                 {"--validate", Option::Flag},
                                 {"--atol", Option::Value},
                                 {"--rtol", Option::Value},
                                 {"--device", Option::Value},
                                 {"--force-level", Option::Value}};

constexpr Option benchOptions[] = {QCC_MODEL_OPTIONS,
                                   QCC_DATA_OPTIONS,
                                   QCC_COMMON_OPTIONS,
                                   {"--shape", Option::Value},
                                   {"--threads", Option::Value},
                                   {"--seconds", Option::Value},
                                   {"-r", Option::Value},
                                   {"-p", Option::Value},
                                   {"-n", Option::Value},
                                   {"--depth", Option::Value},
                                   {"--profile", Option::Flag},
                                   {"--baseline", Option::Value},
                                   {"--device", Option::Value},
                                   {"--force-level", Option::Value}};

constexpr Option evalOptions[] = {QCC_MODEL_OPTIONS,           QCC_CALIBRATION_OPTIONS,
                                  QCC_BUDGET_OPTIONS,          QCC_COMMON_OPTIONS,
                                  {"--tokens", Option::Value}, {"--ctx", Option::Value},
                                  {"--pairs", Option::Value},  {"--data", Option::Value},
                                  {"--labels", Option::Value}, {"--against", Option::Value},
                                  {"--limit", Option::Value},  {"--threads", Option::Value},
                                  {"--batch", Option::Value},  {"--force-level", Option::Value},
                                  {"--device", Option::Value}};

constexpr Option lookOptions[] = {
    QCC_COMMON_OPTIONS,          {"--host-op", Option::Value}, {"--functions", Option::Value},
    {"--inputs", Option::Value}, {"--outputs", Option::Value}, {"--shape", Option::Value},
    {"--bind", Option::Value},   {"--blobs", Option::Value}};
constexpr Option inspectOptions[] = {QCC_COMMON_OPTIONS,
                                     {"--host-op", Option::Value},
                                     {"--functions", Option::Value},
                                     {"--inputs", Option::Value},
                                     {"--outputs", Option::Value},
                                     {"--shape", Option::Value},
                                     {"--bind", Option::Value},
                                     {"--blobs", Option::Value},
                                     {"--target", Option::Value},
                                     {"--quantize", Option::Value},
                                     {"--skip", Option::Value},
                                     {"--embed", Option::Value},
                                     {"--head", Option::Value},
                                     {"--attention", Option::Value},
                                     {"--kv", Option::Value},
                                     {"--numerics", Option::Value}};
constexpr Option plainOptions[] = {QCC_COMMON_OPTIONS};

constexpr const char compileHelp[] =
    R"(qcc bert.onnx -o bert.so                            for every x86-64 with AVX2 and better
qcc gpt.onnx -O3 --target=native --quantize=w8a8    int8 weights and activations, this machine
qcc gpt.onnx --quantize=w4a8:g32 --skip='*lm_head*' int4 in blocks of 32, one layer left alone
qcc gpt.onnx --to=raise -o -                        the IR after a stage, on stdout

usage: qcc [compile] MODEL.(onnx|qnt|mlir) [options] [-o OUT]

  -o OUT                 suffix picks .so .o .a .qnt .onnx .mlir .ll .s .ptx; - prints text
  --emit KIND            overrides the suffix; onnx-ms writes MatMulNBits where it can
  -O0 -O1 -O2 -O3        how hard to try; never changes results or schemes
  --target T[,T]         x86, native, x86-avx512, x86-64-v3 …: see qcc targets
  --triple T --mcpu C --mattr A   cross-compile, and for experts
  --quantize SCHEME      keep, or WEIGHT[aACT]{:MOD} such as w8a8, w4a8:g32, w4:g64:sym
  --skip GLOB            leave weights of these names alone (repeatable)
  --embed F, --head F    f32, f16, w8 or w4 for embedding and output head
  --attention f32|i16    its products: i16 by default between layers with 8-bit inputs
  --kv F                 how a decoder's cache is stored: f32, f16, fp8, int8 or int4
  --requantize           change weights that are quantized already
  --method M[,M]         rtn, clip, gptq, awq, smoothquant, hadamard …
  --calib, --accept, --budget-size, --recipe …   see qcc quantize --help
  --numerics exact|fast  exact (default): equal bits on every target, thread count and batch;
                         fast: layers of floats multiply in bf16, their weights take half the space;
                         so does attention on GPUs
  --shape NAME=1x128     fix an input's shape, or bound it: NAME=1..8x1..512
  --weights embed|file   inside the output, or in a file beside it
  --name IDENT           C name of the model
  --bind ROLE=NAME       which input is ids, mask, positions …
  --inputs, --outputs N  compile the part of the graph between these values
  --functions F.onnx     definitions of unknown operators
  --host-op DOMAIN::OP[=RESULTS]   operators that the application computes (qcc_register_host_op);
                         RESULTS are like(0) or f32[x0.0, 64] …, else what the model declares
  --host-lib F.so        computes them where qcc runs the model (--calib, qcc run, eval …)
  --from, --to STAGE     start or stop at a stage
  --dump-stages DIR      the IR after every stage
  --blobs DIR            where weights of .mlir files lie
  --report F.json        timings, sizes and decisions
  --validate-passes      run the interpreter after every pass and compare
  --threads N            compiler threads
  --mlir-…               passed to MLIR
  --json                 a summary on stdout
)";

constexpr const char quantizeHelp[] =
    R"(qcc quantize gpt.onnx --quantize=w4a8:g32 --calib=train.npy --ctx 512 -o gpt.qnt
qcc quantize bert.onnx --calib=D.npz --accept=99% --eval-data=dev.npz
qcc quantize bert.onnx --calib=D.npz --budget-size=60MB --budget-latency=5ms@1x128
qcc gpt.qnt --target=native -o gpt.so                then, for each target

usage: qcc quantize MODEL.onnx [options] [-o OUT.qnt|OUT.onnx]

  --quantize SCHEME[,SCHEME]   auto (default), or the schemes to choose from
  --method M[,M]         default, or codes by rtn, clip, gptq, rounding, kmeans, signround,
                         stochastic; before them hadamard, smoothquant or awq, outliers or
                         columns, sparse, rows; after them bias
  --calib DATA|FILE      samples, or what qcc calibrate wrote
  --calib-samples N      only the first N;  --ctx N  window of a token file
  --mem-limit 8GB        memory for runs on data;  --seed N  of whatever is random
  --accept FILE.yaml|99%|99.9%|guard|none   limits that must hold, decided on --eval-data
  --eval-data DATA       else a fifth of --calib is put aside;  --labels NAME  its classes
  --budget-size 60MB     of the compiled model
  --budget-latency 5ms@1x128[,threads=2]   or 40ms@decode, 300ms@prefill512 (repeatable)
  --cost-table FILE      what qcc tune measured, or default;  --require-measured  no predictions
  --recipe FILE.yaml     all of the above, per tensor too, and schemes of one's own
  --skip GLOB, --embed F, --head F, --attention A, --kv F, --requantize   as in qcc compile
  --work DIR             keep finished parts here (OUT.qnt.work until it is done)
  --report F.json        candidates, choices and reasons;  --json  the same on stdout
  --attribution N        what each weight contributes to the loss, in at most N runs (64 with
                         --report, else 0; a run a weight is exact, fewer search by halves)
  --threads N            of the compiler and of runs

Run again after an interruption, it goes on where it stopped. Exit code 5: a gate is not met;
the message names the nearest miss, and nothing is written.
)";

constexpr const char calibrateHelp[] =
    R"(qcc calibrate bert.onnx --data D.npz -o bert.stats
qcc calibrate gpt.onnx --data train.npy --ctx 512 --limit 128 -o gpt.stats
qcc gpt.onnx --quantize=w4a8:g32 --calib=gpt.stats -o gpt.so

usage: qcc calibrate MODEL.onnx --data DATA -o FILE [options]

  --data DATA         .npz, folder of .npy, .npz or test data folders, a token file
  --ctx N             window of a token file
  --limit N           only the first N samples
  --ranges-only       no second moments: small and quick, enough for static activations
  --mem-limit 8GB     memory for the run
  --seed N            of whatever is random
  --bind ROLE=NAME    which input is ids, mask, positions …
  --inputs, --outputs N, --functions F.onnx, --host-op OP, --host-lib F.so   as in
                      qcc compile
  --target T, --threads N   what runs the samples
  --json              a summary on stdout
)";

constexpr const char sweepHelp[] =
    R"(qcc sweep bert.onnx --data D.npz
qcc sweep minilm.onnx --pairs stsb.npz --calib=train.npz
qcc sweep gpt.onnx --tokens val.npy --ctx 256 --quantize=w8a8,w4a8:g32,nf4 --calib=train.npy

usage: qcc sweep MODEL.onnx (--data D | --tokens F | --pairs F) [options]

A row per scheme: bytes of the artifact, median milliseconds on this machine, quality against
the model as it is. Rows that no other row beats in all three are marked. A scheme that fails
is a row with its reason.

  --data D               with logits KLD and top-1, else cosine;  --labels NAME  accuracy
  --tokens FILE.npy      KLD, top-1 and perplexity;  --ctx N  window
  --pairs FILE.npz       Spearman of similarities
  --limit N              only the first N samples, windows or pairs
  --quantize LIST        the schemes (default: w8a8 w8 w4a8:g32 w4a8:g128 w4:g32 nf4 w3a8:g32)
  --method M[,M]         how codes are chosen
  --calib DATA           samples for that;  --calib-samples N, --mem-limit 8GB, --seed N
  --embed F, --head F, --skip GLOB, --recipe F   as in qcc compile, in every row
  --latency-at 1x128[,threads=2]   where to measure time; also decode, prefill512
                         (default: the shape of the first sample, or a decoder's step)
  --threads N            of runs
  --json                 results as JSON
)";

constexpr const char tuneHelp[] =
    R"(qcc tune -o costs.json
qcc quantize bert.onnx --calib=D --budget-latency=5ms@1x128 --cost-table=costs.json

usage: qcc tune [--target T] [options] -o FILE

Times register tiles of every kind of product, and layers under every kind of scheme.

  --target T          default: native; the best level of T that this machine runs
  --threads N[,N]     counts to measure layers with (1 and all)
  --seconds S         about how long layers run in all
  --model             nothing is run: layers as a model of the level predicts them
  --json              a summary on stdout
)";

constexpr const char compareHelp[] =
    R"(qcc compare w8.so f32.so --data D.npz                 outputs, worst first
qcc compare bert.onnx bert.onnx --quantize=w8a8 --data D.npz --layerwise

usage: qcc compare A B --data DATA [options]

A is held against B, the reference; --quantize and what goes with it apply to A.

  --data DATA         .npz, folder of .npy, .npz or test data folders, a token file
  --ctx N, --limit N  window of a token file; only the first N samples
  --layerwise         values inside the model too (both .onnx)
  --top N             so many rows (20)
  --threads N         default: all cores within affinity and quota
  --device D          cpu, gpu or gpu:1 for A; B runs on the CPU if it has code for it
  --json              results as JSON
  -O, --target, --quantize, --calib … as in qcc compile, when a model needs compiling
)";

constexpr const char runHelp[] =
    R"(qcc run bert.so --test-data test_data_set_0           compare with expected outputs
qcc run bert.so --input input_ids=ids.npy --output-dir out
qcc run bert.so --random 'input_ids=i64[1x128]:0..30000'
qcc run bert.onnx --reference --test-data test_data_set_0

usage: qcc run MODEL [options]

  --test-data DIR     folder of input_*.pb and output_*.pb (repeatable)
  --atol A, --rtol R  |got - want| <= A + R * |want| (both 1e-3)
  --input NAME=FILE   .npy, .npz or .pb (repeatable)
  --random NAME=TYPE[DIMS][:LOW..HIGH]   seeded values (repeatable)
  --output-dir DIR    write outputs as NAME.npy
  --validate          NaN or infinity in an output is an error
  --reference         run the scalar interpreter instead of compiled code
  --threads N         default: all cores within affinity and quota
  --device D          cpu, gpu or gpu:1 (cpu, unless MODEL has code for GPUs alone)
  --force-level NAME  use the artifact's code for this feature level
  --host-lib F.so     operators that the application computes (docs/odd-ops.md)
  --json              results as JSON
  -O, --target, --quantize, --calib, --method … as in qcc compile, when MODEL needs compiling

Absent masks are ones, positions count, token types are 0, caches are empty.
Exit code 5: outputs differ.
)";

constexpr const char benchHelp[] =
    R"(qcc bench bert.so --shape input_ids=1x128
qcc bench old.so new.so --shape input_ids=1x128       in turn, with ratios
qcc bench llama.so -p 512 -n 128 --threads 4          tokens per second

usage: qcc bench MODEL [MODEL…] [options]

  --shape NAME=1x128  of an input (repeatable); others follow through shared dimensions
  --threads N         default: all cores within affinity and quota
  --seconds S         time to spend on each model (2)
  -r N                this many runs instead
  -p N, -n N          decoders: prompt tokens and generated tokens
  --depth D           tokens in the cache before either (0)
  --profile           time per kernel
  --baseline OLD.json ratio to an earlier --json result
  --device D          cpu, gpu or gpu:1 (cpu, unless MODEL has code for GPUs alone)
  --force-level NAME  use the artifact's code for this feature level
  --json              results as JSON
  -O, --target, --quantize, --calib, --method … as in qcc compile, when MODEL needs compiling
)";

constexpr const char evalHelp[] =
    R"(qcc eval llama.so --tokens val.npy --ctx 256                  perplexity
qcc eval w4.so --tokens val.npy --ctx 256 --against f32.so    and KL divergence, top-1
qcc eval minilm.so --pairs stsb.npz                           Spearman of similarities
qcc eval w8.so --data D.npz --against f32.so                  cosine and SQNR per output
qcc eval cls.so --data D.npz --labels label                   accuracy, F1
qcc eval w8.so --accept=gate.yaml --against f32.so            limits that must hold

usage: qcc eval MODEL (--tokens F | --pairs F | --data D | --accept G) [options]

  --tokens FILE.npy   token ids: one line of them, or a window per row
  --ctx N             window length in tokens
  --pairs FILE.npz    a_input_ids, a_attention_mask, b_…, gold
  --data D            .npz, folder of .npy, .npz or test data folders, a leading sample axis
  --labels NAME       the array of D that holds class numbers
  --against MODEL     the reference
  --accept GATE       FILE.yaml, 99%, 99.9% or guard: decided by confidence bounds, exit 5
  --limit N           only the first N windows, pairs or samples
  --batch N           rows per run for --pairs (8); results do not depend on it
  --threads N         default: all cores within affinity and quota
  --device D          cpu, gpu or gpu:1 (cpu, unless MODEL has code for GPUs alone)
  --force-level NAME  use the artifact's code for this feature level
  --json              results as JSON
  -O, --target, --quantize, --calib, --method … as in qcc compile, when MODEL needs compiling
)";

constexpr const char inspectHelp[] =
    R"(qcc inspect bert.so          signature, feature levels, manifest
qcc inspect bert.onnx        signature, sizes, structures found and not found
qcc inspect bert.qnt         the same, with codes, and how the file was made

usage: qcc inspect MODEL.(onnx|qnt|mlir|so) [--json]

  --target=GPU[,GPU]     the least that every launch takes there: by memory, by products or by
                         launching, for the sizes of --shape NAME=1x128
  --quantize=SCHEME, --skip, --embed, --head, --attention, --kv, --numerics   as in qcc compile
  --functions F.onnx, --host-op OP, --inputs N, --outputs N, --shape, --bind, --blobs DIR   as in
                         qcc compile

Structures are attention, norms, activations, caches, layers; "left as they are" lists what
passes met and did not take, with the reason and the first node.
)";
constexpr const char checkHelp[] =
    R"(qcc check bert.onnx          what is not supported, all of it, and the way round

usage: qcc check MODEL.onnx [--json]

  --functions F.onnx, --host-op OP, --inputs N, --outputs N, --shape, --bind   as in qcc compile

Every kind of node with its count, the first of them, the reason and what to do. What an
unsupported node gives has the type that the model declares, so that nodes behind it are
checked too. Exit code 4: something is not supported; 1: the model itself is wrong.
)";
constexpr const char targetsHelp[] =
    R"(qcc targets                  values of --target, and what this machine has

usage: qcc targets [--json]
)";
constexpr const char explainHelp[] =
    R"(qcc explain QCC1201          what a diagnostic means and what to do

usage: qcc explain CODE… [--json]

Without a code: all of them, a line each.
)";
constexpr const char versionHelp[] =
    R"(qcc version                  this version, its libraries and its artifact ABI

usage: qcc version [--json]
)";

constexpr Command commands[] = {{"compile", compileOptions, compileHelp},
                                {"quantize", quantizeOptions, quantizeHelp},
                                {"run", runOptions, runHelp},
                                {"bench", benchOptions, benchHelp},
                                {"calibrate", calibrateOptions, calibrateHelp},
                                {"eval", evalOptions, evalHelp},
                                {"compare", compareOptions, compareHelp},
                                {"sweep", sweepOptions, sweepHelp},
                                {"inspect", inspectOptions, inspectHelp},
                                {"check", lookOptions, checkHelp},
                                {"tune", tuneOptions, tuneHelp},
                                {"targets", plainOptions, targetsHelp},
                                {"explain", plainOptions, explainHelp},
                                {"version", plainOptions, versionHelp}};

constexpr const char *later[] = {"bisect"};

constexpr const char topHelp[] =
    R"(qcc bert.onnx -o bert.so                         compile a model into one file
qcc run bert.so --test-data test_data_set_0      run it and compare
qcc bench bert.so --shape input_ids=1x128        time it

usage: qcc MODEL [options] [-o OUT]
       qcc COMMAND … [options]

commands
  compile   ONNX transformer to native code, quantized as asked (the default command)
  quantize  the slow, target-independent part once, on data: a .qnt
  run       run once, on files, random values or test data
  bench     latency, or tokens per second
  eval      perplexity, similarity, accuracy, distance from a reference
  compare   where two builds differ, worst first
  calibrate, sweep, tune   statistics, tables of schemes, costs of kernels
  inspect   signature, sizes, schemes, feature levels
  check     what a model needs that qcc lacks
  targets   machines that code can be made for
  explain   what a diagnostic means
  version

most used
  -o OUT                   .so .o .a .qnt .onnx .mlir .ll .s .ptx, by suffix
  --quantize SCHEME        w8a8, w4a8:g32, w8, …; default: keep what the model has
  --target x86|native|…    default: x86, code for several generations in one file
  -O0 … -O3                effort

qcc COMMAND --help says more. Exit codes: 0 ok, 1 model, 2 usage, 3 files,
4 unsupported, 5 comparison failed, 70 fault of qcc, 130 interrupted.
)";
} // namespace

llvm::ArrayRef<Command> qcc::cli::allCommands() { return commands; }
llvm::ArrayRef<const char *> qcc::cli::laterCommands() { return later; }
llvm::StringRef qcc::cli::mainHelp() { return topHelp; }

const Command *qcc::cli::findCommand(llvm::StringRef name) {
  for (const Command &command : commands)
    if (name == command.name)
      return &command;
  return nullptr;
}
