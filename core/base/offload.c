#include "core/base/offload.h"

#include <stdio.h>
#include <string.h>

const char *const tun_offload_words[] = {
	"checksum", "tso", "uso", "coalesce-tcp", "coalesce-udp", NULL};
const char *const udp_offload_words[] = {"gso", "gro", NULL};

const char *offload_format(const char *const *words, uint32_t bits, char *out)
{
	size_t len = 0;
	snprintf(out, OFFLOAD_TEXT_MAX, "none");
	for (unsigned i = 0; words[i]; i++)
		if (bits & UINT32_C(1) << i)
			len += (size_t)snprintf(out + len, OFFLOAD_TEXT_MAX - len, "%s%s",
				len > 0 ? " " : "", words[i]);
	return out;
}

const char *offload_summary(const char *const *words, uint32_t wanted, uint32_t in_use, char *out)
{
	char missing[OFFLOAD_TEXT_MAX];
	offload_format(words, in_use, out);
	if (wanted & ~in_use) {
		size_t len = strlen(out);
		snprintf(out + len, OFFLOAD_SUMMARY_MAX - len, "; not on this system: %s",
			offload_format(words, wanted & ~in_use, missing));
	}
	return out;
}
