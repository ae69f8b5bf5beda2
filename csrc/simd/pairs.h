/* pairs.h: small integers beside the vectors of float32. Two int16 are one lane, and a multiply-add of pairs adds both
 * products to an int32; every sum wraps as unsigned numbers do, and no product is cut off.
 *
 *   vpairs                         VLANES pairs of int16; vpairs_all(p) has the pair at p in every lane
 *   vmadd(a, b, c)                 c + a.first * b.first + a.second * b.second, lane by lane
 *   vwords                         2 * VLANES int16, as unsigned numbers: C's operators work
 *   vpairs_low vpairs_high         the elements of a beside those of b, as pairs; which elements are low is the ISA's business:
 *   vpairs_split                   two vectors in their natural order -> those of low and high, and vpairs_join back
 *   vpairs_of(a, b)                the low halves of the lanes of a beside those of b, as vpairs_load reads them from memory
 *   vbits_transpose                vtranspose of bits
 *   vbits_load vbits_store         uint32 at any address; vwords_load vwords_store likewise
 *   vbits_bytes vwords_bytes       widened from as many uint8; vbits_narrow stores the low byte of each lane */
#ifndef FC_PAIRS_H
#define FC_PAIRS_H

#include "simd/lanes.h"

typedef uint16_t vwords __attribute__((vector_size(4 * VLANES)));

static inline vbits vbits_load(const void *p) {
    vbits v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline void vbits_store(void *p, vbits v) { memcpy(p, &v, sizeof v); }
static inline vwords vwords_load(const void *p) {
    vwords v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline void vwords_store(void *p, vwords v) { memcpy(p, &v, sizeof v); }
static inline vwords vwords_bytes(const uint8_t *p) {
    typedef uint8_t bytes __attribute__((vector_size(2 * VLANES)));
    bytes v;
    memcpy(&v, p, sizeof v);
    return __builtin_convertvector(v, vwords);
}
static inline vbits vpairs_of(vbits a, vbits b) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return (a << 16) | (b & 0xffff);
#else
    return (a & 0xffff) | (b << 16);
#endif
}
/* Bits of a single lane stay what they are: some CPUs change signalling NaNs that they load as floats. */
static inline __attribute__((always_inline)) void vbits_transpose(vbits *v) {
    if (VLANES == 1) return;
    vec lanes[VLANES];
#pragma GCC unroll 16
    for (int i = 0; i < VLANES; ++i) lanes[i] = vbits_real(v[i]);
    vtranspose(lanes);
#pragma GCC unroll 16
    for (int i = 0; i < VLANES; ++i) v[i] = vbits_of(lanes[i]);
}
static inline uint32_t fc_pair_bits(const int16_t *p) {
    uint32_t bits;
    memcpy(&bits, p, sizeof bits);
    return bits;
}

#if defined(FC_ISA_avx512)

typedef vbits vpairs;
static inline vbits vbits_all(uint32_t a) { return (vbits)_mm512_set1_epi32((int)a); }
static inline vpairs vpairs_load(const int16_t *p) { return vbits_load(p); }
static inline vpairs vpairs_all(const int16_t *p) { return vbits_all(fc_pair_bits(p)); }
static inline vbits vmadd(vpairs a, vpairs b, vbits c) { return (vbits)_mm512_madd_epi16((__m512i)a, (__m512i)b) + c; }
static inline vpairs vpairs_low(vwords a, vwords b) { return (vpairs)_mm512_unpacklo_epi16((__m512i)a, (__m512i)b); }
static inline vpairs vpairs_high(vwords a, vwords b) { return (vpairs)_mm512_unpackhi_epi16((__m512i)a, (__m512i)b); }
static inline void vpairs_split(vpairs *a, vpairs *b) {
    const __m512i x = (__m512i)*a, y = (__m512i)*b;
    *a = (vpairs)_mm512_shuffle_i32x4(x, y, 0x88);
    *b = (vpairs)_mm512_shuffle_i32x4(x, y, 0xdd);
}
static inline void vpairs_join(vbits *a, vbits *b) {
    const __m512i x = (__m512i)*a, y = (__m512i)*b;
    *a = (vbits)_mm512_permutex2var_epi64(x, _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11), y);
    *b = (vbits)_mm512_permutex2var_epi64(x, _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15), y);
}
static inline vbits vbits_bytes(const uint8_t *p) {
    return (vbits)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
}
static inline void vbits_narrow(uint8_t *p, vbits v) {
    _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8((__m512i)v));
}

#elif defined(FC_ISA_avx2)

typedef vbits vpairs;
static inline vbits vbits_all(uint32_t a) { return (vbits)_mm256_set1_epi32((int)a); }
static inline vpairs vpairs_load(const int16_t *p) { return vbits_load(p); }
static inline vpairs vpairs_all(const int16_t *p) { return vbits_all(fc_pair_bits(p)); }
static inline vbits vmadd(vpairs a, vpairs b, vbits c) { return (vbits)_mm256_madd_epi16((__m256i)a, (__m256i)b) + c; }
static inline vpairs vpairs_low(vwords a, vwords b) { return (vpairs)_mm256_unpacklo_epi16((__m256i)a, (__m256i)b); }
static inline vpairs vpairs_high(vwords a, vwords b) { return (vpairs)_mm256_unpackhi_epi16((__m256i)a, (__m256i)b); }
static inline void vpairs_split(vpairs *a, vpairs *b) {
    const __m256i x = (__m256i)*a, y = (__m256i)*b;
    *a = (vpairs)_mm256_permute2x128_si256(x, y, 0x20);
    *b = (vpairs)_mm256_permute2x128_si256(x, y, 0x31);
}
static inline void vpairs_join(vbits *a, vbits *b) { vpairs_split(a, b); }
static inline vbits vbits_bytes(const uint8_t *p) {
    return (vbits)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
}
static inline void vbits_narrow(uint8_t *p, vbits v) {
    const __m256i first = _mm256_set1_epi32(0x0c080400), low = _mm256_shuffle_epi8((__m256i)v, first);
    _mm_storel_epi64((__m128i *)p, _mm_unpacklo_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1)));
}

