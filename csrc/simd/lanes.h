/* lanes.h: the part of the vector vocabulary that pooling and depthwise convolution add: NaN tests, mask algebra,
 * (de)interleaving, and loads that are cut on both sides.
 *
 *   vnan                  lanes that hold a NaN
 *   vor vand vandnot      a | b, a & b, a & ~b of masks
 *   veven vodd            elements 0, 2, 4 ... and 1, 3, 5 ... of the two vectors one after the other
 *   vziplow vziphigh      a0 b0 a1 b1 ...: the first and the second vector of it
 *   vwindow               lanes first .. end-1, made by vwindow_make; both are cut to 0 .. VLANES
 *   vload_window          those lanes; the others are zero and never touched in memory
 */
#ifndef FC_LANES_H
#define FC_LANES_H

#include "simd/simd.h"

#if defined(FC_ISA_avx512)

static inline vmask vnan(vec a) { return FC_MM_CMP(a, a, _CMP_UNORD_Q); }
static inline vmask vor(vmask a, vmask b) { return (vmask)(a | b); }
static inline vmask vand(vmask a, vmask b) { return (vmask)(a & b); }
static inline vmask vandnot(vmask a, vmask b) { return (vmask)(a & ~b); }
#if FC_F64
#define FC_PICK(...) _mm512_permutex2var_pd(a, _mm512_setr_epi64(__VA_ARGS__), b)
static inline vec veven(vec a, vec b) { return FC_PICK(0, 2, 4, 6, 8, 10, 12, 14); }
static inline vec vodd(vec a, vec b) { return FC_PICK(1, 3, 5, 7, 9, 11, 13, 15); }
static inline vec vziplow(vec a, vec b) { return FC_PICK(0, 8, 1, 9, 2, 10, 3, 11); }
static inline vec vziphigh(vec a, vec b) { return FC_PICK(4, 12, 5, 13, 6, 14, 7, 15); }
#else
#define FC_PICK(...) _mm512_permutex2var_ps(a, _mm512_setr_epi32(__VA_ARGS__), b)
static inline vec veven(vec a, vec b) { return FC_PICK(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30); }
static inline vec vodd(vec a, vec b) { return FC_PICK(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31); }
static inline vec vziplow(vec a, vec b) { return FC_PICK(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23); }
static inline vec vziphigh(vec a, vec b) {
    return FC_PICK(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
#endif
#undef FC_PICK

#elif defined(FC_ISA_avx2)

static inline vmask vnan(vec a) { return FC_MM(cmp)(a, a, _CMP_UNORD_Q); }
static inline vmask vor(vmask a, vmask b) { return FC_MM(or)(a, b); }
static inline vmask vand(vmask a, vmask b) { return FC_MM(and)(a, b); }
static inline vmask vandnot(vmask a, vmask b) { return FC_MM(andnot)(b, a); }
/* Shuffles stay within 128-bit halves; one permutation of 64-bit quarters or of halves puts the result in order. */
#if FC_F64
static inline vec veven(vec a, vec b) { return _mm256_permute4x64_pd(_mm256_unpacklo_pd(a, b), 0xD8); }
static inline vec vodd(vec a, vec b) { return _mm256_permute4x64_pd(_mm256_unpackhi_pd(a, b), 0xD8); }
#else
static inline vec fc_quarters(vec a) { return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(a), 0xD8)); }
static inline vec veven(vec a, vec b) { return fc_quarters(_mm256_shuffle_ps(a, b, 0x88)); }
static inline vec vodd(vec a, vec b) { return fc_quarters(_mm256_shuffle_ps(a, b, 0xDD)); }
#endif
static inline vec vziplow(vec a, vec b) {
    return FC_MM(permute2f128)(FC_MM(unpacklo)(a, b), FC_MM(unpackhi)(a, b), 0x20);
}
static inline vec vziphigh(vec a, vec b) {
    return FC_MM(permute2f128)(FC_MM(unpacklo)(a, b), FC_MM(unpackhi)(a, b), 0x31);
}

