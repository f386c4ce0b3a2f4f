#ifndef WARREN_ROUTE_LEG_H
#define WARREN_ROUTE_LEG_H

#include "core/base/addr.h"

/* One of several next hops of a route, between which flows are shared (equal cost multipath). */
#define ROUTE_LEGS 16

struct route_leg {
	struct ip_addr gateway; /* family 0 = on link */
	uint16_t weight;        /* shares of the flows, > 0 */
};

#endif
