/* simd.h: the vector vocabulary. A file that includes it is compiled once per ISA and element type
 * (-DFC_ISA_<isa>=1 -DFC_F64=0|1) and sees the same names each time:
 *
 *   real, vec, vmask            element, vector of VLANES elements, lane mask; VREGS (a macro) vector registers exist
 *   vzero vbroadcast            constants
 *   vload vstore                VLANES elements, any alignment
 *   vhold                       the same value, in a register: compilers fold a load into every instruction that uses it
 *   vload_part vstore_part      the first n lanes, 0 < n <= VLANES; lanes beyond are zero and never touched in memory
 *   vadd vsub vmul vdiv vfma    vfma(a, b, c) = a*b + c, fused where the ISA can
 *   vmax vmin                   a > b ? a : b and a < b ? a : b, so a NaN in either operand gives b
 *   vgt veq vselect             lane masks: vselect(m, a, b) = m ? a : b
 *   vabs vsqrt vsigned          vsigned(a, b) = a with the sign of b
 *   vsum vsum4                  the lanes of one vector, of four vectors, added in a fixed tree order
 *   vbits                       a vector of unsigned integers as wide as real, on which C's operators work lane by lane;
 *   vbits_of vbits_real         its lanes hold the bits of a vector's, and back
 */
#ifndef FC_SIMD_H
#define FC_SIMD_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if FC_F64
typedef double real;
#else
typedef float real;
#endif

#if defined(FC_ISA_avx512)
#include "simd/avx512.h"
#elif defined(FC_ISA_avx2)
#include "simd/avx2.h"
#elif defined(FC_ISA_sse2)
#include "simd/sse2.h"
#elif defined(FC_ISA_neon)
#include "simd/neon.h"
#else
#include "simd/scalar.h"
#endif

#if FC_F64
typedef uint64_t fc_word;
#define FC_SIGN_BIT ((fc_word)1 << 63)
#else
typedef uint32_t fc_word;
#define FC_SIGN_BIT ((fc_word)1 << 31)
#endif
#if defined(FC_ISA_avx512) || defined(FC_ISA_avx2) || defined(FC_ISA_sse2) || defined(FC_ISA_neon)
typedef fc_word vbits __attribute__((vector_size(sizeof(vec))));
static inline vbits vbits_of(vec a) { return (vbits)a; }
static inline vec vbits_real(vbits a) { return (vec)a; }
#else
typedef fc_word vbits;
static inline vbits vbits_of(vec a) {
    vbits bits;
    memcpy(&bits, &a, sizeof bits);
    return bits;
}
static inline vec vbits_real(vbits a) {
    vec value;
    memcpy(&value, &a, sizeof value);
    return value;
}
#endif
static inline vec vsigned(vec a, vec b) {
    return vbits_real((vbits_of(a) & ~FC_SIGN_BIT) | (vbits_of(b) & FC_SIGN_BIT));
}

#define FC_PASTE3_(a, b, c) a##_##b##__##c
#define FC_PASTE3(a, b, c) FC_PASTE3_(a, b, c)
/* FC_NAME(fc_dot) -> fc_dot_f32__avx2 */
#define FC_NAME(stem) FC_PASTE3(stem, FC_DTYPE, FC_ISA)

#endif