#elif defined(FC_ISA_sse2)

static inline vmask vnan(vec a) { return FC_MM(cmpunord)(a, a); }
static inline vmask vor(vmask a, vmask b) { return FC_MM(or)(a, b); }
static inline vmask vand(vmask a, vmask b) { return FC_MM(and)(a, b); }
static inline vmask vandnot(vmask a, vmask b) { return FC_MM(andnot)(b, a); }
#if FC_F64
static inline vec veven(vec a, vec b) { return _mm_unpacklo_pd(a, b); }
static inline vec vodd(vec a, vec b) { return _mm_unpackhi_pd(a, b); }
#else
static inline vec veven(vec a, vec b) { return _mm_shuffle_ps(a, b, 0x88); }
static inline vec vodd(vec a, vec b) { return _mm_shuffle_ps(a, b, 0xDD); }
#endif
static inline vec vziplow(vec a, vec b) { return FC_MM(unpacklo)(a, b); }
static inline vec vziphigh(vec a, vec b) { return FC_MM(unpackhi)(a, b); }

#elif defined(FC_ISA_neon)

static inline vmask vnan(vec a) { return ~veq(a, a); }
static inline vmask vor(vmask a, vmask b) { return a | b; }
static inline vmask vand(vmask a, vmask b) { return a & b; }
static inline vmask vandnot(vmask a, vmask b) { return a & ~b; }
#if FC_F64
#define FC_NEON_PAIR(op) op##q_f64
#else
#define FC_NEON_PAIR(op) op##q_f32
#endif
static inline vec veven(vec a, vec b) { return FC_NEON_PAIR(vuzp1)(a, b); }
static inline vec vodd(vec a, vec b) { return FC_NEON_PAIR(vuzp2)(a, b); }
static inline vec vziplow(vec a, vec b) { return FC_NEON_PAIR(vzip1)(a, b); }
static inline vec vziphigh(vec a, vec b) { return FC_NEON_PAIR(vzip2)(a, b); }
#undef FC_NEON_PAIR

#else

static inline vmask vnan(vec a) { return a != a; }
static inline vmask vor(vmask a, vmask b) { return a || b; }
static inline vmask vand(vmask a, vmask b) { return a && b; }
static inline vmask vandnot(vmask a, vmask b) { return a && !b; }
static inline vec veven(vec a, vec b) { return (void)b, a; }
static inline vec vodd(vec a, vec b) { return (void)a, b; }
static inline vec vziplow(vec a, vec b) { return (void)b, a; }
static inline vec vziphigh(vec a, vec b) { return (void)a, b; }

#endif

static inline int fc_lane_cut(int64_t lane) { return lane < 0 ? 0 : lane > VLANES ? VLANES : (int)lane; }

#if defined(FC_ISA_avx512)
typedef vmask vwindow;
static inline vwindow vwindow_make(int64_t first, int64_t end) {
    return (vwindow)(fc_lane_mask(fc_lane_cut(end)) & ~fc_lane_mask(fc_lane_cut(first)));
}
static inline vec vload_window(const real *p, vwindow w) { return FC_MM(maskz_loadu)(w, p); }
#elif defined(FC_ISA_avx2)
typedef __m256i vwindow;
static inline vwindow vwindow_make(int64_t first, int64_t end) {
    return _mm256_andnot_si256(fc_lane_mask(fc_lane_cut(first)), fc_lane_mask(fc_lane_cut(end)));
}
static inline vec vload_window(const real *p, vwindow w) { return FC_MM(maskload)(p, w); }
#else
typedef struct vwindow {
    int first, end;
} vwindow;
static inline vwindow vwindow_make(int64_t first, int64_t end) {
    return (vwindow){fc_lane_cut(first), fc_lane_cut(end)};
}
static inline vec vload_window(const real *p, vwindow w) {
    if (w.first == 0 && w.end == VLANES) return vload(p);
    real lanes[VLANES] = {0};
    for (int i = w.first; i < w.end; ++i) lanes[i] = p[i];
    return vload(lanes);
}
#endif

#endif
