// A program without a C library that runs one generated kernel after the other on made-up data and
// writes the results to standard output. The host test includes this file for the same data.
typedef unsigned char u8;
typedef unsigned int u32;
typedef long i64;

enum { M_ = 70, N_ = 70, K_ = 96, BLOCKS = K_ / 32, KERNELS = 12, PACKED = 10240, SLACK = 64 };

struct Data {
  float aFloat[M_ * K_ + SLACK], bFloat[80 * K_], aScale[M_], bScale[80], out[M_ * N_];
  u8 aCodes[2 * M_ * K_ + SLACK], bCodes[80 * K_];
  int correction[80], sums[M_ * BLOCKS];
  u8 packed[PACKED], packedFloats[PACKED]; /* codes in blocks of any kind; of 8-bit floats */
};

/* Every byte, and half of the time an extreme one, signed or unsigned. */
static u8 code(u32 random) {
  static const u8 extremes[4] = {0, 127, 128, 255};
  return random & 256 ? (u8)random : extremes[random & 3];
}

static void fill(struct Data *d) {
  u32 state = 12345;
#define NEXT (state = state * 1664525u + 1013904223u, state >> 8)
  for (int i = 0; i < M_ * K_; ++i)
    d->aFloat[i] = (int)(NEXT % 2001) * 0.001f - 1.0f;
  for (int i = 0; i < 2 * M_ * K_; ++i)
    d->aCodes[i] = code(NEXT);
  for (int i = 0; i < 80 * K_; ++i) {
    d->bFloat[i] = (int)(NEXT % 2001) * 0.001f - 1.0f;
    d->bCodes[i] = code(NEXT);
  }
  for (int i = 0; i < M_; ++i)
    d->aScale[i] = (NEXT % 1000 + 1) * 0.001f;
  for (int i = 0; i < 80; ++i)
    d->bScale[i] = (NEXT % 1000 + 1) * 0.001f;
  /* First a table of floats, which kernels without one take for codes. Scales are bytes too, so
     that any are good; without bit 3 no 8-bit float is infinite or NaN. */
  for (int i = 0; i < PACKED; ++i) {
    d->packed[i] = (u8)NEXT;
    d->packedFloats[i] = d->packed[i] & 0xf7;
  }
  for (int i = 0; i < 256; ++i)
    ((float *)d->packed)[i] = (int)(NEXT % 2001) * 0.001f - 1.0f;
}

/* The sizes of a launch with m rows: any number of columns, any K where `kind` allows that. */
static void sizesOf(int kind, int m, int *n, int *k) {
  *n = 1 + m * 37 % N_;
  *k = kind < 2 ? 1 + m * 29 % K_ : 32 * (1 + m % BLOCKS);
}

/* What sums of packed 8-bit codes with unsigned ones are too large by. */
static void correct(struct Data *d, int k) {
  int steps = (k + 3) / 4;
  for (int j = 0; j < 80; ++j) {
    int sum = 0;
    for (int i = 0; i < 4 * steps; ++i)
      sum += (signed char)d->bCodes[(j / 16 * steps + i / 4) * 64 + j % 16 * 4 + i % 4];
    d->correction[j] = -128 * sum;
  }
}

/* Sums of the signed codes of each step: of all of K for kernel 10, else of 32 inputs. Kernel 6 has
   the high bytes of a row before the low ones. */
static void addUp(struct Data *d, int kind, int m, int k) {
  int step = kind == 10 ? k : 32;
  for (int r = 0; r < m; ++r)
    for (int first = 0; first < k; first += step) {
      int sum = 0;
      for (int i = first; i < first + step; ++i) {
        const signed char *row = (const signed char *)d->aCodes + r * k * (kind == 6 ? 2 : 1);
        sum += kind == 6 ? 256 * row[i] + row[k + i] : row[i];
      }
      d->sums[r * BLOCKS + first / step] = sum;
    }
}

/* Slots as the test's kernels read them: M N K A B AScale BScale Correction Sums Out. Kernels 0
   and 1 are f32 and w8a8, the others in blocks: 2 to 5 and the last two read codes of 8 bits, 6 of
   16, the rest floats, 8 and 9 8-bit floats. */
static void slotsOf(struct Data *d, int kind, int m, i64 *s) {
  int n, k, isFloat = kind == 0 || (kind > 6 && kind < 10);
  sizesOf(kind, m, &n, &k);
  correct(d, k);
  if (kind > 1 && !isFloat)
    addUp(d, kind, m, k);
  s[0] = m, s[1] = n, s[2] = k;
  s[3] = isFloat ? (i64)d->aFloat : (i64)d->aCodes;
  s[4] = kind == 0                ? (i64)d->bFloat
         : kind == 1              ? (i64)d->bCodes
         : kind == 8 || kind == 9 ? (i64)d->packedFloats
                                  : (i64)d->packed;
  s[5] = (i64)d->aScale, s[6] = (i64)d->bScale, s[7] = (i64)d->correction;
  s[8] = (i64)d->sums, s[9] = (i64)d->out;
}

#ifdef __aarch64__
typedef i64 (*kernel)(const i64 *, i64, i64, i64, void *);
i64 kernel0(const i64 *, i64, i64, i64, void *), kernel1(const i64 *, i64, i64, i64, void *);
i64 kernel2(const i64 *, i64, i64, i64, void *), kernel3(const i64 *, i64, i64, i64, void *);
i64 kernel4(const i64 *, i64, i64, i64, void *), kernel5(const i64 *, i64, i64, i64, void *);
i64 kernel6(const i64 *, i64, i64, i64, void *), kernel7(const i64 *, i64, i64, i64, void *);
i64 kernel8(const i64 *, i64, i64, i64, void *), kernel9(const i64 *, i64, i64, i64, void *);
i64 kernel10(const i64 *, i64, i64, i64, void *), kernel11(const i64 *, i64, i64, i64, void *);

static i64 call(i64 number, i64 a, i64 b, i64 c) {
  register i64 x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b,
                  x2 __asm__("x2") = c;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
  return x0;
}

static struct Data data;

void _start(void) {
  kernel kernels[KERNELS] = {kernel0, kernel1, kernel2, kernel3, kernel4,  kernel5,
                             kernel6, kernel7, kernel8, kernel9, kernel10, kernel11};
  i64 slots[10];
  fill(&data);
  for (int kind = 0; kind < KERNELS; ++kind)
    for (int m = 1; m <= M_; ++m) {
      slotsOf(&data, kind, m, slots);
      kernels[kind](slots, 0, 2, 0, 0);
      call(64, 1, (i64)data.out, slots[0] * slots[1] * 4);
    }
  call(93, 0, 0, 0);
}
#endif
