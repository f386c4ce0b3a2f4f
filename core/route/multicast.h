#ifndef WARREN_ROUTE_MULTICAST_H
#define WARREN_ROUTE_MULTICAST_H

#include "core/wire/ip.h"

/*
 * May this multicast packet cross the overlay? Link-scope groups only (224.0.0.0/24, ff02::/16), which
 * routing protocols speak; not mDNS, LLMNR and SSDP, nor router solicitations, which would make
 * every node talk to every other.
 */
bool multicast_permitted(const uint8_t *ip, const struct ip_view *view);

#endif
