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
enum { VREGS = 32 };

static inline vmask fc_lane_mask(int n) { return (vmask)((1u << n) - 1u); }
static inline vec vzero(void) { return FC_MM(setzero)(); }
static inline vec vbroadcast(real s) { return FC_MM(set1)(s); }
static inline vec vload(const real *p) { return FC_MM(loadu)(p); }
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
