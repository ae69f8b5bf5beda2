/* lanes.h: the part of the vector vocabulary that pooling and depthwise convolution add: NaN tests, mask algebra,
 * (de)interleaving, and loads that are cut on both sides.
 *
 *   vnan                  lanes that hold a NaN
 *   vor vand vandnot      a | b, a & b, a & ~b of masks
 *   veven vodd            elements 0, 2, 4 ... and 1, 3, 5 ... of the two vectors one after the other
 *   vziplow vziphigh      a0 b0 a1 b1 ...: the first and the second vector of it
 *   vafter vbefore        a1 a2 ... b0, and the last element of a, b0 b1 ...
 *   vsplit_even vsplit_odd, vjoin_low vjoin_high, vsplit_before vsplit_after
 *                         the same six in the order of lanes that is cheapest to split into, the joins back from it
 *   vsplit vjoin          a vector into that order, and back
 *   vunordered            lanes where a or b holds a NaN
 *   vkeep vdrop           m ? a : 0 and m ? 0 : a
 *   vany                  whether any lane of a mask is set
 *   vtranspose            lane l of v[i] <-> lane i of v[l], i, l < VLANES
 *   vspan vspan_of        lanes from <= i < to, either of which may lie outside the vector
 *   vload_span            those lanes from memory, the others from `rest`; nothing else is touched
 *   vload_cut             vload_span with zeros for the others
 *   vstore_span           those lanes to memory
 *   vload_whole           the first n of int64 p[i] - base, 0 beyond; what lies outside 0 .. 2^31 becomes some other number
 *                         outside, perhaps a negative one
 *   vplace                whole numbers, one a lane, in split order: vplace_all the same in each, vplace_nowhere none at all,
 *                         vplace_gt vplace_eq masks, vplace_less a - (m ? b : 0)
 *   vplace_load           the first n of p[i] - base - 2i; lanes of vplace_odd(odd) held what cannot be told so
 *   vstore_whole          p[i] = base + a for the first n lanes, which hold whole numbers
 *   vstream               vstore past the caches, p aligned to a vector
 *   vstream_end           after the last vstream, before other threads may read
 *   vprefetch             asks for a line of the cache; any address will do
 */
#ifndef FC_LANES_H
#define FC_LANES_H

#include "simd/simd.h"

static inline unsigned fc_span_bound(int64_t i) { return i < 0 ? 0u : i > VLANES ? (unsigned)VLANES : (unsigned)i; }

#if defined(FC_ISA_avx512)

