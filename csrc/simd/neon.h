/* neon.h: AArch64 Advanced SIMD, 128-bit vectors, 32 registers, fused multiply-add, no masks. */
#include <arm_neon.h>

#if FC_F64
typedef float64x2_t vec;
typedef uint64x2_t vmask;
enum { VLANES = 2 };
#define FC_NEON(op) op##q_f64
#define FC_NEON_N(op) op##q_n_f64
#else
typedef float32x4_t vec;
typedef uint32x4_t vmask;
enum { VLANES = 4 };
#define FC_NEON(op) op##q_f32
#define FC_NEON_N(op) op##q_n_f32
#endif
#define VREGS 32

static inline vec vzero(void) { return FC_NEON_N(vdup)(0); }
static inline vec vbroadcast(real s) { return FC_NEON_N(vdup)(s); }
static inline vec vload(const real *p) { return FC_NEON(vld1)(p); }
static inline vec vhold(vec v) {
    __asm__("" : "+w"(v));
    return v;
}
static inline void vstore(real *p, vec v) { FC_NEON(vst1)(p, v); }
static inline vec vload_part(const real *p, int n) {
    real lanes[VLANES] = {0};
    for (int i = 0; i < VLANES && i < n; ++i) lanes[i] = p[i];
    return FC_NEON(vld1)(lanes);
}
static inline void vstore_part(real *p, vec v, int n) {
    real lanes[VLANES];
    FC_NEON(vst1)(lanes, v);
    for (int i = 0; i < VLANES && i < n; ++i) p[i] = lanes[i];
}
static inline vec vadd(vec a, vec b) { return FC_NEON(vadd)(a, b); }
static inline vec vsub(vec a, vec b) { return FC_NEON(vsub)(a, b); }
static inline vec vmul(vec a, vec b) { return FC_NEON(vmul)(a, b); }
static inline vec vdiv(vec a, vec b) { return FC_NEON(vdiv)(a, b); }
static inline vec vfma(vec a, vec b, vec c) { return FC_NEON(vfma)(c, a, b); }
static inline vmask vgt(vec a, vec b) { return FC_NEON(vcgt)(a, b); }
static inline vmask veq(vec a, vec b) { return FC_NEON(vceq)(a, b); }
static inline vec vselect(vmask m, vec a, vec b) { return FC_NEON(vbsl)(m, a, b); }
static inline vec vmax(vec a, vec b) { return vselect(vgt(a, b), a, b); }
static inline vec vmin(vec a, vec b) { return vselect(vgt(b, a), a, b); }
static inline vec vabs(vec a) { return FC_NEON(vabs)(a); }
static inline vec vsqrt(vec a) { return FC_NEON(vsqrt)(a); }
static inline real vsum(vec a) { return FC_NEON(vaddv)(a); }
#if FC_F64
static inline void vsum4(const vec v[4], real sums[4]) {
    vstore(sums, vpaddq_f64(v[0], v[1]));
    vstore(sums + 2, vpaddq_f64(v[2], v[3]));
}
#else
static inline void vsum4(const vec v[4], real sums[4]) {
    vstore(sums, vpaddq_f32(vpaddq_f32(v[0], v[1]), vpaddq_f32(v[2], v[3])));
}
#endif
