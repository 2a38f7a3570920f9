/* What this machine can do, and its floating-point control register. */
#include "internal.h"

#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#else
#error "qcc-runtime supports x86-64 and AArch64"
#endif

const char *qcc_feature_name(uint32_t bit) {
  switch (bit) {
  case QCC_FEATURE_AVX2:
    return "AVX2 (x86-64-v3)";
  case QCC_FEATURE_AVX512:
    return "AVX-512 (F, BW, CD, DQ, VL)";
  case QCC_FEATURE_VNNI:
    return "AVX-512 VNNI";
  case QCC_FEATURE_AMX_INT8:
    return "AMX-INT8";
  case QCC_FEATURE_AMX_BF16:
    return "AMX-BF16";
  case QCC_FEATURE_AVX512_BF16:
    return "AVX-512 BF16";
  case QCC_FEATURE_NEON:
    return "NEON";
  case QCC_FEATURE_DOTPROD:
    return "dotprod";
  case QCC_FEATURE_I8MM:
    return "i8mm";
  default:
    return NULL;
  }
}

#if defined(__x86_64__)

uint32_t qcc_this_arch(void) { return QCC_ARCH_X86_64; }

static bool has(uint32_t reg, uint32_t bit) { return reg >> bit & 1; }

/* XCR0: which register states the operating system saves. */
static uint64_t read_xcr0(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

/* Linux hands out AMX tile data (state component 18) on request, once for the whole process.
 * Without a request the answer is whether one could succeed. */
static bool permit_amx(bool request) {
  enum {
    ARCH_GET_XCOMP_SUPP = 0x1021,
    ARCH_GET_XCOMP_PERM = 0x1022,
    ARCH_REQ_XCOMP_PERM = 0x1023,
    TILE_DATA = 18
  };
  uint64_t components = 0;
  if (request)
    syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA);
  if (syscall(SYS_arch_prctl, request ? ARCH_GET_XCOMP_PERM : ARCH_GET_XCOMP_SUPP, &components))
    return false;
  return components >> TILE_DATA & 1;
}

uint64_t qcc_cpu_features(int request_amx) {
  enum { STATE_AVX = 0x6, STATE_ZMM = 0xe6, STATE_TILE = 0x60000 };
  uint32_t a, b1, c1, d1, b7 = 0, c7 = 0, d7 = 0, c81 = 0, a71 = 0, unused;
  uint64_t features = 0, xcr0;
  if (!__get_cpuid(1, &a, &b1, &c1, &d1) || !has(c1, 27)) /* OSXSAVE */
    return 0;
  __get_cpuid_count(7, 0, &a, &b7, &c7, &d7);
  __get_cpuid(0x80000001, &a, &unused, &c81, &unused);
  xcr0 = read_xcr0();

  /* x86-64-v3: AVX, FMA, F16C, MOVBE, POPCNT; AVX2, BMI1, BMI2; LZCNT. */
  if ((xcr0 & STATE_AVX) == STATE_AVX && has(c1, 28) && has(c1, 12) && has(c1, 29) && has(c1, 22) &&
      has(c1, 23) && has(b7, 5) && has(b7, 3) && has(b7, 8) && has(c81, 5))
    features |= UINT64_C(1) << QCC_FEATURE_AVX2;
  if (features && (xcr0 & STATE_ZMM) == STATE_ZMM && has(b7, 16) && has(b7, 30) && has(b7, 28) &&
      has(b7, 17) && has(b7, 31)) {
    features |= UINT64_C(1) << QCC_FEATURE_AVX512;
    if (has(c7, 11))
      features |= UINT64_C(1) << QCC_FEATURE_VNNI;
    if (__get_cpuid_count(7, 1, &a71, &unused, &unused, &unused) && has(a71, 5))
      features |= UINT64_C(1) << QCC_FEATURE_AVX512_BF16;
  }
  if ((xcr0 & STATE_TILE) == STATE_TILE && has(d7, 24) && permit_amx(request_amx != 0)) {
    if (has(d7, 25))
      features |= UINT64_C(1) << QCC_FEATURE_AMX_INT8;
    if (has(d7, 22))
      features |= UINT64_C(1) << QCC_FEATURE_AMX_BF16;
  }
  return features;
}

/* Clobbering memory keeps floating-point loads and stores on their side of the switch. */
qcc_fp_state qcc_fp_enter(void) {
  uint32_t before, standard = 0x1f80;
  __asm__ volatile("stmxcsr %0" : "=m"(before) : : "memory");
  if (before != standard)
    __asm__ volatile("ldmxcsr %0" : : "m"(standard) : "memory");
  return before;
}

void qcc_fp_leave(qcc_fp_state state) {
  /* Exception flags raised meanwhile are dropped with the rest. */
  uint32_t before = (uint32_t)state;
  __asm__ volatile("ldmxcsr %0" : : "m"(before) : "memory");
}

#else

uint32_t qcc_this_arch(void) { return QCC_ARCH_AARCH64; }

uint64_t qcc_cpu_features(int request_amx) {
  enum { ASIMD = 1, ASIMD_DOTPROD = 20, I8MM = 13 };
  unsigned long caps = getauxval(AT_HWCAP), caps2 = getauxval(AT_HWCAP2);
  uint64_t features = 0;
  (void)request_amx;
  if (caps >> ASIMD & 1)
    features |= UINT64_C(1) << QCC_FEATURE_NEON;
  if (caps >> ASIMD_DOTPROD & 1)
    features |= UINT64_C(1) << QCC_FEATURE_DOTPROD;
  if (caps2 >> I8MM & 1)
    features |= UINT64_C(1) << QCC_FEATURE_I8MM;
  return features;
}

qcc_fp_state qcc_fp_enter(void) {
  uint64_t before, standard = 0;
  __asm__ volatile("mrs %0, fpcr" : "=r"(before) : : "memory");
  if (before != standard)
    __asm__ volatile("msr fpcr, %0" : : "r"(standard) : "memory");
  return before;
}

void qcc_fp_leave(qcc_fp_state state) {
  __asm__ volatile("msr fpcr, %0" : : "r"(state) : "memory");
}

#endif