static inline vmask vnan(vec a) { return FC_MM_CMP(a, a, _CMP_UNORD_Q); }
static inline vmask vunordered(vec a, vec b) { return FC_MM_CMP(a, b, _CMP_UNORD_Q); }
static inline int vany(vmask a) { return a != 0; }
static inline void vstream(real *p, vec v) { FC_MM(stream)(p, v); }
static inline void vstream_end(void) { _mm_sfence(); }
typedef vmask vspan;
static inline vspan vspan_of(int64_t from, int64_t to) {
    const unsigned low = fc_span_bound(from), high = fc_span_bound(to);
    return (vmask)(((1u << high) - 1u) & ~((1u << low) - 1u));
}
static inline vec vload_span(const real *p, vspan s, vec rest) { return FC_MM(mask_loadu)(rest, s, p); }
static inline vec vload_cut(const real *p, vspan s) { return FC_MM(maskz_loadu)(s, p); }
static inline void vstore_span(real *p, vec v, vspan s) { FC_MM(mask_storeu)(p, s, v); }
static inline vec vkeep(vmask m, vec a) { return FC_MM(maskz_mov)(m, a); }
static inline vec vdrop(vmask m, vec a) { return FC_MM(maskz_mov)((vmask)~m, a); }
static inline vmask vor(vmask a, vmask b) { return (vmask)(a | b); }
static inline vmask vand(vmask a, vmask b) { return (vmask)(a & b); }
static inline vmask vandnot(vmask a, vmask b) { return (vmask)(a & ~b); }
#if FC_F64
#define FC_PICK(...) _mm512_permutex2var_pd(a, _mm512_setr_epi64(__VA_ARGS__), b)
static inline vec veven(vec a, vec b) { return FC_PICK(0, 2, 4, 6, 8, 10, 12, 14); }
static inline vec vodd(vec a, vec b) { return FC_PICK(1, 3, 5, 7, 9, 11, 13, 15); }
static inline vec vziplow(vec a, vec b) { return FC_PICK(0, 8, 1, 9, 2, 10, 3, 11); }
static inline vec vziphigh(vec a, vec b) { return FC_PICK(4, 12, 5, 13, 6, 14, 7, 15); }
static inline vec vafter(vec a, vec b) { return FC_PICK(1, 2, 3, 4, 5, 6, 7, 8); }
static inline vec vbefore(vec a, vec b) { return FC_PICK(7, 8, 9, 10, 11, 12, 13, 14); }
static inline vec vload_whole(const int64_t *p, int64_t base, int n) {
    const __m512i v = _mm512_maskz_loadu_epi64(fc_lane_mask(n), p);
    return _mm512_maskz_cvtepi64_pd(fc_lane_mask(n), _mm512_sub_epi64(v, _mm512_set1_epi64(base)));
}
static inline void vstore_whole(int64_t *p, vec a, int64_t base, int n) {
    _mm512_mask_storeu_epi64(p, fc_lane_mask(n), _mm512_add_epi64(_mm512_cvttpd_epi64(a), _mm512_set1_epi64(base)));
}
#else
#define FC_PICK(...) _mm512_permutex2var_ps(a, _mm512_setr_epi32(__VA_ARGS__), b)
static inline vec veven(vec a, vec b) { return FC_PICK(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30); }
static inline vec vodd(vec a, vec b) { return FC_PICK(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31); }
static inline vec vziplow(vec a, vec b) { return FC_PICK(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23); }
static inline vec vziphigh(vec a, vec b) {
    return FC_PICK(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
static inline vec vafter(vec a, vec b) { return FC_PICK(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16); }
static inline vec vbefore(vec a, vec b) {
    return FC_PICK(15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30);
}
static inline __m256 fc_whole_half(const int64_t *p, __m512i base, __mmask8 m) {
    return _mm512_maskz_cvtepi64_ps(m, _mm512_sub_epi64(_mm512_maskz_loadu_epi64(m, p), base));
}
static inline vec vload_whole(const int64_t *p, int64_t base, int n) {
    const vmask m = fc_lane_mask(n);
    const __m512i from = _mm512_set1_epi64(base);
    const __m512 low = _mm512_castps256_ps512(fc_whole_half(p, from, (__mmask8)m));
    return _mm512_insertf32x8(low, fc_whole_half(p + 8, from, (__mmask8)(m >> 8)), 1);
}
static inline void vstore_whole(int64_t *p, vec a, int64_t base, int n) {
    const vmask m = fc_lane_mask(n);
    const __m512i from = _mm512_set1_epi64(base);
    const __m512i low = _mm512_cvttps_epi64(_mm512_castps512_ps256(a));
    const __m512i high = _mm512_cvttps_epi64(_mm512_extractf32x8_ps(a, 1));
    _mm512_mask_storeu_epi64(p, (__mmask8)m, _mm512_add_epi64(low, from));
    _mm512_mask_storeu_epi64(p + 8, (__mmask8)(m >> 8), _mm512_add_epi64(high, from));
}
#endif
#undef FC_PICK

#elif defined(FC_ISA_avx2)

static inline vmask vnan(vec a) { return FC_MM(cmp)(a, a, _CMP_UNORD_Q); }
static inline vmask vunordered(vec a, vec b) { return FC_MM(cmp)(a, b, _CMP_UNORD_Q); }
static inline int vany(vmask a) { return FC_MM(movemask)(a) != 0; }
static inline void vstream(real *p, vec v) { FC_MM(stream)(p, v); }
static inline void vstream_end(void) { _mm_sfence(); }
typedef struct vspan {
    __m256i lanes;
    int whole; /* masked stores are slow on some CPUs */
} vspan;
static inline vspan vspan_of(int64_t from, int64_t to) {
    const unsigned low = fc_span_bound(from), high = fc_span_bound(to);
    return (vspan){_mm256_andnot_si256(fc_lane_mask((int)low), fc_lane_mask((int)high)), low == 0 && high == VLANES};
}
#if FC_F64
static inline vec fc_span_lanes(vspan s) { return _mm256_castsi256_pd(s.lanes); }
#else
static inline vec fc_span_lanes(vspan s) { return _mm256_castsi256_ps(s.lanes); }
#endif
static inline vec vload_span(const real *p, vspan s, vec rest) {
    return vselect(fc_span_lanes(s), FC_MM(maskload)(p, s.lanes), rest);
}
static inline vec vload_cut(const real *p, vspan s) { return FC_MM(maskload)(p, s.lanes); }
static inline void vstore_span(real *p, vec v, vspan s) {
    if (s.whole) {
        vstore(p, v);
    } else {
        FC_MM(maskstore)(p, s.lanes, v);
    }
}
static inline vec vkeep(vmask m, vec a) { return FC_MM(and)(m, a); }
static inline vec vdrop(vmask m, vec a) { return FC_MM(andnot)(m, a); }
static inline vmask vor(vmask a, vmask b) { return FC_MM(or)(a, b); }
static inline vmask vand(vmask a, vmask b) { return FC_MM(and)(a, b); }
static inline vmask vandnot(vmask a, vmask b) { return FC_MM(andnot)(b, a); }
/* Shuffles stay within 128-bit halves; one permutation of 64-bit quarters or of halves puts the result in order. */
#if FC_F64
static inline vec veven(vec a, vec b) { return _mm256_permute4x64_pd(_mm256_unpacklo_pd(a, b), 0xD8); }
static inline vec vodd(vec a, vec b) { return _mm256_permute4x64_pd(_mm256_unpackhi_pd(a, b), 0xD8); }
static inline vec vafter(vec a, vec b) { return _mm256_shuffle_pd(a, _mm256_permute2f128_pd(a, b, 0x21), 5); }
static inline vec vbefore(vec a, vec b) { return _mm256_shuffle_pd(_mm256_permute2f128_pd(a, b, 0x21), b, 5); }
#else
static inline vec fc_quarters(vec a) { return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(a), 0xD8)); }
static inline vec veven(vec a, vec b) { return fc_quarters(_mm256_shuffle_ps(a, b, 0x88)); }
static inline vec vodd(vec a, vec b) { return fc_quarters(_mm256_shuffle_ps(a, b, 0xDD)); }
static inline __m256i fc_halves_between(vec a, vec b) {
    return _mm256_castps_si256(_mm256_permute2f128_ps(a, b, 0x21));
}
static inline vec vafter(vec a, vec b) {
    return _mm256_castsi256_ps(_mm256_alignr_epi8(fc_halves_between(a, b), _mm256_castps_si256(a), 4));
}
static inline vec vbefore(vec a, vec b) {
    return _mm256_castsi256_ps(_mm256_alignr_epi8(_mm256_castps_si256(b), fc_halves_between(a, b), 12));
}
#endif
static inline vec vziplow(vec a, vec b) {
    return FC_MM(permute2f128)(FC_MM(unpacklo)(a, b), FC_MM(unpackhi)(a, b), 0x20);
}
static inline vec vziphigh(vec a, vec b) {
    return FC_MM(permute2f128)(FC_MM(unpacklo)(a, b), FC_MM(unpackhi)(a, b), 0x31);
}
/* Split order leaves the halves as the shuffles do: no permutation but where neighbours meet. */
#define FC_SPLIT_ORDER
#if FC_F64
static inline vec vsplit(vec a) { return _mm256_permute4x64_pd(a, 0xD8); }
static inline vec vsplit_even(vec a, vec b) { return _mm256_unpacklo_pd(a, b); }
static inline vec vsplit_odd(vec a, vec b) { return _mm256_unpackhi_pd(a, b); }
static inline vec vsplit_before(vec a, vec b) { return _mm256_permute4x64_pd(_mm256_blend_pd(b, a, 8), 0x4B); }
static inline vec vsplit_after(vec a, vec b) { return _mm256_permute4x64_pd(_mm256_blend_pd(a, b, 1), 0x1E); }
#else
static inline vec vsplit(vec a) { return fc_quarters(a); }
static inline vec vsplit_even(vec a, vec b) { return _mm256_shuffle_ps(a, b, 0x88); }
static inline vec vsplit_odd(vec a, vec b) { return _mm256_shuffle_ps(a, b, 0xDD); }
static inline vec vsplit_before(vec a, vec b) {
    return _mm256_permutevar8x32_ps(_mm256_blend_ps(b, a, 0x80), _mm256_setr_epi32(7, 0, 5, 2, 1, 4, 3, 6));
}
static inline vec vsplit_after(vec a, vec b) {
    return _mm256_permutevar8x32_ps(_mm256_blend_ps(a, b, 1), _mm256_setr_epi32(1, 4, 3, 6, 5, 2, 7, 0));
}
#endif
static inline vec vjoin(vec a) { return vsplit(a); }
static inline vec vjoin_low(vec a, vec b) { return FC_MM(unpacklo)(a, b); }
static inline vec vjoin_high(vec a, vec b) { return FC_MM(unpackhi)(a, b); }
/* AVX2 converts 32-bit integers only: the lower halves, or -1 where the upper ones are not zero. */
static inline __m256i fc_four_whole(const int64_t *p, int n) {
    return n >= 4 ? _mm256_loadu_si256((const __m256i *)p)
                  : _mm256_maskload_epi64((const long long *)p,
                                          _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3)));
}
static inline void fc_store_four_whole(int64_t *p, __m256i v, int n) {
    int64_t lanes[4];
    _mm256_storeu_si256((__m256i *)(n >= 4 ? p : lanes), v);
    for (int i = 0; i < n && n < 4; ++i) p[i] = lanes[i];
}
#if FC_F64
static inline vec vload_whole(const int64_t *p, int64_t base, int n) {
    const __m256i v = _mm256_sub_epi64(fc_four_whole(p, n), _mm256_set1_epi64x(base));
    const __m256i sorted = _mm256_permutevar8x32_epi32(v, _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7));
    const __m128i low = _mm256_castsi256_si128(sorted), high = _mm256_extracti128_si256(sorted, 1);
    const __m128i small = _mm_cmpeq_epi32(high, _mm_setzero_si128());
    const vec whole = _mm256_cvtepi32_pd(_mm_or_si128(low, _mm_xor_si128(small, _mm_set1_epi32(-1))));
    return n >= VLANES ? whole : _mm256_and_pd(whole, _mm256_castsi256_pd(fc_lane_mask(n)));
}
static inline void vstore_whole(int64_t *p, vec a, int64_t base, int n) {
    fc_store_four_whole(p, _mm256_add_epi64(_mm256_cvtepi32_epi64(_mm256_cvttpd_epi32(a)), _mm256_set1_epi64x(base)),
                        n);
}
#else
static inline vec vload_whole(const int64_t *p, int64_t base, int n) {
    const __m256i from = _mm256_set1_epi64x(base);
    const vec a = _mm256_castsi256_ps(_mm256_sub_epi64(fc_four_whole(p, n), from));
    const vec b = _mm256_castsi256_ps(_mm256_sub_epi64(fc_four_whole(p + 4, n - 4), from));
    const __m256i low = _mm256_castps_si256(veven(a, b)), high = _mm256_castps_si256(vodd(a, b));
    const __m256i small = _mm256_cmpeq_epi32(high, _mm256_setzero_si256());
    const vec whole = _mm256_cvtepi32_ps(_mm256_or_si256(low, _mm256_xor_si256(small, _mm256_set1_epi32(-1))));
    return n >= VLANES ? whole : _mm256_and_ps(whole, _mm256_castsi256_ps(fc_lane_mask(n)));
}
#define FC_INTEGER_PLACES
typedef __m256i vplace;
static inline vplace vplace_all(int k) { return _mm256_set1_epi32(k); }
static inline vplace vplace_nowhere(void) { return _mm256_set1_epi32(INT32_MIN); }
static inline vplace vplace_select(vmask m, vplace a, vplace b) {
    return _mm256_blendv_epi8(b, a, _mm256_castps_si256(m));
}
static inline vmask vplace_gt(vplace a, vplace b) { return _mm256_castsi256_ps(_mm256_cmpgt_epi32(a, b)); }
static inline vmask vplace_eq(vplace a, vplace b) { return _mm256_castsi256_ps(_mm256_cmpeq_epi32(a, b)); }
static inline vplace vplace_less(vplace a, vmask m, vplace b) {
    return _mm256_sub_epi32(a, _mm256_and_si256(_mm256_castps_si256(m), b));
}
/* Differences of the lower halves are right where the upper ones are zero, and those of places never negative. */
static inline vplace vplace_load(const int64_t *p, int64_t base, int n, vplace *odd) {
    const vec a = _mm256_castsi256_ps(fc_four_whole(p, n)), b = _mm256_castsi256_ps(fc_four_whole(p + 4, n - 4));
    const __m256i low = _mm256_castps_si256(vsplit_even(a, b)), high = _mm256_castps_si256(vsplit_odd(a, b));
    const __m256i from = _mm256_add_epi32(_mm256_set1_epi32((int)base), _mm256_setr_epi32(0, 2, 8, 10, 4, 6, 12, 14));
    const __m256i place = _mm256_sub_epi32(low, from);
    *odd = _mm256_or_si256(_mm256_or_si256(*odd, high), _mm256_and_si256(place, vplace_nowhere()));
    return place;
}
static inline vmask vplace_odd(vplace odd) {
    const __m256i none = _mm256_cmpeq_epi32(odd, _mm256_setzero_si256());
    return _mm256_castsi256_ps(_mm256_xor_si256(none, _mm256_set1_epi32(-1)));
}
static inline void vstore_whole(int64_t *p, vec a, int64_t base, int n) {
    const __m256i v = _mm256_cvttps_epi32(a), from = _mm256_set1_epi64x(base);
    fc_store_four_whole(p, _mm256_add_epi64(_mm256_cvtepi32_epi64(_mm256_castsi256_si128(v)), from), n);
    fc_store_four_whole(p + 4, _mm256_add_epi64(_mm256_cvtepi32_epi64(_mm256_extracti128_si256(v, 1)), from), n - 4);
}
#endif

