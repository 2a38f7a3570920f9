// Functions compiled for several feature levels, chosen when the program starts. Results stay the
// same on all: the files that use them are compiled without contraction to fused operations.
#ifndef QCC_LIB_ALGORITHMS_CLONES_H
#define QCC_LIB_ALGORITHMS_CLONES_H

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)
#define QCC_CLONES __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define QCC_CLONES
#endif

#endif
