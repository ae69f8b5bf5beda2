/* cpu.h: what the engine asks of the machine. */
#ifndef FC_CPU_H
#define FC_CPU_H

#include <stdint.h>

int fc_usable_cpus(void); /* CPU affinity and container quota, at least 1 */
int64_t fc_l1_bytes(void);
int64_t fc_l2_bytes(void);
int64_t fc_l3_bytes(void);

#endif