#elif defined(FC_ISA_sse2)

static inline vmask vnan(vec a) { return FC_MM(cmpunord)(a, a); }
static inline vmask vunordered(vec a, vec b) { return FC_MM(cmpunord)(a, b); }
static inline int vany(vmask a) { return FC_MM(movemask)(a) != 0; }
static inline void vstream(real *p, vec v) { FC_MM(stream)(p, v); }
static inline void vstream_end(void) { _mm_sfence(); }
static inline vec vkeep(vmask m, vec a) { return FC_MM(and)(m, a); }
static inline vec vdrop(vmask m, vec a) { return FC_MM(andnot)(m, a); }
static inline vmask vor(vmask a, vmask b) { return FC_MM(or)(a, b); }
static inline vmask vand(vmask a, vmask b) { return FC_MM(and)(a, b); }
static inline vmask vandnot(vmask a, vmask b) { return FC_MM(andnot)(b, a); }
#if FC_F64
static inline vec veven(vec a, vec b) { return _mm_unpacklo_pd(a, b); }
static inline vec vodd(vec a, vec b) { return _mm_unpackhi_pd(a, b); }
static inline vec vafter(vec a, vec b) { return _mm_shuffle_pd(a, b, 1); }
static inline vec vbefore(vec a, vec b) { return _mm_shuffle_pd(a, b, 1); }
#else
static inline vec veven(vec a, vec b) { return _mm_shuffle_ps(a, b, 0x88); }
static inline vec vodd(vec a, vec b) { return _mm_shuffle_ps(a, b, 0xDD); }
static inline vec vafter(vec a, vec b) {
    const vec turned = _mm_move_ss(a, b);
    return _mm_shuffle_ps(turned, turned, 0x39);
}
static inline vec vbefore(vec a, vec b) { return _mm_move_ss(_mm_shuffle_ps(b, b, 0x93), _mm_shuffle_ps(a, a, 0xFF)); }
#endif
static inline vec vziplow(vec a, vec b) { return FC_MM(unpacklo)(a, b); }
static inline vec vziphigh(vec a, vec b) { return FC_MM(unpackhi)(a, b); }

