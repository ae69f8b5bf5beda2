/* fold.h: the gradient through a border that copies elements (reflect, symmetric, edge, wrap).
 *
 * Every algorithm computes the gradient of one padded image; the fold then adds each border position to the element
 * it is a copy of. Algorithms know nothing of it: they see a descriptor of one image without padding. */
#ifndef FC_CONV_FOLD_H
#define FC_CONV_FOLD_H

#include "conv/plan.h"

typedef struct fc_fold fc_fold;

/* Sets plan->fold and rewrites plan->desc where the pass needs it; a border that no window reads is only forgotten. */
fc_status fc_fold_create(fc_conv_plan *plan);
void fc_fold_destroy(fc_fold *fold);
int64_t fc_fold_bytes(const fc_fold *fold);       /* of the padded image; 0 without a fold */
int64_t fc_fold_images(const fc_conv_plan *plan); /* of the whole call, with or without a fold */
fc_status fc_fold_execute(const fc_conv_plan *plan, const fc_conv_algorithm *algorithm, const fc_conv_args *args,
                          const fc_conv_scratch *scratch, void *padded);

#endif
