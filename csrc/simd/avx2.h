/* avx2.h: 256-bit vectors with fused multiply-add. */
#include <immintrin.h>

#if FC_F64
typedef __m256d vec;
enum { VLANES = 4 };
#define FC_MM(op) _mm256_##op##_pd
static inline __m256i fc_lane_mask(int n) {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
}
#else
typedef __m256 vec;
enum { VLANES = 8 };
#define FC_MM(op) _mm256_##op##_ps
static inline __m256i fc_lane_mask(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
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
static inline vec vload_part(const real *p, int n) { return FC_MM(maskload)(p, fc_lane_mask(n)); }
static inline vec vadd(vec a, vec b) { return FC_MM(add)(a, b); }
static inline vec vsub(vec a, vec b) { return FC_MM(sub)(a, b); }
static inline vec vmul(vec a, vec b) { return FC_MM(mul)(a, b); }
static inline vec vdiv(vec a, vec b) { return FC_MM(div)(a, b); }
static inline vec vfma(vec a, vec b, vec c) { return FC_MM(fmadd)(a, b, c); }
static inline vec vmax(vec a, vec b) { return FC_MM(max)(a, b); }
static inline vec vmin(vec a, vec b) { return FC_MM(min)(a, b); }
static inline vmask vgt(vec a, vec b) { return FC_MM(cmp)(a, b, _CMP_GT_OQ); }
static inline vmask veq(vec a, vec b) { return FC_MM(cmp)(a, b, _CMP_EQ_OQ); }
static inline vec vselect(vmask m, vec a, vec b) { return FC_MM(blendv)(b, a, m); }
static inline vec vabs(vec a) { return FC_MM(andnot)(FC_MM(set1)((real)-0.0), a); }
static inline vec vsqrt(vec a) { return FC_MM(sqrt)(a); }
/* Masked stores are slow on some CPUs: halves of halves. */
#if FC_F64
static inline void vstore_part(real *p, vec v, int n) {
    __m128d half = _mm256_castpd256_pd128(v);
    if (n >= 2) {
        _mm_storeu_pd(p, half);
        half = _mm256_extractf128_pd(v, 1);
        p += 2;
    }
    if (n >= 4) _mm_storeu_pd(p, half);
    if (n & 1) _mm_store_sd(p, half);
}
#else
static inline void vstore_part(real *p, vec v, int n) {
    if (n >= VLANES) {
        vstore(p, v);
        return;
    }
    __m128 half = _mm256_castps256_ps128(v);
    if (n & 4) {
        _mm_storeu_ps(p, half);
        half = _mm256_extractf128_ps(v, 1);
        p += 4;
    }
    if (n & 2) {
        _mm_storel_pi((__m64 *)p, half);
        half = _mm_movehl_ps(half, half);
        p += 2;
    }
    if (n & 1) _mm_store_ss(p, half);
}
#endif
#if FC_F64
static inline real vsum(vec a) {
    const __m128d half = _mm_add_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd(a, 1));
    return _mm_cvtsd_f64(_mm_add_sd(half, _mm_unpackhi_pd(half, half)));
}
static inline void vsum4(const vec v[4], real sums[4]) {
    for (int i = 0; i < 4; i += 2) {
        const vec pair = _mm256_hadd_pd(v[i], v[i + 1]);
        _mm_storeu_pd(sums + i, _mm_add_pd(_mm256_castpd256_pd128(pair), _mm256_extractf128_pd(pair, 1)));
    }
}
#else
static inline real vsum(vec a) {
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_shuffle_ps(half, half, 1)));
}
static inline void vsum4(const vec v[4], real sums[4]) {
    const vec four = _mm256_hadd_ps(_mm256_hadd_ps(v[0], v[1]), _mm256_hadd_ps(v[2], v[3]));
    _mm_storeu_ps(sums, _mm_add_ps(_mm256_castps256_ps128(four), _mm256_extractf128_ps(four, 1)));
}
#endif