#elif defined(FC_ISA_neon)

static inline vmask vnan(vec a) { return ~veq(a, a); }
static inline vmask vunordered(vec a, vec b) { return ~(veq(a, a) & veq(b, b)); }
static inline vec vkeep(vmask m, vec a) { return vselect(m, a, vzero()); }
static inline vec vdrop(vmask m, vec a) { return vselect(m, vzero(), a); }
static inline vmask vor(vmask a, vmask b) { return a | b; }
static inline vmask vand(vmask a, vmask b) { return a & b; }
static inline vmask vandnot(vmask a, vmask b) { return a & ~b; }
#if FC_F64
#define FC_NEON_PAIR(op) op##q_f64
static inline int vany(vmask a) { return vmaxvq_u32(vreinterpretq_u32_u64(a)) != 0; }
#else
#define FC_NEON_PAIR(op) op##q_f32
static inline int vany(vmask a) { return vmaxvq_u32(a) != 0; }
#endif
static inline vec veven(vec a, vec b) { return FC_NEON_PAIR(vuzp1)(a, b); }
static inline vec vodd(vec a, vec b) { return FC_NEON_PAIR(vuzp2)(a, b); }
static inline vec vziplow(vec a, vec b) { return FC_NEON_PAIR(vzip1)(a, b); }
static inline vec vziphigh(vec a, vec b) { return FC_NEON_PAIR(vzip2)(a, b); }
static inline vec vafter(vec a, vec b) { return FC_NEON_PAIR(vext)(a, b, 1); }
static inline vec vbefore(vec a, vec b) { return FC_NEON_PAIR(vext)(a, b, VLANES - 1); }
#undef FC_NEON_PAIR
static inline void vstream(real *p, vec v) { vstore(p, v); }
static inline void vstream_end(void) {}

