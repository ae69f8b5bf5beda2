/* scalar.h: one lane in plain C, for CPUs without a vector file here and as the simplest build to debug. */
#include <stdbool.h>

typedef real vec;
typedef bool vmask;
enum { VLANES = 1 };
#define VREGS 16

static inline vec vzero(void) { return 0; }
static inline vec vbroadcast(real s) { return s; }
static inline vec vload(const real *p) { return *p; }
static inline vec vhold(vec v) { return v; }
static inline void vstore(real *p, vec v) { *p = v; }
static inline vec vload_part(const real *p, int n) { return n > 0 ? *p : 0; }
static inline void vstore_part(real *p, vec v, int n) {
    if (n > 0) *p = v;
}
static inline vec vadd(vec a, vec b) { return a + b; }
static inline vec vsub(vec a, vec b) { return a - b; }
static inline vec vmul(vec a, vec b) { return a * b; }
static inline vec vdiv(vec a, vec b) { return a / b; }
static inline vec vfma(vec a, vec b, vec c) { return a * b + c; }
static inline vec vmax(vec a, vec b) { return a > b ? a : b; }
static inline vec vmin(vec a, vec b) { return a < b ? a : b; }
static inline vmask vgt(vec a, vec b) { return a > b; }
static inline vmask veq(vec a, vec b) { return a == b; }
static inline vec vselect(vmask m, vec a, vec b) { return m ? a : b; }
static inline vec vabs(vec a) { return a < 0 ? -a : a; }
#if FC_F64
static inline vec vsqrt(vec a) { return sqrt(a); }
#else
static inline vec vsqrt(vec a) { return sqrtf(a); }
#endif
static inline real vsum(vec a) { return a; }
static inline void vsum4(const vec v[4], real sums[4]) {
    for (int i = 0; i < 4; ++i) sums[i] = v[i];
}
