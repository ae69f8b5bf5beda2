/* avx512.h: 512-bit vectors, 32 registers, mask registers (F, BW, DQ, VL). */
#include <immintrin.h>

#if FC_F64
typedef __m512d vec;
typedef __mmask8 vmask;
enum { VLANES = 8 };
#define FC_MM(op) _mm512_##op##_pd
#define FC_MM_CMP(a, b, op) _mm512_cmp_pd_mask(a, b, op)
#else
typedef __m512 vec;
typedef __mmask16 vmask;
enum { VLANES = 16 };
#define FC_MM(op) _mm512_##op##_ps
#define FC_MM_CMP(a, b, op) _mm512_cmp_ps_mask(a, b, op)
#endif
#define VREGS 32

static inline vmask fc_lane_mask(int n) { return (vmask)((1u << n) - 1u); }
static inline vec vzero(void) { return FC_MM(setzero)(); }
static inline vec vbroadcast(real s) { return FC_MM(set1)(s); }
static inline vec vload(const real *p) { return FC_MM(loadu)(p); }
static inline vec vhold(vec v) {
    __asm__("" : "+v"(v));
    return v;
}
static inline void vstore(real *p, vec v) { FC_MM(storeu)(p, v); }
static inline vec vload_part(const real *p, int n) { return FC_MM(maskz_loadu)(fc_lane_mask(n), p); }
static inline void vstore_part(real *p, vec v, int n) { FC_MM(mask_storeu)(p, fc_lane_mask(n), v); }
static inline vec vadd(vec a, vec b) { return FC_MM(add)(a, b); }
static inline vec vsub(vec a, vec b) { return FC_MM(sub)(a, b); }
static inline vec vmul(vec a, vec b) { return FC_MM(mul)(a, b); }
static inline vec vdiv(vec a, vec b) { return FC_MM(div)(a, b); }
static inline vec vfma(vec a, vec b, vec c) { return FC_MM(fmadd)(a, b, c); }
static inline vec vmax(vec a, vec b) { return FC_MM(max)(a, b); }
static inline vec vmin(vec a, vec b) { return FC_MM(min)(a, b); }
static inline vmask vgt(vec a, vec b) { return FC_MM_CMP(a, b, _CMP_GT_OQ); }
static inline vmask veq(vec a, vec b) { return FC_MM_CMP(a, b, _CMP_EQ_OQ); }
static inline vec vselect(vmask m, vec a, vec b) { return FC_MM(mask_blend)(m, b, a); }
static inline vec vabs(vec a) { return FC_MM(abs)(a); }
static inline vec vsqrt(vec a) { return FC_MM(sqrt)(a); }
static inline real vsum(vec a) { return FC_MM(reduce_add)(a); }
#if FC_F64
static inline void vsum4(const vec v[4], real sums[4]) {
    for (int i = 0; i < 4; i += 2) {
        const vec pair = _mm512_add_pd(_mm512_unpacklo_pd(v[i], v[i + 1]), _mm512_unpackhi_pd(v[i], v[i + 1]));
        const __m256d half = _mm256_add_pd(_mm512_castpd512_pd256(pair), _mm512_extractf64x4_pd(pair, 1));
        _mm_storeu_pd(sums + i, _mm_add_pd(_mm256_castpd256_pd128(half), _mm256_extractf128_pd(half, 1)));
    }
}
#else
static inline void vsum4(const vec v[4], real sums[4]) {
    const vec ab = _mm512_add_ps(_mm512_unpacklo_ps(v[0], v[1]), _mm512_unpackhi_ps(v[0], v[1]));
    const vec cd = _mm512_add_ps(_mm512_unpacklo_ps(v[2], v[3]), _mm512_unpackhi_ps(v[2], v[3]));
    const __m512d lo = _mm512_unpacklo_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd));
    const __m512d hi = _mm512_unpackhi_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd));
    const vec four = _mm512_add_ps(_mm512_castpd_ps(lo), _mm512_castpd_ps(hi));
    const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(four), _mm512_extractf32x8_ps(four, 1));
    _mm_storeu_ps(sums, _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)));
}
#endif
