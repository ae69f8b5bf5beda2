#include "fastconv.h"
__attribute__((weak)) fc_status fc_pool_execute(const fc_pool_desc *d, const fc_pool_args *a) { (void)d; (void)a; return FC_UNSUPPORTED; }
