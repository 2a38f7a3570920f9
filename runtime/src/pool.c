/* Worker threads for kernel launches.
 *
 * A launch publishes one 64-bit word: a sequence number and the number of workers that take part.
 * Every worker waits for that word to change, first spinning, then asleep on a futex of its own.
 * Only workers that take part read the job; the launching thread is worker 0 and waits for exactly
 * those, so the job may be rewritten as soon as a launch returns. Flags that different threads
 * write lie on different cache lines. */
#include "internal.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
  MAX_WORKERS = 1023,
  WORKER_BITS = 10, /* of the word */
  DEFAULT_SPIN_US = 50,
  SPINS_PER_CLOCK = 64, /* reading the clock costs about as much as one pause */
  YIELDS = 8
};

typedef struct slot {
  /* Written by the worker. */
  uint32_t done; /* launches it took part in and finished */
  int64_t fault; /* of the last one */
  char pad0[QCC_CACHE_LINE - 16];
  /* Written by both, seldom: the worker sleeps on it. */
  uint32_t sleeping;
  char pad1[QCC_CACHE_LINE - 4];
  /* Fixed, but for `posted`, which only the launching thread uses. */
  uint32_t posted;
  uint32_t index;
  qcc_pool *pool;
  pthread_t thread;
  char pad2[QCC_CACHE_LINE - 24];
} slot;

struct qcc_pool {
  int64_t references;
  uint32_t workers;
  uint32_t started; /* own threads running */
  pid_t process;
  bool is_default;
  bool oversubscribed;
  uint64_t spin_ns;
  qcc_parallel_for_fn parallel_for;
  void *context;
  slot *slots; /* workers of them; slot 0 has no thread */
  char pad0[QCC_CACHE_LINE];
  uint32_t busy;
  char pad1[QCC_CACHE_LINE];
  uint64_t word; /* sequence << WORKER_BITS | workers that take part */
  char pad2[QCC_CACHE_LINE];
  uint32_t launcher_sleeps;
  char pad3[QCC_CACHE_LINE];
  qcc_job job;
  bool stop;
};

