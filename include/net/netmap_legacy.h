// SPDX-License-Identifier: BSD-2-Clause
//
// The requests of API 11 and before lie in net/netmap.h with all the others; this file is for who asks by its name.

#ifndef NET_NETMAP_LEGACY_H
#define NET_NETMAP_LEGACY_H

#include <net/netmap.h>

#endif