#elif defined(FC_ISA_sse2)

typedef vbits vpairs;
static inline vbits vbits_all(uint32_t a) { return (vbits)_mm_set1_epi32((int)a); }
static inline vpairs vpairs_load(const int16_t *p) { return vbits_load(p); }
static inline vpairs vpairs_all(const int16_t *p) { return vbits_all(fc_pair_bits(p)); }
static inline vbits vmadd(vpairs a, vpairs b, vbits c) { return (vbits)_mm_madd_epi16((__m128i)a, (__m128i)b) + c; }
static inline vpairs vpairs_low(vwords a, vwords b) { return (vpairs)_mm_unpacklo_epi16((__m128i)a, (__m128i)b); }
static inline vpairs vpairs_high(vwords a, vwords b) { return (vpairs)_mm_unpackhi_epi16((__m128i)a, (__m128i)b); }
static inline void vpairs_split(vpairs *a, vpairs *b) { (void)a, (void)b; }
static inline void vpairs_join(vbits *a, vbits *b) { (void)a, (void)b; }
static inline vbits vbits_bytes(const uint8_t *p) {
    int four;
    memcpy(&four, p, sizeof four);
    const __m128i zero = _mm_setzero_si128();
    return (vbits)_mm_unpacklo_epi16(_mm_unpacklo_epi8(_mm_cvtsi32_si128(four), zero), zero);
}
static inline void vbits_narrow(uint8_t *p, vbits v) {
    const __m128i words = (__m128i)(v & 0xff), four = _mm_packs_epi32(words, words);
    const int bytes = _mm_cvtsi128_si32(_mm_packus_epi16(four, four));
    memcpy(p, &bytes, sizeof bytes);
}

#elif defined(FC_ISA_neon)

typedef int16x4x2_t vpairs; /* the firsts, the seconds */
static inline vbits vbits_all(uint32_t a) { return (vbits)vdupq_n_u32(a); }
static inline vpairs vpairs_load(const int16_t *p) { return vld2_s16(p); }
static inline vpairs vpairs_all(const int16_t *p) { return vld2_dup_s16(p); }
static inline vbits vmadd(vpairs a, vpairs b, vbits c) {
    const int32x4_t sum = vmlal_s16((int32x4_t)c, a.val[0], b.val[0]);
    return (vbits)vmlal_s16(sum, a.val[1], b.val[1]);
}
static inline vpairs vpairs_low(vwords a, vwords b) {
    return (vpairs){{vget_low_s16((int16x8_t)a), vget_low_s16((int16x8_t)b)}};
}
static inline vpairs vpairs_high(vwords a, vwords b) {
    return (vpairs){{vget_high_s16((int16x8_t)a), vget_high_s16((int16x8_t)b)}};
}
static inline void vpairs_split(vpairs *a, vpairs *b) { (void)a, (void)b; }
static inline void vpairs_join(vbits *a, vbits *b) { (void)a, (void)b; }
static inline vbits vbits_bytes(const uint8_t *p) {
    uint32_t four;
    memcpy(&four, p, sizeof four);
    return (vbits)vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(four))));
}
static inline void vbits_narrow(uint8_t *p, vbits v) {
    const uint16x4_t words = vmovn_u32((uint32x4_t)v);
    const uint32_t bytes = vget_lane_u32(vreinterpret_u32_u8(vmovn_u16(vcombine_u16(words, words))), 0);
    memcpy(p, &bytes, sizeof bytes);
}

#else

typedef struct vpairs {
    int16_t first, second;
} vpairs;
static inline vbits vbits_all(uint32_t a) { return a; }
static inline vpairs vpairs_load(const int16_t *p) { return (vpairs){p[0], p[1]}; }
static inline vpairs vpairs_all(const int16_t *p) { return (vpairs){p[0], p[1]}; }
static inline vbits vmadd(vpairs a, vpairs b, vbits c) {
    return c + (uint32_t)(a.first * b.first) + (uint32_t)(a.second * b.second);
}
static inline vpairs vpairs_low(vwords a, vwords b) { return (vpairs){(int16_t)a[0], (int16_t)b[0]}; }
static inline vpairs vpairs_high(vwords a, vwords b) { return (vpairs){(int16_t)a[1], (int16_t)b[1]}; }
static inline void vpairs_split(vpairs *a, vpairs *b) { (void)a, (void)b; }
static inline void vpairs_join(vbits *a, vbits *b) { (void)a, (void)b; }
static inline vbits vbits_bytes(const uint8_t *p) { return *p; }
static inline void vbits_narrow(uint8_t *p, vbits v) { *p = (uint8_t)v; }

#endif

#endif