static void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  __asm__ volatile("isb" : : : "memory");
#endif
}

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void futex_wait(uint32_t *address, uint32_t value) {
  syscall(SYS_futex, address, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake(uint32_t *address) {
  syscall(SYS_futex, address, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* One step of waiting. False when it is time to sleep. */
typedef struct waiter {
  uint32_t steps;
  uint64_t deadline;
} waiter;

static bool keep_spinning(const qcc_pool *pool, waiter *w) {
  if (pool->oversubscribed) {
    sched_yield();
    return ++w->steps < YIELDS;
  }
  relax();
  if (++w->steps % SPINS_PER_CLOCK)
    return true;
  if (!w->deadline) {
    w->deadline = now_ns() + pool->spin_ns;
    return pool->spin_ns != 0;
  }
  /* Whoever is waited for may be queued behind us on this very CPU. */
  sched_yield();
  return now_ns() < w->deadline;
}

static int64_t run_range(const qcc_job *job, int64_t index) {
  int64_t each = job->tasks / job->ranges, rest = job->tasks % job->ranges;
  int64_t begin = index * each + (index < rest ? index : rest);
  int64_t end = begin + each + (index < rest);
  return job->kernel(job->args, begin, end, index,
                     job->scratch ? job->scratch + index * job->scratch_stride : NULL);
}

/* ---- Workers --------------------------------------------------------------------------------- */

static uint64_t await_word(qcc_pool *pool, slot *self, uint64_t seen) {
  waiter w = {0, 0};
  uint64_t word;
  do {
    word = __atomic_load_n(&pool->word, __ATOMIC_ACQUIRE);
    if (word != seen)
      return word;
  } while (keep_spinning(pool, &w));
  for (;;) {
    /* Either we see the new word or the launcher sees that we sleep: both are sequentially
     * consistent. */
    __atomic_store_n(&self->sleeping, 1, __ATOMIC_SEQ_CST);
    word = __atomic_load_n(&pool->word, __ATOMIC_SEQ_CST);
    if (word != seen) {
      __atomic_store_n(&self->sleeping, 0, __ATOMIC_SEQ_CST);
      return word;
    }
    futex_wait(&self->sleeping, 1);
  }
}

static void *worker_main(void *argument) {
  slot *self = argument;
  qcc_pool *pool = self->pool;
  uint64_t seen = 0;
  char name[16];
  snprintf(name, sizeof name, "qcc-%u", self->index);
  pthread_setname_np(pthread_self(), name);
  qcc_fp_enter(); /* the thread runs nothing but kernels */
  for (;;) {
    seen = await_word(pool, self, seen);
    if (self->index >= (seen & ((1u << WORKER_BITS) - 1)))
      continue;
    if (pool->stop)
      return NULL;
    self->fault = run_range(&pool->job, self->index);
    __atomic_store_n(&self->done, self->done + 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&pool->launcher_sleeps, __ATOMIC_SEQ_CST))
      futex_wake(&self->done);
  }
}

/* ---- Launching ------------------------------------------------------------------------------- */

/* Makes workers 1 .. participants-1 look at the job. */
static void publish(qcc_pool *pool, uint32_t participants) {
  uint64_t sequence = (pool->word >> WORKER_BITS) + 1;
  for (uint32_t i = 1; i < participants; ++i)
    ++pool->slots[i].posted;
  __atomic_store_n(&pool->word, sequence << WORKER_BITS | participants, __ATOMIC_SEQ_CST);
  for (uint32_t i = 1; i < participants; ++i) {
    uint32_t *sleeping = &pool->slots[i].sleeping;
    if (__atomic_load_n(sleeping, __ATOMIC_SEQ_CST) &&
        __atomic_exchange_n(sleeping, 0, __ATOMIC_SEQ_CST))
      futex_wake(sleeping);
  }
}

static void await_done(qcc_pool *pool, slot *s) {
  waiter w = {0, 0};
  do {
    if (__atomic_load_n(&s->done, __ATOMIC_ACQUIRE) == s->posted)
      return;
  } while (keep_spinning(pool, &w));
  __atomic_store_n(&pool->launcher_sleeps, 1, __ATOMIC_SEQ_CST);
  for (;;) {
    uint32_t done = __atomic_load_n(&s->done, __ATOMIC_SEQ_CST);
    if (done == s->posted)
      break;
    futex_wait(&s->done, done);
  }
  __atomic_store_n(&pool->launcher_sleeps, 0, __ATOMIC_SEQ_CST);
}

static int64_t run_on_threads(qcc_pool *pool, const qcc_job *job) {
  uint32_t participants = (uint32_t)job->ranges;
  int64_t fault;
  pool->job = *job;
  publish(pool, participants);
  fault = run_range(job, 0);
  for (uint32_t i = 1; i < participants; ++i) {
    await_done(pool, &pool->slots[i]);
    if (!fault)
      fault = pool->slots[i].fault;
  }
  return fault;
}

static void host_task(void *argument, size_t index) {
  qcc_pool *pool = argument;
  qcc_fp_state before;
  if (index >= (size_t)pool->job.ranges)
    return;
  before = qcc_fp_enter();
  pool->slots[index].fault = run_range(&pool->job, (int64_t)index);
  qcc_fp_leave(before);
  __atomic_fetch_add(&pool->slots[index].done, 1, __ATOMIC_RELEASE);
}

static int64_t run_on_host(qcc_pool *pool, const qcc_job *job) {
  int64_t fault = 0;
  pool->job = *job;
  for (int64_t i = 0; i < job->ranges; ++i)
    pool->slots[i].done = 0;
  pool->parallel_for(pool->context, (size_t)job->ranges, host_task, pool);
  for (int64_t i = 0; i < job->ranges; ++i) {
    /* A loop that skipped or repeated an index has left tensors undefined. */
    if (__atomic_load_n(&pool->slots[i].done, __ATOMIC_ACQUIRE) != 1)
      return QCC_FAULT_ABORTED;
    if (!fault)
      fault = pool->slots[i].fault;
  }
  return fault;
}

bool qcc_pool_run(qcc_pool *pool, const qcc_job *job, int64_t *result) {
  if (__atomic_load_n(&pool->busy, __ATOMIC_RELAXED) ||
      __atomic_exchange_n(&pool->busy, 1, __ATOMIC_ACQUIRE))
    return false;
  *result = pool->parallel_for ? run_on_host(pool, job) : run_on_threads(pool, job);
  __atomic_store_n(&pool->busy, 0, __ATOMIC_RELEASE);
  return true;
}

/* ---- Life ------------------------------------------------------------------------------------ */

static qcc_pool *new_pool(uint32_t workers) {
  void *memory = NULL, *slots = NULL;
  qcc_pool *pool;
  if (posix_memalign(&memory, QCC_CACHE_LINE, sizeof(qcc_pool)))
    return NULL;
  if (posix_memalign(&slots, QCC_CACHE_LINE, workers * sizeof(slot))) {
    free(memory);
    return NULL;
  }
  memset(memory, 0, sizeof(qcc_pool));
  memset(slots, 0, workers * sizeof(slot));
  pool = memory;
  pool->references = 1;
  pool->workers = workers;
  pool->process = getpid();
  pool->slots = slots;
  for (uint32_t i = 0; i < workers; ++i) {
    pool->slots[i].index = i;
    pool->slots[i].pool = pool;
  }
  return pool;
}

static void free_pool(qcc_pool *pool) {
  if (pool->started && qcc_pool_usable(pool)) {
    pool->stop = true;
    publish(pool, pool->started + 1);
    for (uint32_t i = 1; i <= pool->started; ++i)
      pthread_join(pool->slots[i].thread, NULL);
  }
  free(pool->slots);
  free(pool);
}

/* Starts the threads with all signals blocked, so that the host's handlers run on its own. */
static int start_threads(qcc_pool *pool) {
  sigset_t all, before;
  int failure = 0;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (uint32_t i = 1; i < pool->workers && !failure; ++i) {
    failure = pthread_create(&pool->slots[i].thread, NULL, worker_main, &pool->slots[i]);
    if (!failure)
      pool->started = i;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return failure;
}

qcc_status qcc_pool_create(const qcc_pool_options *options, qcc_pool **pool, qcc_error *err) {
  qcc_pool_options o = {sizeof o, 0, 0};
  qcc_pool *made;
  int failure;
  qcc_status status = qcc_read_options(&o, sizeof o, options, "qcc_pool_options", err);
  if (status)
    return status;
  if (!pool)
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "pool is null");
  if (!o.threads)
    o.threads = qcc_default_threads();
  if (o.threads > MAX_WORKERS)
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "%u threads asked for, at most %d are possible",
                    o.threads, (int)MAX_WORKERS);
  made = new_pool(o.threads);
  if (!made)
    return qcc_fail(err, QCC_ERR_OUT_OF_MEMORY, "no memory for a pool of %u threads", o.threads);
  made->spin_ns = o.spin_us == UINT32_MAX ? 0 : (o.spin_us ? o.spin_us : DEFAULT_SPIN_US) * 1000ull;
  made->oversubscribed = o.threads > qcc_available_cpus();
  failure = start_threads(made);
  if (failure) {
    free_pool(made);
    return qcc_fail(err, QCC_ERR_OUT_OF_MEMORY, "cannot start %u threads: %s", o.threads - 1,
                    strerror(failure));
  }
  *pool = made;
  return qcc_succeed(err);
}

qcc_status qcc_pool_from_parallel_for(qcc_parallel_for_fn parallel_for, void *context,
                                      uint32_t workers, qcc_pool **pool, qcc_error *err) {
  qcc_pool *made;
  if (!parallel_for || !pool)
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "%s is null",
                    parallel_for ? "pool" : "parallel_for");
  if (!workers || workers > MAX_WORKERS)
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "%u workers asked for, 1 to %d are possible",
                    workers, (int)MAX_WORKERS);
  made = new_pool(workers);
  if (!made)
    return qcc_fail(err, QCC_ERR_OUT_OF_MEMORY, "no memory for a pool of %u workers", workers);
  made->parallel_for = parallel_for;
  made->context = context;
  *pool = made;
  return qcc_succeed(err);
}

