/* SPDX-License-Identifier: BSD-3-Clause */
/* The mistake that this run makes: a number of src/raft/mutants.h or src/cluster/mutants.h in the
 * variable LARDER_MUTANT of the environment. Part of builds with LARDER_MUTANTS only. */
#include <stdlib.h>

extern int larder_mutant;
int larder_mutant;

__attribute__((constructor)) static void choose(void) {
    const char *number = getenv("LARDER_MUTANT");
    larder_mutant = number == NULL ? 0 : atoi(number);
}
