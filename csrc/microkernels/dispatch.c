/* dispatch.c: the list of ISAs, which of them this build and this CPU have, and the active one.
 * FC_HAVE_<isa> is defined by the build for every ISA it compiled (csrc/isas.txt). */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "microkernels/kernels.h"

#define FC_DECLARE(isa) extern const fc_kernels fc_kernels_f32__##isa, fc_kernels_f64__##isa;
#define FC_ROW(isa) {#isa, supports_##isa, &fc_kernels_f32__##isa, &fc_kernels_f64__##isa},

FC_DECLARE(scalar)
static int supports_scalar(void) { return 1; }
#ifdef FC_HAVE_sse2
FC_DECLARE(sse2)
static int supports_sse2(void) { return __builtin_cpu_supports("sse2"); }
#endif
#ifdef FC_HAVE_avx2
FC_DECLARE(avx2)
static int supports_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#endif
#ifdef FC_HAVE_avx512
FC_DECLARE(avx512)
static int supports_avx512(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma");
}
#endif
#ifdef FC_HAVE_neon
FC_DECLARE(neon)
static int supports_neon(void) { return 1; }
#endif

/* Weakest first: the last supported row is the default. */
static const struct {
    const char *name;
    int (*supported)(void);
    const fc_kernels *f32, *f64;
} isas[] = {
    /* clang-format off */
    FC_ROW(scalar)
#ifdef FC_HAVE_sse2
    FC_ROW(sse2)
#endif
#ifdef FC_HAVE_avx2
    FC_ROW(avx2)
#endif
#ifdef FC_HAVE_avx512
    FC_ROW(avx512)
#endif
#ifdef FC_HAVE_neon
    FC_ROW(neon)
#endif
    /* clang-format on */
};

static atomic_int active;
static fc_status environment;
static pthread_once_t once = PTHREAD_ONCE_INIT;

int fc_isa_count(void) { return (int)(sizeof isas / sizeof *isas); }

const char *fc_isa_name(int index) { return index >= 0 && index < fc_isa_count() ? isas[index].name : "none"; }

int fc_isa_supported(int index) { return index >= 0 && index < fc_isa_count() && isas[index].supported(); }

static void choose(void) {
    int best = 0;
    for (int i = 0; i < fc_isa_count(); ++i)
        if (isas[i].supported()) best = i;
    const char *forced = getenv("FASTCONV_ISA");
    if (forced && *forced) {
        environment = FC_INVALID;
        for (int i = 0; i < fc_isa_count(); ++i) {
            if (strcmp(forced, isas[i].name) != 0) continue;
            environment = isas[i].supported() ? FC_OK : FC_UNSUPPORTED;
            if (environment == FC_OK) best = i;
        }
    }
    atomic_store(&active, best);
}

fc_status fc_isa_environment(void) {
    pthread_once(&once, choose);
    return environment;
}

int fc_isa(void) {
    pthread_once(&once, choose);
    return atomic_load(&active);
}

fc_status fc_set_isa(int index) {
    pthread_once(&once, choose);
    if (index < 0 || index >= fc_isa_count()) return FC_INVALID;
    if (!isas[index].supported()) return FC_UNSUPPORTED;
    atomic_store(&active, index);
    return FC_OK;
}

const fc_kernels *fc_kernels_for(int isa, fc_dtype type) {
    if (isa < 0 || isa >= fc_isa_count()) return NULL;
    return type == FC_FLOAT32 ? isas[isa].f32 : type == FC_FLOAT64 ? isas[isa].f64 : NULL;
}

int fc_isa_lanes(int index, fc_dtype type) {
    const fc_kernels *kernels = fc_kernels_for(index, type);
    return kernels ? kernels->lanes : 0;
}