/* The one mutable static of the library. */
static struct {
  pthread_once_t once;
  qcc_pool *pool;
  qcc_error error;
} shared = {PTHREAD_ONCE_INIT, NULL, {QCC_OK, ""}};

static void make_shared(void) {
  if (qcc_pool_create(NULL, &shared.pool, &shared.error) == QCC_OK)
    shared.pool->is_default = true;
}

qcc_status qcc_pool_default(qcc_pool **pool, qcc_error *err) {
  if (!pool)
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "pool is null");
  pthread_once(&shared.once, make_shared);
  if (!shared.pool)
    return qcc_fail(err, shared.error.code, "%s", shared.error.message);
  *pool = shared.pool;
  return qcc_succeed(err);
}

uint32_t qcc_pool_workers(const qcc_pool *pool) { return pool ? pool->workers : 0; }

bool qcc_pool_usable(const qcc_pool *pool) {
  return pool->parallel_for || pool->process == getpid();
}

void qcc_pool_retain(qcc_pool *pool) {
  if (!pool->is_default)
    __atomic_fetch_add(&pool->references, 1, __ATOMIC_RELAXED);
}

void qcc_pool_release(qcc_pool *pool) {
  if (!pool->is_default && __atomic_sub_fetch(&pool->references, 1, __ATOMIC_ACQ_REL) == 0)
    free_pool(pool);
}

void qcc_pool_destroy(qcc_pool *pool) {
  if (pool)
    qcc_pool_release(pool);
}
