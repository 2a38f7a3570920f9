/* How many threads make sense here: affinity, cgroup quota, QCC_NUM_THREADS. */
#include "internal.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t affinity_cpus(void) {
  /* The kernel refuses sets smaller than its own, so grow until it answers. */
  for (int cpus = 1024; cpus <= 1 << 17; cpus *= 4) {
    cpu_set_t *set = CPU_ALLOC((size_t)cpus);
    size_t bytes = CPU_ALLOC_SIZE((size_t)cpus);
    int count = 0;
    if (!set)
      return 1;
    if (!sched_getaffinity(0, bytes, set)) {
      count = CPU_COUNT_S(bytes, set);
    } else if (errno != EINVAL) {
      count = 1;
    }
    CPU_FREE(set);
    if (count > 0)
      return (uint32_t)count;
  }
  return 1;
}

/* Reads up to two numbers from a small file; "max" and failures leave the rest untouched. */
static int read_numbers(const char *path, long long *first, long long *second) {
  FILE *file = fopen(path, "re");
  int found = 0;
  if (!file)
    return 0;
  found = fscanf(file, "%lld %lld", first, second);
  fclose(file);
  return found < 0 ? 0 : found;
}

/* CPUs that quota per period allow, rounded up; 0 when unlimited. */
static uint32_t quota_cpus(long long quota, long long period) {
  if (quota <= 0 || period <= 0)
    return 0;
  quota = (quota - 1) / period + 1;
  return quota > INT_MAX ? 0 : (uint32_t)quota;
}

static uint32_t quota_at(const char *folder, bool version2) {
  char path[PATH_MAX + 64];
  long long quota = 0, period = 0, unused;
  if (version2) {
    snprintf(path, sizeof path, "%s/cpu.max", folder);
    return read_numbers(path, &quota, &period) == 2 ? quota_cpus(quota, period) : 0;
  }
  snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
  if (!read_numbers(path, &quota, &unused))
    return 0;
  snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
  if (!read_numbers(path, &period, &unused))
    return 0;
  return quota_cpus(quota, period);
}

static uint32_t smaller_quota(uint32_t a, uint32_t b) { return !a || (b && b < a) ? b : a; }

/* The tightest quota from `root` + `group` up to `root`. A path that does not exist (inside a
 * container the membership may name the host's) contributes nothing. */
static uint32_t quota_upwards(const char *root, const char *group, bool version2) {
  char folder[PATH_MAX];
  size_t base = strlen(root);
  uint32_t cpus = 0;
  if (snprintf(folder, sizeof folder, "%s%s", root, group) >= (int)sizeof folder)
    return 0;
  for (;;) {
    char *slash;
    cpus = smaller_quota(cpus, quota_at(folder, version2));
    slash = strrchr(folder + base, '/');
    if (!slash)
      return cpus;
    *slash = '\0';
  }
}

static bool lists_cpu_controller(const char *controllers) {
  for (const char *at = controllers; (at = strstr(at, "cpu")); at += 3)
    if ((at == controllers || at[-1] == ',') && (at[3] == ',' || at[3] == '\0'))
      return true;
  return false;
}

uint32_t qcc_cgroup_cpus(const char *membership, const char *root) {
  static const char *const v1_folders[] = {"cpu", "cpu,cpuacct", "cpuacct,cpu"};
  static const char *const v2_folders[] = {"", "/unified"};
  char line[PATH_MAX + 128], folder[PATH_MAX];
  uint32_t cpus = 0;
  FILE *file = fopen(membership, "re");
  if (!file)
    return 0;
  /* hierarchy:controllers:path, with no controllers for version 2 */
  while (fgets(line, sizeof line, file)) {
    char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : 0;
    if (!group)
      continue;
    *group++ = '\0';
    ++controllers;
    group[strcspn(group, "\n")] = '\0';
    if (!*controllers) {
      for (int i = 0; i < 2; ++i) {
        snprintf(folder, sizeof folder, "%s%s", root, v2_folders[i]);
        cpus = smaller_quota(cpus, quota_upwards(folder, group, true));
      }
    } else if (lists_cpu_controller(controllers)) {
      for (int i = 0; i < 3; ++i) {
        snprintf(folder, sizeof folder, "%s/%s", root, v1_folders[i]);
        cpus = smaller_quota(cpus, quota_upwards(folder, group, false));
      }
    }
  }
  fclose(file);
  return cpus;
}

uint32_t qcc_available_cpus(void) {
  uint32_t cpus = affinity_cpus(), quota = qcc_cgroup_cpus("/proc/self/cgroup", "/sys/fs/cgroup");
  return quota && quota < cpus ? quota : cpus;
}

uint32_t qcc_default_threads(void) {
  const char *text = getenv("QCC_NUM_THREADS");
  if (text && *text) {
    char *end;
    long threads = strtol(text, &end, 10);
    if (!*end && threads >= 1)
      return threads > 1023 ? 1023 : (uint32_t)threads;
  }
  return qcc_available_cpus();
}
