// A program without a C library that runs one generated kernel on made-up data and writes the
// result to standard output. The host test includes this file for the same data.
typedef unsigned char u8;
typedef unsigned int u32;
typedef long i64;

enum { M_ = 13, N_ = 70, K_ = 96, BLOCKS = K_ / 32 };

struct Data {
  float aFloat[M_ * K_], bFloat[80 * K_], aScale[M_], bScale[80], out[M_ * N_];
  u8 aCodes[M_ * K_], bCodes[80 * K_];
  int correction[80], sums[M_ * BLOCKS];
  u8 packed4[5 * BLOCKS * 304];
};

static void fill(struct Data *d) {
  u32 state = 12345;
#define NEXT (state = state * 1664525u + 1013904223u, state >> 8)
  for (int i = 0; i < M_ * K_; ++i) {
    d->aFloat[i] = (int)(NEXT % 2001) * 0.001f - 1.0f;
    d->aCodes[i] = (u8)NEXT;
  }
  for (int i = 0; i < 80 * K_; ++i) {
    d->bFloat[i] = (int)(NEXT % 2001) * 0.001f - 1.0f;
    d->bCodes[i] = (u8)NEXT;
  }
  for (int i = 0; i < M_; ++i)
    d->aScale[i] = (NEXT % 1000 + 1) * 0.001f;
  for (int i = 0; i < 80; ++i) {
    d->bScale[i] = (NEXT % 1000 + 1) * 0.001f;
    d->correction[i] = (int)(NEXT % 10000);
  }
  for (int i = 0; i < M_ * BLOCKS; ++i)
    d->sums[i] = (int)(NEXT % 8000) - 4000;
  for (int b = 0; b < 5 * BLOCKS; ++b)
    for (int i = 0; i < 304; ++i) // codes, then f16 scales below 2, then zero points
      d->packed4[b * 304 + i] = i < 256   ? (u8)NEXT
                                : i < 288 ? (i % 2 ? 0x3c : (u8)NEXT)
                                          : NEXT % 16;
}

/// Slots as the test's kernels read them: M N K A B AScale BScale Correction Sums Out.
static void slotsOf(struct Data *d, int kind, i64 *s) {
  s[0] = M_, s[1] = N_, s[2] = K_;
  s[3] = kind == 0 ? (i64)d->aFloat : (i64)d->aCodes;
  s[4] = kind == 0 ? (i64)d->bFloat : kind == 1 ? (i64)d->bCodes : (i64)d->packed4;
  s[5] = (i64)d->aScale, s[6] = (i64)d->bScale, s[7] = (i64)d->correction;
  s[8] = (i64)d->sums, s[9] = (i64)d->out;
}

#ifdef __aarch64__
i64 kernel0(const i64 *, i64, i64, i64, void *);
i64 kernel1(const i64 *, i64, i64, i64, void *);
i64 kernel2(const i64 *, i64, i64, i64, void *);

static i64 call(i64 number, i64 a, i64 b, i64 c) {
  register i64 x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b,
                  x2 __asm__("x2") = c;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
  return x0;
}

static struct Data data;

void _start(void) {
  i64 (*kernels[3])(const i64 *, i64, i64, i64, void *) = {kernel0, kernel1, kernel2};
  i64 slots[10];
  fill(&data);
  for (int kind = 0; kind < 3; ++kind) {
    slotsOf(&data, kind, slots);
    kernels[kind](slots, 0, 2, 0, 0);
    call(64, 1, (i64)data.out, sizeof data.out);
  }
  call(93, 0, 0, 0);
}
#endif
