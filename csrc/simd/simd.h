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
 *   vabs vsqrt
 *   vsum vsum4                  the lanes of one vector, of four vectors, added in a fixed tree order
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

#define FC_PASTE3_(a, b, c) a##_##b##__##c
#define FC_PASTE3(a, b, c) FC_PASTE3_(a, b, c)
/* FC_NAME(fc_dot) -> fc_dot_f32__avx2 */
#define FC_NAME(stem) FC_PASTE3(stem, FC_DTYPE, FC_ISA)

#endif