#else

static inline vmask vnan(vec a) { return a != a; }
static inline vmask vunordered(vec a, vec b) { return a != a || b != b; }
static inline int vany(vmask a) { return a; }
static inline void vstream(real *p, vec v) { vstore(p, v); }
static inline void vstream_end(void) {}
static inline vec vkeep(vmask m, vec a) { return vselect(m, a, vzero()); }
static inline vec vdrop(vmask m, vec a) { return vselect(m, vzero(), a); }
static inline vmask vor(vmask a, vmask b) { return a || b; }
static inline vmask vand(vmask a, vmask b) { return a && b; }
static inline vmask vandnot(vmask a, vmask b) { return a && !b; }
static inline vec veven(vec a, vec b) { return (void)b, a; }
static inline vec vodd(vec a, vec b) { return (void)a, b; }
static inline vec vziplow(vec a, vec b) { return (void)b, a; }
static inline vec vziphigh(vec a, vec b) { return (void)a, b; }
static inline vec vafter(vec a, vec b) { return (void)a, b; }
static inline vec vbefore(vec a, vec b) { return (void)b, a; }

#endif

#ifndef FC_SPLIT_ORDER
static inline vec vsplit(vec a) { return a; }
static inline vec vjoin(vec a) { return a; }
static inline vec vsplit_even(vec a, vec b) { return veven(a, b); }
static inline vec vsplit_odd(vec a, vec b) { return vodd(a, b); }
static inline vec vjoin_low(vec a, vec b) { return vziplow(a, b); }
static inline vec vjoin_high(vec a, vec b) { return vziphigh(a, b); }
static inline vec vsplit_before(vec a, vec b) { return vbefore(a, b); }
static inline vec vsplit_after(vec a, vec b) { return vafter(a, b); }
#endif

