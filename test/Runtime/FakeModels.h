// Hand-written models for the tests: what each computes is said at its function.
#ifndef QCC_TEST_RUNTIME_FAKEMODELS_H
#define QCC_TEST_RUNTIME_FAKEMODELS_H

#include "qcc/runtime.h"

#include <atomic>
#include <cstdint>

/// Rows of a table: y[n,8] = table[ids[n]] + x[n,8], with a check that both n agree, a bounds fault
/// at node "/embed/Gather", and n limited to 1..4096 in steps of 1.
const qcc_model_desc *gatherModel();
/// The same with levels "x86-amx", "x86-avx512-bf16", "x86-avx512-vnni" and
/// "plain".
const qcc_model_desc *leveledModel();
/// MXCSR as worker 0 of the last gather saw it.
extern uint32_t gatherControlWord;

/// NonZero in two segments: x[n] i64 → indices[m] of elements that are not 0. The arena grows
/// between the segments and must keep its contents.
const qcc_model_desc *nonZeroModel();

/// A toy decoder: ids, mask, positions, past.0.key/value [b,2,p,4] → logits [b,s,3] and presents.
const qcc_model_desc *decoderModel();
/// The same with an extra input of unknown role.
const qcc_model_desc *oddDecoderModel();

/// sum over tasks of work, using `scratch`; input x[n] i64 → y[n] = 2x + 1; n tasks, grain 1.
const qcc_model_desc *spreadModel();

/// y[n] = my::Twice(my::Shift(x[n], absent)) + 1, both computed by the application.
const qcc_model_desc *hostModel();

/// y[b,s] = 2 (x[b,s] + shift[s]) in two launches, with a MiB of arena for each of the b slices
/// that a run may be cut into. Negative x are a bounds fault at node "/shift/Add".
const qcc_model_desc *batchModel();
/// How often it ran since it was last set to 0, and the most slices that one run had.
extern std::atomic<int64_t> batchRuns, batchLargest;

/// Heap and mapping calls of the whole program so far (see CMakeLists.txt).
int64_t allocationCount();

#endif
