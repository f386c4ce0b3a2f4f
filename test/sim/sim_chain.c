#include "test/sim/ear.h"
#include "test/sim/run.h"
static void nothing(struct sim *s)
{
	(void)s;
}
static const struct sim_case cases[] = {{"nothing", nothing}};
SIM_MAIN(cases, 1)
