/* SPDX-License-Identifier: BSD-3-Clause */
/* Zipf by rejection-inversion. A point u is drawn uniformly under the continuous curve x^-q between
 * 1 and n + 1/2 (with the first rank's bar widened to its exact weight), mapped back to x, and
 * rounded to the rank k. It is kept if u falls in the part of k's interval that the bar k^-q fills.
 */
#include "random_source.h"

#include <math.h>

/* Integral of x^-q from 1 to x; the expm1 form stays exact when q is near 1. */
static double area(const struct zipf *z, double x) {
    double p = 1.0 - z->exponent;
    double log_x = log(x);
    return fabs(p * log_x) < 1e-12 ? log_x : expm1(p * log_x) / p;
}

static double area_inverse(const struct zipf *z, double u) {
    double p = 1.0 - z->exponent;
    return fabs(p * u) < 1e-12 ? exp(u) : exp(log1p(p * u) / p);
}

static double weight(const struct zipf *z, double x) {
    return exp(-z->exponent * log(x));
}

void zipf_init(struct zipf *z, uint64_t n, double exponent) {
    *z = (struct zipf){.n = n, .exponent = exponent};
    z->area_start = area(z, 1.5) - 1.0;
    z->area_end = area(z, (double)n + 0.5);
    z->always_accept = 2.0 - area_inverse(z, area(z, 2.5) - weight(z, 2.0));
}

uint64_t zipf_next(const struct zipf *z, struct random_source *r) {
    for (;;) {
        double u = z->area_end + random_unit(r) * (z->area_start - z->area_end);
        double x = area_inverse(z, u);
        double k = floor(x + 0.5);
        if (k < 1.0)
            k = 1.0;
        else if (k > (double)z->n)
            k = (double)z->n;
        if (k - x <= z->always_accept || u >= area(z, k + 0.5) - weight(z, k))
            return (uint64_t)k;
    }
}