/* v[0] .. v[n-1], n a power of two, become their elements in turn: 0 of each, then 1 of each, ... Each pass zips the first
 * half with the second. */
static inline __attribute__((always_inline)) void fc_interleave(vec *v, const int n) {
#pragma GCC unroll 4
    for (int pass = 1; pass < n; pass *= 2) {
        vec zipped[16];
#pragma GCC unroll 8
        for (int i = 0; i < n / 2; ++i) {
            zipped[2 * i] = vziplow(v[i], v[i + n / 2]);
            zipped[2 * i + 1] = vziphigh(v[i], v[i + n / 2]);
        }
#pragma GCC unroll 16
        for (int i = 0; i < n; ++i) v[i] = zipped[i];
    }
}

/* Whole zips cost AVX2 a permutation of halves in every pass: here the passes stay within halves until the last. */
#if defined(FC_ISA_avx2)
static inline __attribute__((always_inline)) void vtranspose(vec *v) {
    vec t[VLANES];
#pragma GCC unroll 8
    for (int i = 0; i < VLANES; i += 2) {
        t[i] = FC_MM(unpacklo)(v[i], v[i + 1]);
        t[i + 1] = FC_MM(unpackhi)(v[i], v[i + 1]);
    }
#if !FC_F64
    vec u[VLANES];
#pragma GCC unroll 8
    for (int i = 0; i < VLANES; ++i) {
        const __m256d a = _mm256_castps_pd(t[i / 4 * 4 + i % 4 / 2]),
                      b = _mm256_castps_pd(t[i / 4 * 4 + i % 4 / 2 + 2]);
        u[i] = _mm256_castpd_ps(i % 2 ? _mm256_unpackhi_pd(a, b) : _mm256_unpacklo_pd(a, b));
    }
#else
    const vec *u = t;
#endif
#pragma GCC unroll 8
    for (int i = 0; i < VLANES / 2; ++i) {
        v[i] = FC_MM(permute2f128)(u[i], u[i + VLANES / 2], 0x20);
        v[i + VLANES / 2] = FC_MM(permute2f128)(u[i], u[i + VLANES / 2], 0x31);
    }
}
#else
static inline __attribute__((always_inline)) void vtranspose(vec *v) { fc_interleave(v, VLANES); }
#endif

