/* Sequences of launches, recorded once and launched as one. */
#include "gpu.h"

#include <stdlib.h>
#include <string.h>

/* FNV-1a. */
static uint64_t hash_of(const qcc_gpu_step *steps, uint32_t count) {
  const uint8_t *bytes = (const uint8_t *)steps;
  uint64_t hash = UINT64_C(0xcbf29ce484222325);
  for (size_t i = 0; i < count * sizeof *steps; ++i)
    hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
  return hash;
}

static qcc_gpu_graph *find(qcc_gpu_graphs *graphs, uint64_t hash, const qcc_gpu_step *steps,
                           uint32_t count) {
  for (uint32_t i = 0; i < graphs->count; ++i) {
    qcc_gpu_graph *g = &graphs->graphs[i];
    if (g->hash == hash && g->count == count && !memcmp(g->steps, steps, count * sizeof *steps))
      return g;
  }
  return NULL;
}

static void free_graph(qcc_gpu_graph *graph, const qcc_gpu *gpu) {
  /* One that still runs is freed by the driver when it is done. */
  gpu->cuda.cuGraphExecDestroy(graph->executable);
  free(graph->steps);
}

/* A place for one more: the next free one, or that of the graph not used for longest. */
static qcc_gpu_graph *make_room(qcc_gpu_graphs *graphs, const qcc_gpu *gpu) {
  qcc_gpu_graph *oldest = &graphs->graphs[0];
  if (graphs->count < QCC_GPU_GRAPHS)
    return &graphs->graphs[graphs->count++];
  for (uint32_t i = 1; i < graphs->count; ++i)
    if (graphs->graphs[i].used < oldest->used)
      oldest = &graphs->graphs[i];
  free_graph(oldest, gpu);
  return oldest;
}

/* One node a launch, after the nodes of those that it waits for. */
static cuda_result add_nodes(void *graph, const qcc_gpu_code *code, cuda_address record,
                             const qcc_gpu_step *steps, uint32_t count, const qcc_gpu_order *order,
                             void **nodes, void **before) {
  for (uint32_t i = 0; i < count; ++i) {
    const qcc_gpu_kernel *kernel = &code->kernels[steps[i].kernel];
    uint32_t first = order->starts[i], waits = order->starts[i + 1] - first;
    void *parameters[] = {&record};
    cuda_kernel_node launch = {kernel->function,
                               {steps[i].blocks, 1, 1},
                               {kernel->desc->block_threads, 1, 1},
                               kernel->desc->dynamic_shared_bytes,
                               parameters,
                               NULL,
                               NULL,
                               NULL};
    for (uint32_t k = 0; k < waits; ++k)
      before[k] = nodes[order->before[first + k]];
    cuda_result result =
        code->gpu->cuda.cuGraphAddKernelNode_v2(&nodes[i], graph, before, waits, &launch);
    if (result)
      return result;
    record += kernel->record_bytes;
  }
  return 0;
}

static qcc_status no_memory(uint32_t count, qcc_error *err) {
  return qcc_fail(err, QCC_ERR_OUT_OF_MEMORY, "no memory for a graph of %u launches", count);
}

static qcc_status record(const qcc_gpu_code *code, const qcc_entry_desc *entry,
                         cuda_address records, const qcc_gpu_step *steps, uint32_t count,
                         void **executable, qcc_error *err) {
  const qcc_cuda *cuda = &code->gpu->cuda;
  void *graph = NULL, **nodes = malloc(2 * count * sizeof *nodes);
  qcc_gpu_order order = {NULL, NULL};
  cuda_result result;
  if (!nodes || !qcc_gpu_order_launches(entry, steps, count, &order)) {
    free(nodes);
    return no_memory(count, err);
  }
  result = cuda->cuGraphCreate(&graph, 0);
  if (!result) {
    result = add_nodes(graph, code, records, steps, count, &order, nodes, nodes + count);
    if (!result)
      result = cuda->cuGraphInstantiateWithFlags(executable, graph, 0);
    cuda->cuGraphDestroy(graph);
  }
  qcc_gpu_free_order(&order);
  free(nodes);
  return qcc_gpu_check(code->gpu, result, "record launches", err);
}

qcc_status qcc_gpu_find_graph(qcc_gpu_graphs *graphs, const qcc_gpu_code *code,
                              const qcc_entry_desc *entry, cuda_address records,
                              const qcc_gpu_step *steps, uint32_t count, void **executable,
                              qcc_error *err) {
  uint64_t hash = hash_of(steps, count);
  qcc_gpu_graph *graph = find(graphs, hash, steps, count);
  if (!graph) {
    qcc_gpu_graph made = {malloc(count * sizeof *steps), count, hash, 0, NULL};
    qcc_status status;
    if (!made.steps)
      return no_memory(count, err);
    status = record(code, entry, records, steps, count, &made.executable, err);
    if (status) {
      free(made.steps);
      return status;
    }
    memcpy(made.steps, steps, count * sizeof *steps);
    graph = make_room(graphs, code->gpu);
    *graph = made;
  }
  graph->used = ++graphs->clock;
  *executable = graph->executable;
  return QCC_OK;
}

void qcc_gpu_free_graphs(qcc_gpu_graphs *graphs, const qcc_gpu *gpu) {
  for (uint32_t i = 0; i < graphs->count; ++i)
    free_graph(&graphs->graphs[i], gpu);
  graphs->count = 0;
}
