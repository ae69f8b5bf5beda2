/* weights.h: backward_weights for every shape, shared by the rows of the list that take that pass. */
#ifndef FC_CONV_WEIGHTS_H
#define FC_CONV_WEIGHTS_H

#include "conv/plan.h"

fc_status fc_weights_plan(fc_conv_plan *plan);
fc_status fc_weights_execute(const fc_conv_plan *plan, const fc_conv_args *args, const fc_conv_scratch *scratch);
void fc_weights_release(fc_conv_plan *plan);

#endif
