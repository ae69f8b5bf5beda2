/* whole.h: int32 beside the vectors of float64, which hold every one of them.
 *
 *   vwhole_load(p)         VLANES int32
 *   vwhole_store(p, a, b)  a rounded to whole numbers, half to even, plus b; they have to fit
 */
#ifndef FC_WHOLE_H
#define FC_WHOLE_H

#include "simd/simd.h"

#if defined(FC_ISA_avx512)
static inline vec vwhole_load(const int32_t *p) { return _mm512_cvtepi32_pd(_mm256_loadu_si256((const __m256i *)p)); }
static inline void vwhole_store(int32_t *p, vec a, int32_t b) {
    _mm256_storeu_si256((__m256i *)p, _mm256_add_epi32(_mm512_cvtpd_epi32(a), _mm256_set1_epi32(b)));
}
#elif defined(FC_ISA_avx2)
static inline vec vwhole_load(const int32_t *p) { return _mm256_cvtepi32_pd(_mm_loadu_si128((const __m128i *)p)); }
static inline void vwhole_store(int32_t *p, vec a, int32_t b) {
    _mm_storeu_si128((__m128i *)p, _mm_add_epi32(_mm256_cvtpd_epi32(a), _mm_set1_epi32(b)));
}
#elif defined(FC_ISA_sse2)
static inline vec vwhole_load(const int32_t *p) { return _mm_cvtepi32_pd(_mm_loadl_epi64((const __m128i *)p)); }
static inline void vwhole_store(int32_t *p, vec a, int32_t b) {
    _mm_storel_epi64((__m128i *)p, _mm_add_epi32(_mm_cvtpd_epi32(a), _mm_set1_epi32(b)));
}
#elif defined(FC_ISA_neon)
static inline vec vwhole_load(const int32_t *p) { return vcvtq_f64_s64(vmovl_s32(vld1_s32(p))); }
static inline void vwhole_store(int32_t *p, vec a, int32_t b) {
    vst1_s32(p, vadd_s32(vmovn_s64(vcvtnq_s64_f64(a)), vdup_n_s32(b)));
}
#else
static inline vec vwhole_load(const int32_t *p) { return *p; }
static inline void vwhole_store(int32_t *p, vec a, int32_t b) { *p = (int32_t)rint(a) + b; }
#endif

#endif