static inline void vprefetch(const real *p) { __builtin_prefetch(p, 0, 3); }

/* What needs masked memory or conversions of 64-bit integers goes element by element where the ISA has none. */
#if !defined(FC_ISA_avx512) && !defined(FC_ISA_avx2)
static inline vec vload_whole(const int64_t *p, int64_t base, int n) {
    real lanes[VLANES] = {0};
    for (int i = 0; i < VLANES && i < n; ++i) lanes[i] = (real)(int64_t)((uint64_t)p[i] - (uint64_t)base);
    return vload(lanes);
}
static inline void vstore_whole(int64_t *p, vec a, int64_t base, int n) {
    real lanes[VLANES];
    vstore(lanes, a);
    for (int i = 0; i < VLANES && i < n; ++i) p[i] = base + (int64_t)lanes[i];
}
typedef struct vspan {
    int from, to;
} vspan;
static inline vspan vspan_of(int64_t from, int64_t to) {
    return (vspan){(int)fc_span_bound(from), (int)fc_span_bound(to)};
}
static inline vec vload_span(const real *p, vspan s, vec rest) {
    if (s.from == 0 && s.to == VLANES) return vload(p);
    real lanes[VLANES];
    vstore(lanes, rest);
    for (int i = s.from; i < s.to; ++i) lanes[i] = p[i];
    return vload(lanes);
}
static inline vec vload_cut(const real *p, vspan s) { return vload_span(p, s, vzero()); }
static inline void vstore_span(real *p, vec v, vspan s) {
    if (s.from == 0 && s.to == VLANES) {
        vstore(p, v);
        return;
    }
    real lanes[VLANES];
    vstore(lanes, v);
    for (int i = s.from; i < s.to; ++i) p[i] = lanes[i];
}
#endif

#ifndef FC_INTEGER_PLACES
typedef vec vplace;
static inline vplace vplace_all(int k) { return vbroadcast((real)k); }
static inline vplace vplace_nowhere(void) { return vbroadcast((real)NAN); }
static inline vplace vplace_select(vmask m, vplace a, vplace b) { return vselect(m, a, b); }
static inline vmask vplace_gt(vplace a, vplace b) { return vgt(a, b); }
static inline vmask vplace_eq(vplace a, vplace b) { return veq(a, b); }
static inline vplace vplace_less(vplace a, vmask m, vplace b) { return vsub(a, vkeep(m, b)); }
static inline vplace vplace_load(const int64_t *p, int64_t base, int n, vplace *odd) {
    real twice[VLANES];
    for (int i = 0; i < VLANES; ++i) twice[i] = (real)(2 * i);
    (void)odd;
    return vsplit(vsub(vload_whole(p, base, n), vload(twice)));
}
static inline vmask vplace_odd(vplace odd) { return (void)odd, vgt(vzero(), vzero()); }
#endif

#endif
