/* sse2.h: 128-bit vectors, the x86-64 baseline; no fused multiply-add, no masks. */
#include <emmintrin.h>

#if FC_F64
typedef __m128d vec;
enum { VLANES = 2 };
#define FC_MM(op) _mm_##op##_pd
#else
typedef __m128 vec;
enum { VLANES = 4 };
#define FC_MM(op) _mm_##op##_ps
#endif
typedef vec vmask;
#define VREGS 16

static inline vec vzero(void) { return FC_MM(setzero)(); }
static inline vec vbroadcast(real s) { return FC_MM(set1)(s); }
static inline vec vload(const real *p) { return FC_MM(loadu)(p); }
static inline vec vhold(vec v) {
    __asm__("" : "+x"(v));
    return v;
}
static inline void vstore(real *p, vec v) { FC_MM(storeu)(p, v); }
static inline vec vload_part(const real *p, int n) {
    real lanes[VLANES] = {0};
    for (int i = 0; i < VLANES && i < n; ++i) lanes[i] = p[i];
    return FC_MM(loadu)(lanes);
}
static inline void vstore_part(real *p, vec v, int n) {
    real lanes[VLANES];
    FC_MM(storeu)(lanes, v);
    for (int i = 0; i < VLANES && i < n; ++i) p[i] = lanes[i];
}
static inline vec vadd(vec a, vec b) { return FC_MM(add)(a, b); }
static inline vec vsub(vec a, vec b) { return FC_MM(sub)(a, b); }
static inline vec vmul(vec a, vec b) { return FC_MM(mul)(a, b); }
static inline vec vdiv(vec a, vec b) { return FC_MM(div)(a, b); }
static inline vec vfma(vec a, vec b, vec c) { return FC_MM(add)(FC_MM(mul)(a, b), c); }
static inline vec vmax(vec a, vec b) { return FC_MM(max)(a, b); }
static inline vec vmin(vec a, vec b) { return FC_MM(min)(a, b); }
static inline vmask vgt(vec a, vec b) { return FC_MM(cmpgt)(a, b); }
static inline vmask veq(vec a, vec b) { return FC_MM(cmpeq)(a, b); }
static inline vec vselect(vmask m, vec a, vec b) { return FC_MM(or)(FC_MM(and)(m, a), FC_MM(andnot)(m, b)); }
static inline vec vabs(vec a) { return FC_MM(andnot)(FC_MM(set1)((real)-0.0), a); }
static inline vec vsqrt(vec a) { return FC_MM(sqrt)(a); }
#if FC_F64
static inline real vsum(vec a) { return _mm_cvtsd_f64(_mm_add_sd(a, _mm_unpackhi_pd(a, a))); }
static inline void vsum4(const vec v[4], real sums[4]) {
    vstore(sums, _mm_add_pd(_mm_unpacklo_pd(v[0], v[1]), _mm_unpackhi_pd(v[0], v[1])));
    vstore(sums + 2, _mm_add_pd(_mm_unpacklo_pd(v[2], v[3]), _mm_unpackhi_pd(v[2], v[3])));
}
#else
static inline real vsum(vec a) {
    a = _mm_add_ps(a, _mm_movehl_ps(a, a));
    return _mm_cvtss_f32(_mm_add_ss(a, _mm_shuffle_ps(a, a, 1)));
}
static inline void vsum4(const vec v[4], real sums[4]) {
    const vec a = _mm_add_ps(_mm_unpacklo_ps(v[0], v[1]), _mm_unpackhi_ps(v[0], v[1]));
    const vec b = _mm_add_ps(_mm_unpacklo_ps(v[2], v[3]), _mm_unpackhi_ps(v[2], v[3]));
    vstore(sums, _mm_add_ps(_mm_movelh_ps(a, b), _mm_movehl_ps(b, a)));
}
#endif
